"""Threads of ours in somebody else's program, which may fork at any moment."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Final

_LOOK_S: Final = 0.0002


class _Started(threading.Event):
    """Is waited for by looking, and only by the process that made it."""

    def __init__(self) -> None:
        super().__init__()
        self._process = os.getpid()

    def wait(self, timeout: float | None = None) -> bool:
        """As `threading.Event.wait`, but it returns at once in a child that was forked meanwhile."""
        deadline_s = None if timeout is None else time.monotonic() + timeout
        while not self.is_set() and os.getpid() == self._process:
            if deadline_s is not None and time.monotonic() >= deadline_s:
                break
            time.sleep(_LOOK_S)
        return self.is_set()


class OwnThread(threading.Thread):
    """A daemon thread.

    `threading.Thread.start` waits until the new thread says that it runs. In a child that a signal handler forks
    meanwhile there is no such thread, and the child would wait for ever. Here `start` returns, and no thread runs.
    """

    def __init__(self, target: Callable[[], object], name: str) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self._started = _Started()  # the base class has no other way to say how it waits
