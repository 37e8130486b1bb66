"""Kafka to Elasticsearch: consume, settle, commit.

Offsets are committed only after every record of the batch has its fate: stored, there already, or
acknowledged by the dead-letter topic. A crash at any moment therefore repeats work, and the `_id`
makes the repetition harmless. What cannot be done now is waited for; consumption stands still
meanwhile, and Kafka's patience with us is kept up.

Several requests are under way at a time (`flight.py`), and they are settled and committed in the order of the
records. So no offset is ever committed while a record before it has no fate yet.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final, TypeVar

from shipper.clock import Clock
from shipper.errors import GroupRebalanced, ShipperError
from shipper.index.erasures import NOBODY, Erased
from shipper.index.flight import Flight, Senders, flights_of
from shipper.index.patience import Interrupted, Patience
from shipper.index.settle import IndexPolicy, Settlement
from shipper.index.stream import DeadLetterSink, RecordSource
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
        erased: says whose records are not to be stored; raises a `StoreError` while that is not known.
    """

    def __init__(  # noqa: PLR0913 - one for each thing it is wired to
        self,
        source: RecordSource,
        senders: Senders,
        dead_letters: DeadLetterSink,
        policy: IndexPolicy,
        *,
        clock: Clock,
        random: Random,
        report: Callable[[str], None],
        ready: Callable[[], None] = lambda: None,
        erased: Callable[[], Erased] = lambda: NOBODY,
    ) -> None:
        self._source = source
        self._policy = policy
        self._clock = clock
        self._random = random
        self._report = report
        self._tally = Tally()
        self._settlement = Settlement(
            senders,
            dead_letters,
            policy,
            clock=clock,
            ready=ready,
            on_retry=self._tally.retried,
            erased=erased,
        )
        # What a stop or an error leaves in these comes first in the next run: a later commit would skip it.
        self._waiting: deque[Flight] = deque()
        self._under_way: deque[Flight] = deque()
        self._due: dict[tuple[str, int], int] = {}

    def counts(self) -> IndexCounts:
        """Return what has become of the records so far."""
        return self._tally.snapshot()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set. What is under way then is finished if no repeat is needed for it; the rest is
        left to the next run, here or elsewhere.

        Raises:
            RecordTooLarge, RecordRefused: the dead-letter topic does not take a record; nothing is
                committed beyond it, so nothing is lost.
        """
        patience = self._patience(stop)
        while not stop.is_set():
            self._turn(patience)
        self._wind_up(patience)

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
                break
            if worked or remaining is not None:
                started_s = now
            elif now - started_s >= UNASSIGNED_S and not is_told:
                self._report("no partition is assigned to this indexer; others of its group have them all")
                is_told = True
        self._wind_up(patience)

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
        """Send what there is, settle the oldest request, commit; return whether there was anything to do."""
        try:
            self._launch(patience)
            worked = bool(self._under_way or self._due)
            self._land(patience)
            if self._due:
                self._launch(patience)  # the server shall not be idle during the commit
                self._commit(patience)
        except Interrupted:
            return True
        return worked

    def _launch(self, patience: Patience) -> None:
        """Have as many requests under way as the policy says and records are there."""
        while len(self._under_way) < self._policy.requests_at_once and not patience.is_over:
            if any(flight.has_failed for flight in self._under_way):
                return  # the server may be away, or come back empty: the oldest one finds out
            if not self._waiting:
                self._take(patience)
            if not self._waiting:
                return
            flight = self._waiting.popleft()
            self._under_way.append(flight)
            self._settlement.launch(flight)

    def _take(self, patience: Patience) -> None:
        timeout_s = 0.0 if self._under_way or self._due else POLL_S
        batch = _persist(lambda: self._source.take(timeout_s), patience)
        self._tally.consumed(len(batch))
        self._waiting.extend(flights_of(batch, self._policy.batch_max_bytes))

    def _land(self, patience: Patience) -> None:
        """Settle the oldest request."""
        if not self._under_way:
            return
        flight = self._under_way[0]
        self._tally.settled(self._settlement.settle(flight, patience))
        self._under_way.popleft()
        if flight.is_last:
            self._due.update(flight.batch.ends())

    def _commit(self, patience: Patience) -> None:
        _persist(self._commit_once, patience)
        self._due = {}

    def _commit_once(self) -> None:
        try:
            self._source.commit(self._due)
        except GroupRebalanced:
            # The partitions have changed hands: whoever has them now gets these records again, and
            # finds each stored already.
            self._report(
                "the consumer group was rebalanced; some records are read again, none is stored twice"
            )

    def _wind_up(self, patience: Patience) -> None:
        """Settle what is under way and needs nothing but its answer; commit it."""
        try:
            while self._under_way and self._under_way[0].sent is not None:
                self._land(patience)
            if self._due:
                self._commit(patience)
        except Interrupted:
            pass

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
