"""One folder on its way: read a window, send what is open in it, acknowledge what is settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shipper.clock import Clock
from shipper.errors import AccessRefused, BrokerUnavailable, ShipperError, SpoolUnreadable
from shipper.observe.counters import Counters
from shipper.observe.health import Health
from shipper.observe.report import Reporter
from shipper.ship.batch import BatchLimits
from shipper.ship.dead_letter import DeadLetters, Refusal
from shipper.ship.last_record import last_record
from shipper.ship.retry import Backoff
from shipper.ship.sending import send_ahead
from shipper.ship.sink import Sink
from shipper.ship.window import Settled, Window
from shipper.spool.checkpoint import Position
from shipper.spool.reader import SpoolReader
from shipper.spool.run import SpooledRun

_WINDOW_BATCHES = 10
"""Records behind one that cannot be settled yet are still sent, up to this many batches of them."""

_URGENT_S = 0.25
"""Longest wait after a failure while somebody waits for us to be done."""

_TURN_S = 0.25
"""A turn that has something to send begins nothing new after so long: other folders wait for theirs."""


@dataclass(frozen=True, slots=True)
class Shipping:
    """What all shipments of one process share.

    Attributes:
        ahead: how many batches may be under way, within a turn, beside the one whose answer is awaited.
    """

    sink: Sink
    dead_letters: DeadLetters
    limits: BatchLimits
    backoff: Backoff
    clock: Clock
    random: Callable[[], float]
    health: Health
    reporter: Reporter
    ahead: int = 0


class Shipment:
    """Ships one folder; for one thread. Nothing here waits: `turn` says how long its caller may.

    Args:
        is_own: the records were counted as emitted by this process when it made them; others' are when read.
    """

    def __init__(self, reader: SpoolReader, shipping: Shipping, counters: Counters, *, is_own: bool) -> None:
        self.reader = reader
        self._shipping = shipping
        self._counters = counters
        self._is_own = is_own
        self._window = Window(reader.producer_id)
        self._backoff = shipping.backoff
        self._trouble: ShipperError | None = None
        self._failed_at_s = float("-inf")
        self._delay_s = 0.0
        self._settled: Position | None = None
        self._is_end_accounted = self._is_last_said = False

    @property
    def is_cut_off(self) -> bool:
        """Whether the last attempt reached no broker that lets us in: other shipments would fare no better."""
        return isinstance(self._trouble, BrokerUnavailable | AccessRefused)

    @property
    def waiting_records(self) -> int:
        """Records in hand that are not settled."""
        return self._window.open_records

    def turn(self, *, is_urgent: bool = False) -> float | None:
        """Do one bounded piece of work.

        Args:
            is_urgent: send what is there without waiting for company.

        Returns:
            Seconds until the next turn can do something (0: at once); None if nothing is there to do.
        """
        now_s = self._shipping.clock.monotonic_s()
        not_before_s = self._failed_at_s + (min(_URGENT_S, self._delay_s) if is_urgent else self._delay_s)
        if now_s < not_before_s:
            return not_before_s - now_s
        error: ShipperError | None = None
        try:
            self._store_settled()
            self._fill(now_s)
        except SpoolUnreadable as unreadable:
            error = unreadable  # what was read before can still go
        if not self._window.open_records:
            error = error or self._say_last()
            return None if error is None else self._after(error)
        wait_s = 0.0 if is_urgent else self._wait_s(now_s)
        if wait_s > 0:
            return wait_s
        error = self._send() or error
        self._settle_front()
        try:
            self._store_settled()
        except SpoolUnreadable as unreadable:
            error = error or unreadable
        return self._after(error)

    def _after(self, error: ShipperError | None) -> float:
        shipping = self._shipping
        self._trouble = error
        if error is None:
            self._backoff = self._backoff.succeeded()
            self._delay_s = 0.0
            return 0.0
        shipping.health.note_trouble(str(error))
        shipping.reporter.report(
            f"ship.{type(error).__name__}", f"{error} Records wait in the spool and are sent again."
        )
        self._backoff = self._backoff.failed()
        self._delay_s = self._backoff.delay_s(shipping.random)
        self._failed_at_s = shipping.clock.monotonic_s()
        return self._delay_s

    def _fill(self, now_s: float) -> None:
        limits, window = self._shipping.limits, self._window
        while len(window) < _WINDOW_BATCHES * limits.max_records and not self._is_full:
            found = self.reader.read_run(
                limits.max_records - window.waiting_records, limits.max_bytes - window.waiting_bytes
            )
            if found is None:
                self._account_for_the_end()
                return
            self._account(found)
            window.add(found, now_s)

    @property
    def _is_full(self) -> bool:
        """Whether a whole batch is there to be sent."""
        return self._shipping.limits.is_full(self._window.waiting_records, self._window.waiting_bytes)

    def _account(self, found: SpooledRun) -> None:
        if not self._is_own:
            self._counters.count_emitted(len(found.rows) + found.missing_before)
        if found.missing_before:
            self._drop_missing(found.missing_before, found.rows[0][0] - 1)

    def _account_for_the_end(self) -> None:
        missing, last = self.reader.missing_at_end
        if missing and not self._is_end_accounted:
            self._is_end_accounted = True
            if not self._is_own:
                self._counters.count_emitted(missing)
            self._drop_missing(missing, last)

    def _drop_missing(self, count: int, last: int) -> None:
        self._counters.count_dropped("spool_damaged", count)
        self._shipping.reporter.report(
            "spool.damaged",
            f"records {last - count + 1} to {last} of {self.reader.producer_id} "
            "are missing from the spool: its files were damaged or removed.",
        )

    def _wait_s(self, now_s: float) -> float:
        window, oldest = self._window, self._window.oldest
        read_at_s = now_s if oldest is None else oldest[0]
        return self._shipping.limits.wait_s(window.open_records, window.open_bytes, read_at_s, now_s)

    def _send(self) -> ShipperError | None:
        """Send what is open, and what whole batches can be read meanwhile; return the first retriable error.

        None means that all of it was settled.
        """
        until_s = self._shipping.clock.monotonic_s() + _TURN_S
        trouble = send_ahead(
            self._window,
            self._shipping.sink,
            self._shipping.ahead,
            lambda: self._read_ahead(until_s),
            self._note,
        )
        return self._bury() or trouble

    def _read_ahead(self, until_s: float) -> bool:
        """Return whether another whole batch is there to be sent, and the time for it."""
        now_s = self._shipping.clock.monotonic_s()
        if now_s >= until_s:
            return False
        try:
            self._fill(now_s)
        except SpoolUnreadable:
            return False  # the next turn runs into it and says so
        return self._is_full

    def _note(self, settled: Settled) -> None:
        if settled.accepted:
            self._counters.count_delivered(settled.accepted)
            self._shipping.health.note_delivery()
        if settled.failed:
            self._counters.count_retries(settled.failed)

    def _say_last(self) -> ShipperError | None:
        """In a dead producer's name, tell what it gave up before its folder goes; return why that must wait, or None.

        Not in the counters: it is none of the producer's records.
        """
        if self._is_last_said or len(self._window) or self._settled is not None:
            return None
        shipping = self._shipping
        try:
            if not self.reader.is_finished():
                return None
            record = last_record(self.reader, shipping.reporter)
        except SpoolUnreadable as unreadable:
            return unreadable
        if record is None:
            self._is_last_said = True
            return None
        error = shipping.sink.send([record])[0].error
        if error is not None and not error.retriable:
            refusal = Refusal(record, error, f"{self.reader.producer_id}/drops")
            error = shipping.dead_letters.write([refusal])[0].error
        if error is None:
            self._is_last_said = True
            self._after(None)
        return error

    def _bury(self) -> ShipperError | None:
        """Write what was refused to the dead letters; return why that is not possible now, or None."""
        refused = self._window.refused()
        if not refused:
            return None
        refusals = [
            Refusal(
                record, error, f"{self.reader.producer_id}/{item.position.segment}@{item.position.offset}"
            )
            for item, record, error in refused
        ]
        trouble: ShipperError | None = None
        deliveries = self._shipping.dead_letters.write(refusals)
        for (item, _, _), refusal, delivery in zip(refused, refusals, deliveries, strict=True):
            if delivery.error is None:
                self._window.bury(item)
                self._counters.count_dead_lettered(refusal.reason)
                self._shipping.reporter.report(
                    f"ship.dead_letter.{refusal.reason}", f"{refusal.error} It is kept as a dead letter."
                )
            else:
                # Whatever the dead-letter topic says, the record is not given up: it waits for a better day.
                trouble = trouble or delivery.error
        return trouble

    def _settle_front(self) -> None:
        self._settled = self._window.take_settled() or self._settled

    def _store_settled(self) -> None:
        """Acknowledge to the spool; what a disk refuses now is tried again at the next turn."""
        if self._settled is not None:
            self.reader.acknowledge(self._settled)
            self._settled = None

    @property
    def oldest(self) -> tuple[float, int] | None:
        """When the oldest open record was read (monotonic clock, seconds) and its event time (µs); None if none."""
        return self._window.oldest

    def remove_if_finished(self) -> bool:
        """Delete the folder if its writer is dead and everything in it is settled; return whether it is so."""
        if len(self._window) or self._settled is not None or not self._is_last_said:
            return False
        try:
            if not self.reader.is_finished():
                return False
            self.reader.remove()
        except SpoolUnreadable as error:
            self._shipping.reporter.report("spool.remove", str(error))
            self.reader.close()
        return True

    def close(self) -> None:
        """Let go of the folder; what is not settled stays in it."""
        self.reader.close()
