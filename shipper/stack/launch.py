"""Starts servers side by side and waits until each has answered a real request."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from shipper.clock import Clock
from shipper.errors import ServerFailed
from shipper.stack.artifacts import ServerName
from shipper.stack.placement import Account
from shipper.stack.process import ProcessIdentity, find_marked, identify, start, stop
from shipper.stack.progress import Progress
from shipper.stack.server import Server

_POLL_S: Final = 0.1
_PATIENCE_S: Final = 10.0
_START_ORDER: Final[tuple[ServerName, ...]] = ("elasticsearch", "kafka")
"""The slower one first: preparing the other then costs no time."""
_STARTS: Final = 5
_TAKEN_NUMBER: Final = ".java_pid"
"""In the log of a Java server whose process number another user's killed Java program had before.

That one left `/tmp/.java_pid<number>`, which Elasticsearch must own to attach to itself; the next start
has another number.
"""

Remember = Callable[[ServerName, ProcessIdentity], None]
"""Told a process as soon as it exists, and again when it is ready."""


class Launch:
    """One attempt to bring servers up; `titles` are their names for people.

    Servers run under `account`, or as the caller if it is None.
    """

    def __init__(
        self,
        servers: Mapping[ServerName, Server],
        titles: Mapping[ServerName, str],
        account: Account | None,
        progress: Progress,
        clock: Clock,
    ) -> None:
        self._servers = servers
        self._titles = titles
        self._account = account
        self._progress = progress
        self._clock = clock
        self._children: dict[ServerName, subprocess.Popen[bytes]] = {}
        self._log_sizes: dict[ServerName, int] = {}
        self._starts: Counter[ServerName] = Counter()

    def run(self, idle: Iterable[ServerName], timeout_s: float, remember: Remember) -> None:
        """Start those that are `idle` and wait until all answer; on any trouble stop what was started.

        Raises:
            ServerFailed: a server ended, or did not answer within `timeout_s`.
        """
        todo = [server for server in _START_ORDER if server in set(idle)]
        try:
            for server in todo:
                self._begin(server, remember)
            self._wait(timeout_s, remember)
        except BaseException:  # Ctrl-C included
            self._abandon(todo)
            raise

    def _begin(self, server: ServerName, remember: Remember) -> None:
        one = self._servers[server]
        self._progress.step(f"Starting {self._titles[server]}")
        one.prepare()
        self._log_sizes[server] = one.folder.log_size()
        child = start(one.command(), self._account)
        self._children[server] = child
        self._starts[server] += 1
        process = identify(child.pid)
        if process is not None:
            remember(server, process)

    def _wait(self, timeout_s: float, remember: Remember) -> None:
        begin_s = self._clock.monotonic_s()
        waiting = list(self._servers)
        never = threading.Event()
        while True:
            for server in tuple(waiting):
                process = self._servers[server].ready_process()
                elapsed_s = self._clock.monotonic_s() - begin_s
                if process is not None:
                    remember(server, process)
                    waiting.remove(server)
                    if server in self._children:
                        self._progress.step(f"{self._titles[server]} is ready")
                elif self._has_ended(server):
                    if not self._may_begin_again(server):
                        raise self._failure(server, "")
                    self._begin(server, remember)
                elif elapsed_s > timeout_s:
                    raise self._failure(server, f"no answer within {timeout_s:.0f} s; ")
            if not waiting:
                return
            self._clock.wait(never, _POLL_S)

    def _has_ended(self, server: ServerName) -> bool:
        child = self._children.get(server)
        if child is not None and child.poll() is None:
            return False
        # The launcher of Elasticsearch ends when the real server listens.
        return not find_marked(self._servers[server].folder.root)

    def _may_begin_again(self, server: ServerName) -> bool:
        if not 0 < self._starts[server] < _STARTS:
            return False
        return self._servers[server].folder.tells(_TAKEN_NUMBER, self._log_sizes[server])

    def _abandon(self, started: Iterable[ServerName]) -> None:
        folders = [self._servers[server].folder.root for server in started]
        try:
            stop([p for f in folders for p in find_marked(f)], clock=self._clock, patience_s=_PATIENCE_S)
        except KeyboardInterrupt:  # the second Ctrl-C: no more patience
            stop([p for f in folders for p in find_marked(f)], clock=self._clock, patience_s=0)

    def _failure(self, server: ServerName, prefix: str) -> ServerFailed:
        folder = self._servers[server].folder
        known_bytes = self._log_sizes.get(server, 0)
        reason, end = folder.explain(known_bytes)
        log = folder.log if folder.log_size() != known_bytes else folder.output
        return ServerFailed(self._titles[server], f"{prefix}{reason}", str(log), end)
