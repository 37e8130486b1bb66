"""Kafka to Elasticsearch: consume, settle, commit.

Offsets are committed only after every record of the batch has its fate: stored, there already, or
acknowledged by the dead-letter topic. A crash at any moment therefore repeats work, and the `_id`
makes the repetition harmless. What cannot be done now is waited for; consumption stands still
meanwhile, and Kafka's patience with us is kept up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

from shipper.clock import Clock
from shipper.errors import GroupRebalanced, ShipperError
from shipper.index.bulk import BulkStore
from shipper.index.patience import Interrupted, Patience
from shipper.index.settle import IndexPolicy, Settlement
from shipper.index.stream import DeadLetterSink, KafkaRecord, RecordSource
from shipper.index.tally import IndexCounts, Tally

_T = TypeVar("_T")

POLL_S: Final = 0.5
UNASSIGNED_S: Final = 20.0
"""After so long without a partition somebody should know why nothing happens."""


class Indexer:
    """Moves records from one consumer to one Elasticsearch; see the module for its promise.

    Not for use from several threads, except `counts`.

    Args:
        report: takes one sentence for a person.
        ready: raises a `ShipperError` while Elasticsearch is not set up for our documents. Called before
            the first request and after each failed one: a server may come back empty, and would then
            guess the mapping of every field.
    """

    def __init__(
        self,
        source: RecordSource,
        store: BulkStore,
        dead_letters: DeadLetterSink,
        policy: IndexPolicy,
        *,
        clock: Clock,
        random: Random,
        report: Callable[[str], None],
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._policy = policy
        self._clock = clock
        self._random = random
        self._report = report
        self._tally = Tally()
        self._settlement = Settlement(
            store, dead_letters, policy, clock=clock, ready=ready, on_retry=self._tally.retried
        )
        self._unfinished: Sequence[KafkaRecord] = ()

    def counts(self) -> IndexCounts:
        """Return what has become of the records so far."""
        return self._tally.snapshot()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is in hand then is left to the next run, here or elsewhere.

        Raises:
            RecordTooLarge, RecordRefused: the dead-letter topic does not take a record; nothing is
                committed beyond it, so nothing is lost.
        """
        patience = self._patience(stop)
        while not stop.is_set():
            self._turn(patience)

    def run_until_idle(self, idle_s: float, stop: threading.Event | None = None) -> None:
        """Work until Kafka has had nothing more for `idle_s` seconds. Raises as `run` does."""
        stop = stop or threading.Event()
        patience = self._patience(stop)
        started_s = idle_since_s = self._clock.monotonic_s()
        is_told = False
        while not stop.is_set():
            worked = self._turn(patience)
            now = self._clock.monotonic_s()
            remaining = None if worked else self._remaining(patience)
            if remaining != 0:
                idle_since_s = now
            elif now - idle_since_s >= idle_s:
                return
            if worked or remaining is not None:
                started_s = now
            elif now - started_s >= UNASSIGNED_S and not is_told:
                self._report("no partition is assigned to this indexer; others of its group have them all")
                is_told = True

    def _patience(self, stop: threading.Event) -> Patience:
        return Patience(
            self._policy.backoff,
            clock=self._clock,
            random=self._random,
            stop=stop,
            keep_alive=self._stay_member,
            report=self._report,
        )

    def _turn(self, patience: Patience) -> bool:
        """Handle one batch; return whether there was one."""
        try:
            # A batch that a stop or an error left behind comes first: a later commit would skip it.
            records = self._unfinished
            if not records:
                records = _persist(lambda: self._source.poll(POLL_S), patience)
                self._tally.consumed(len(records))
                self._unfinished = records
            if not records:
                return False
            fates = self._settlement.settle(records, patience)
            _persist(lambda: self._commit(records), patience)
            self._unfinished = ()
            self._tally.settled(fates)
        except Interrupted:
            pass
        return True

    def _commit(self, records: Sequence[KafkaRecord]) -> None:
        try:
            self._source.commit(_offsets_after(records))
        except GroupRebalanced:
            # The partitions have changed hands: whoever has them now gets these records again, and
            # finds each stored already.
            self._report(
                "the consumer group was rebalanced; some records are read again, none is stored twice"
            )

    def _remaining(self, patience: Patience) -> int | None:
        try:
            return _persist(self._source.remaining, patience)
        except Interrupted:
            return None

    def _stay_member(self) -> None:
        try:
            self._source.keep_alive()
        except ShipperError as error:
            if not error.retriable:
                raise
            # Kafka is away as well. Its own poll will say so when its turn comes.


def _persist(action: Callable[[], _T], patience: Patience) -> _T:
    """Repeat an action until it succeeds or fails for good."""
    while True:
        try:
            result = action()
        except ShipperError as error:
            if not error.retriable:
                raise
            patience.wait(str(error))
        else:
            patience.progressed()
            return result


def _offsets_after(records: Sequence[KafkaRecord]) -> dict[tuple[str, int], int]:
    offsets: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        offsets[place] = max(offsets.get(place, 0), record.offset + 1)
    return offsets
