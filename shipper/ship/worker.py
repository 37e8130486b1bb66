"""The thread that ships what this process writes, and adopts what crashed predecessors left.

It never takes a `logging` lock, is a daemon, and is started only by `start`: never by flush, stop or at exit (U02).
Each turn of its loop is bounded; `stop` has one deadline for everything (U03).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

from shipper.clock import Clock
from shipper.observe.counters import Counters
from shipper.own_thread import OwnThread
from shipper.ship.fleet import Adoption, Fleet
from shipper.ship.shipment import Shipping

_IDLE_S = 0.1
"""With nothing to do, the spool is looked at this often."""
_RETRY_START_S = 5.0
_START_S = 0.2
"""Longest wait, at the end, for a start that is under way."""
_STEP_S = 0.02


class OwnSpool(Protocol):
    """What the worker needs of the spool that this process writes."""

    @property
    def directory(self) -> Path | None:
        """Its folder; None while there is none."""

    @property
    def last_sequence(self) -> int:
        """Sequence of the last stored record; 0 before the first."""

    def sync_if_due(self) -> None:
        """Called at each turn."""


class ShipWorker:
    """Ships one process's spool in a thread.

    Args:
        shipping: its clock must be the machine's: the thread waits by it.
        counters: of this process's own records.
        adopted_counters: of records that others left; they were not emitted here.
        adoption: which other folders to take; None: none.
    """

    def __init__(
        self,
        spool: OwnSpool,
        shipping: Shipping,
        counters: Counters,
        *,
        adopted_counters: Counters | None = None,
        adoption: Adoption | None = None,
    ) -> None:
        self._spool = spool
        self._shipping = shipping
        self._clock: Clock = shipping.clock
        self._counters = counters
        self.adopted_counters = adopted_counters or Counters()
        self._fleet = Fleet(shipping, self.adopted_counters, adoption)
        self._directory: Path | None = None
        self._thread: threading.Thread | None = None
        self._start_lock = threading.Lock()
        self._not_before_s = float("-inf")
        self._wake = threading.Event()
        self._never = threading.Event()
        self._is_stopping = False
        self._is_abandoned = False
        self._deadline_s = float("inf")
        self._hurry_sequence = 0
        self._settled_sequence = 0

    @property
    def is_running(self) -> bool:
        """Whether the thread lives."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    @property
    def unsent(self) -> int:
        """Own records that are stored and not settled yet (gaps in the sequence included); 0 in a forked child."""
        return 0 if self._is_abandoned else max(0, self._spool.last_sequence - self._settled_sequence)

    def start(self) -> bool:
        """Start the thread if it does not run; cheap when it does. Call it after an append.

        Returns False when there can be no thread now (a limit, the interpreter's end): records then wait in the
        spool for the next start or another process.
        """
        if self._thread is not None:
            return True
        self._directory = self._spool.directory
        if self._is_stopping or not self._start_lock.acquire(blocking=False):
            return False
        try:
            return self._start()
        finally:
            self._start_lock.release()

    def _start(self) -> bool:
        # Asked again with the lock: another thread may have started it meanwhile, or stopped all of this.
        if self._thread is not None or self._is_stopping:
            return self._thread is not None
        now_s = self._clock.monotonic_s()
        if now_s < self._not_before_s:
            return False
        # Noted before it runs: an exception from a signal handler behind the start must not lead to a second one.
        self._thread = OwnThread(self._run, "shipper-ship")
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            self._not_before_s = now_s + _RETRY_START_S
            self._shipping.reporter.report(
                "ship.thread", f"no shipping thread ({error}); records wait in the spool."
            )
            return False
        return True

    def flush(self, deadline_s: float) -> int:
        """Wait until all records stored by now are settled, or `deadline_s` of the monotonic clock has come.

        Starts no thread: without one it returns at once.

        Returns:
            How many of them are left in the spool.
        """
        target = self._spool.last_sequence
        self._hurry_sequence = max(self._hurry_sequence, target)
        self._wake.set()
        while self.is_running and self._settled_sequence < target:
            left_s = deadline_s - self._clock.monotonic_s()
            if left_s <= 0:
                break
            self._clock.wait(self._never, min(_STEP_S, left_s))
        return 0 if self._is_abandoned else max(0, target - self._settled_sequence)

    def stop(self, deadline_s: float) -> int:
        """Send what is left until `deadline_s` of the monotonic clock, then let go of everything; idempotent.

        Close the writer first: then a folder that is sent whole is removed. A thread that is still inside a
        request at the deadline is left to end by itself; it is a daemon and holds nothing that is not on disk.

        Returns:
            How many own records are left in the spool, for the next start or another process.
        """
        self._deadline_s = min(self._deadline_s, deadline_s)
        self._is_stopping = True
        self._wake.set()
        # A start that is under way ends first; but where a signal handler stops what it interrupted, nothing waits.
        lock, thread = self._start_lock, None
        if lock.acquire(timeout=max(0.0, min(_START_S, deadline_s - self._clock.monotonic_s()))):
            thread = self._thread
            lock.release()
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, deadline_s - self._clock.monotonic_s()))
        return self.unsent

    def abandon_in_child(self) -> None:
        """In a forked child: there is no thread here; drop inherited descriptors and connections, wait for nothing.

        The child makes a worker of its own.
        """
        self._start_lock = threading.Lock()
        self._wake = threading.Event()
        self._thread = None
        self._is_stopping = self._is_abandoned = True
        self._fleet.close()
        self._shipping.sink.abandon_in_child()

    def _run(self) -> None:
        try:
            while not self._is_over():
                # Read before the turn: the last turn must know that it is the last.
                is_stopping = self._is_stopping
                wait_s = self._turn_guarded(is_stopping=is_stopping)
                if is_stopping and wait_s is None:
                    break
                self._clock.wait(self._wake, min(_IDLE_S, wait_s) if wait_s is not None else _IDLE_S)
                self._wake.clear()
        finally:
            self._fleet.close()
            self._shipping.sink.close(max(0.0, min(self._deadline_s - self._clock.monotonic_s(), 1.0)))

    def _is_over(self) -> bool:
        return self._is_stopping and self._clock.monotonic_s() >= self._deadline_s

    def _turn_guarded(self, *, is_stopping: bool) -> float | None:
        try:
            return self._turn(is_stopping=is_stopping)
        except Exception as error:  # noqa: BLE001  # top of the thread: it must outlive a bug, and say so
            self._shipping.reporter.report(
                f"ship.bug.{type(error).__name__}", f"shipping failed and goes on: {error!r}"
            )
            self._clock.wait(self._never, _IDLE_S)
            return _IDLE_S

    def _turn(self, *, is_stopping: bool) -> float | None:
        self._spool.sync_if_due()
        fleet = self._fleet
        # The own folder first: once its writer is closed it looks like an orphan.
        self._take_own()
        if not is_stopping:
            fleet.adopt()
        own = fleet.own
        wait_s = fleet.turn(
            is_urgent=is_stopping or self._settled_sequence < self._hurry_sequence,
            only_own=is_stopping,
            should_stop=self._is_over,
        )
        if own is not None:
            self._settled_sequence = max(self._settled_sequence, own.reader.acknowledged.sequence)
        return wait_s

    def _take_own(self) -> None:
        # The folder known at the start counts too: the writer may be closed before our first turn.
        directory = self._spool.directory or self._directory
        if self._fleet.own is None and directory is not None:
            self._fleet.take_own(directory, self._counters)
