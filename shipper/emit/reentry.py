"""The per-thread guard: our own logs, and our clients' logs about our work, never feed us.

A record that is made while this thread is already inside our code (a destructor that logs when garbage
collection runs, a `__repr__` that logs) is counted and dropped, because waiting for our own lock would
be for ever. Records of our threads, and of the Kafka client's network threads, would make more records.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final
from weakref import ref

OWN_THREADS: Final = frozenset({"shipper-ship"})
"""Names of the threads that shipper starts in an application."""

CLIENT_THREADS: Final = ("kafka-io-shipper", "shipper-network-thread", "shipper-dead-letters-network-thread")
"""Begin of the names of the threads that the Kafka client starts for us; they carry our client id, and the
application's own clients have theirs."""

CLIENT_LOGGERS: Final = frozenset({"kafka", "elastic_transport", "elasticsearch", "urllib3"})
_MOST_OPEN: Final = 8


def _nothing() -> None:
    """A reference to nothing, as one to an object that is gone."""


class ThreadState:
    """What one thread is doing.

    Attributes:
        is_inside: whether it is in our code.
        refused: records that were made meanwhile, to be counted on the way out.
        native_id: the operating system's number of the thread.
        thread: Python's object for it.
        here: what the quick way keeps of it.
        last: a weak reference to the last record that passed one of our handlers on this thread.
        routes: the roads that it passed.
        older: the same of records before it that still live.
    """

    __slots__ = (
        "here",
        "is_inside",
        "last",
        "native_id",
        "older",
        "refused",
        "routes",
        "thread",
    )

    def __init__(self) -> None:
        self.is_inside = False
        self.refused = 0
        self.native_id = threading.get_native_id()
        self.thread = threading.current_thread()
        self.here: tuple[object, str, Any] | None = None
        self.last: Callable[[], object | None] = _nothing
        self.routes: tuple[int, ...] = ()
        self.older: list[tuple[Callable[[], object | None], tuple[int, ...]]] = []

    def has_passed(self, route: int, record: object) -> bool:
        """Tell whether `record` already passed the road `route` on this thread.

        One record object reaches several handlers (a logger's and its parent's) one after the other.
        """
        if self.last() is record:
            return route in self.routes
        # Between its handlers, another handler may log records of its own.
        return any(known() is record and route in routes for known, routes in self.older)

    def note_passed(self, route: int, record: object) -> None:
        """Note that `record` passes the road `route` on this thread."""
        last = self.last()
        if last is record:
            self.routes += (route,)
            return
        if last is not None:
            living = [entry for entry in self.older if entry[0]() is not None]
            self.older = [(self.last, self.routes), *living][:_MOST_OPEN]
        self.last = ref(record)
        self.routes = (route,)


class _Threads(threading.local):
    def __init__(self) -> None:
        # One object behind one attribute: each look at a thread-local costs more than one at a slot.
        self.state = ThreadState()


THREADS: Final = _Threads()
"""`THREADS.state` is the state of the running thread."""


def is_ours(logger: str) -> bool:
    """Tell whether a record of `logger`, made on this thread, comes from our own work."""
    name = threading.current_thread().name
    if name in OWN_THREADS:
        return True
    return name.startswith(CLIENT_THREADS) and logger.partition(".")[0] in CLIENT_LOGGERS


def after_fork_in_child() -> None:
    """Forget what the forking thread was doing; its native id is another one in the child."""
    THREADS.state = ThreadState()
