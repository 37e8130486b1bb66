"""Late imports and forks: never one inside the other.

A module that one thread is just importing stays locked for ever in a child that another thread forks meanwhile: Python
makes its other locks anew there, not these. Much of ours is imported at the first record, and the Kafka client by the
shipping thread, so a server that forks its workers right after its first line would get children that hang. The same
goes for what a library completes at its first use under a lock that it does not make anew, as pydantic does.
"""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import Final

_PATIENCE_S: Final = 10.0
"""A fork waits no longer: rather a child at risk than a parent that hangs."""


class Loading:
    """Held around an import that happens after start; a fork waits until nobody holds it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forks = threading.local()

    def __enter__(self) -> None:
        """Wait for imports of other threads, and for forks. One inside another is no matter."""
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let others import and fork."""
        self._lock.release()

    def before_fork(self) -> None:
        """Wait until no other thread imports."""
        is_held = self._lock.acquire(timeout=_PATIENCE_S)
        # A stack: a signal handler may fork inside of a fork's own hooks.
        self._forks.held = (*self._held(), is_held)

    def after_fork(self) -> None:
        """In the parent: let others import."""
        if self._pop():
            with contextlib.suppress(
                RuntimeError
            ):  # another one than was taken, in the child of such a handler
                self._lock.release()

    def after_fork_in_child(self) -> None:
        """In the child: whoever held it is not here, unless it is this very thread, which then goes on."""
        if self._pop():
            with contextlib.suppress(RuntimeError):
                self._lock.release()
        else:
            self._lock = threading.RLock()

    def _held(self) -> tuple[bool, ...]:
        held: tuple[bool, ...] = getattr(self._forks, "held", ())
        return held

    def _pop(self) -> bool:
        held = self._held()
        self._forks.held = held[:-1]
        return held[-1:] == (True,)


LOADING: Final = Loading()

os.register_at_fork(
    before=LOADING.before_fork,
    after_in_parent=LOADING.after_fork,
    after_in_child=LOADING.after_fork_in_child,
)
