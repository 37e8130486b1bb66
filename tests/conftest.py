"""What holds for every test."""

from __future__ import annotations

import signal
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.closing_words import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

_ON_SERVERS = "tests/service/"


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start.

    A runner in the background of a shell ignores SIGINT, and its children inherit that: what the tests say
    of an interrupt would then be about the shell.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _ByServers(LoadScopeScheduling):  # type: ignore[misc]
    """Gives all tests on servers to one process, which runs them one after the other: they share the servers.

    The others go file by file to whoever is free.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _ON_SERVERS if nodeid.startswith(_ON_SERVERS) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _ByServers:
    """Say who runs what, where several processes test (`-n`)."""
    return _ByServers(config, log)
