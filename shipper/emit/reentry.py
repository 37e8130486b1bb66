"""The per-thread guard: our own logs, and our clients' logs about our work, never feed us.

A record that is made while this thread is already inside our code (a destructor that logs when garbage
collection runs, a `__repr__` that logs) is counted and dropped, because waiting for our own lock would
be for ever. Records of our threads, and of the Kafka client's network threads, would make more records.
"""

from __future__ import annotations

import sys
import threading
from sys import getrefcount
from typing import Final
from weakref import ref

OWN_THREADS: Final = frozenset({"shipper-ship"})
"""Names of the threads that shipper starts in an application."""

CLIENT_THREADS: Final = ("kafka-io-shipper", "shipper-network-thread", "shipper-dead-letters-network-thread")
"""Begin of the names of the threads that the Kafka client starts for us; they carry our client id, and the
application's own clients have theirs."""

CLIENT_LOGGERS: Final = frozenset({"kafka", "elastic_transport", "elasticsearch", "urllib3"})
Here = tuple[object, str, bytes]
"""Whose it is, the thread's name, and the root `process` as a document has it behind others."""
NOWHERE: Final[Here] = (None, "", b"")
_MOST_OPEN: Final = 8
_REFERENCES_TO_HELD = sys.maxsize  # until it is measured, below


class ThreadState:
    """What one thread is doing.

    Attributes:
        is_inside: whether it is in our code.
        refused: records that were made meanwhile, to be counted on the way out.
        ident: Python's number of the thread.
        native_id: the operating system's.
        thread: Python's object for it.
        here: what the quick way keeps of it.
        held: the last record of plain values that passed one of our handlers on this thread.
        routes: the roads that it passed.
        open: weak references to others that still live, and the roads that they passed.
    """

    __slots__ = (
        "held",
        "here",
        "ident",
        "is_inside",
        "native_id",
        "open",
        "refused",
        "routes",
        "thread",
    )

    def __init__(self) -> None:
        self.is_inside = False
        self.refused = 0
        self.ident = threading.get_ident()
        self.native_id = threading.get_native_id()
        self.thread = threading.current_thread()
        self.here = NOWHERE
        self.held: object = None
        self.routes: tuple[int, ...] = ()
        self.open: list[tuple[ref[object], tuple[int, ...]]] = []

    def has_passed(self, route: int, record: object) -> bool:
        """Tell whether `record` already passed the road `route` on this thread.

        One record object reaches several handlers (a logger's and its parent's) one after the other.
        """
        if self.held is record:
            return route in self.routes
        return any(known() is record and route in routes for known, routes in self.open)

    def note_passed(self, route: int, record: object) -> None:
        """Note that `record` passes the road `route` on this thread."""
        if self.held is record:
            self.routes += (route,)
            return
        # Between two handlers of a record, another one may log records of its own.
        living = [entry for entry in self.open if entry[0]() is not None]
        self.open = [(ref(record), (route,)), *living][:_MOST_OPEN]

    def hold_passed(self, route: int, record: object) -> None:
        """As `note_passed`, for a record that holds nothing but plain values: it is kept until the next one.

        A weak reference costs a tenth of a logging call. A record with arguments or an exception must not be kept:
        who knows how much hangs on it.
        """
        if self.held is record:
            self.routes += (route,)
            return
        if self.open:  # after a record with an exception, or one that took the general way
            self.open = [entry for entry in self.open if entry[0]() is not None]
        if self.held is not None and getrefcount(self.held) > _REFERENCES_TO_HELD:
            # The one before is still on its way, or somebody keeps it.
            self.open = [(ref(self.held), self.routes), *self.open][:_MOST_OPEN]
        self.held = record
        self.routes = (route,)


def _references_to_held() -> int:
    """Return how many references this Python counts to a record that only its thread's state holds."""
    state = ThreadState()
    state.hold_passed(0, _Plain())
    return getrefcount(state.held)


class _Plain:
    """Something of which there can be weak references."""


class _Threads(threading.local):
    def __init__(self) -> None:
        # One object behind one attribute: each look at a thread-local costs more than one at a slot.
        self.state = ThreadState()


_REFERENCES_TO_HELD = _references_to_held()
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
