"""Kafka to Elasticsearch: consume, check, store by id, commit.

Offsets are committed only after every record of the batch has its fate: stored, there already, or
acknowledged by the dead-letter topic. A crash at any moment therefore repeats work, and the `_id`
makes the repetition harmless. What cannot be done now is waited for; consumption stands still
meanwhile, and Kafka's patience with us is kept up.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Final, TypeVar

from shipper.clock import Clock
from shipper.errors import ConfigurationError, ShipperError, StoreError
from shipper.index.bulk import BulkStore, create_documents, requests_by_size
from shipper.index.document import Document, Limits, Refusal, read_document
from shipper.index.fate import Fate, Verdict
from shipper.index.patience import Backoff, Interrupted, Patience
from shipper.index.stream import DeadLetterSink, KafkaRecord, RecordSource
from shipper.index.tally import IndexCounts, Tally

_T = TypeVar("_T")

POLL_S: Final = 0.5
SUSPECT_ATTEMPTS: Final = 8
"""A document that alone makes the server fail (status 500) is given up after so many attempts."""


@dataclass(frozen=True, slots=True)
class IndexPolicy:
    """What the indexer is to do.

    Attributes:
        namespace: for documents that do not name one.
        batch_max_bytes: size of one bulk request, at most.
        limits: how far event times may lie from now.
    """

    namespace: str = "default"
    batch_max_bytes: int = 8 << 20
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)


_Pair = tuple[Document, KafkaRecord]


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
        self._store = store
        self._dead_letters = dead_letters
        self._policy = policy
        self._clock = clock
        self._random = random
        self._report = report
        self._ready = ready
        self._is_ready = False
        self._tally = Tally()

    def counts(self) -> IndexCounts:
        """Return what has become of the records so far."""
        return self._tally.snapshot()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; what is in hand then is left to the next run.

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
        idle_since_s = self._clock.monotonic_s()
        while not stop.is_set():
            worked = self._turn(patience)
            now = self._clock.monotonic_s()
            if worked or self._source.remaining() != 0:
                idle_since_s = now
            elif now - idle_since_s >= idle_s:
                return

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
            records = _persist(lambda: self._source.poll(POLL_S), patience)
            if not records:
                return False
            self._tally.consumed(len(records))
            self._settle(records, patience)
            _persist(lambda: self._source.commit(_offsets_after(records)), patience)
        except Interrupted:
            pass
        return True

    def _stay_member(self) -> None:
        try:
            self._source.keep_alive()
        except ShipperError as error:
            if not error.retriable:
                raise
            # Kafka is away as well. Its own poll will say so when its turn comes.

    def _settle(self, records: Sequence[KafkaRecord], patience: Patience) -> None:
        """Return when every record has its fate."""
        by_document: list[_Pair] = []
        for record in records:
            header_id = record.headers.get("event.id")
            read = read_document(
                record.value,
                header_id=None if header_id is None else header_id.decode("utf-8", "replace"),
                namespace=self._policy.namespace,
                now_us=self._clock.now_us(),
                limits=self._policy.limits,
            )
            if isinstance(read, Refusal):
                self._set_aside(record, read, patience)
            else:
                by_document.append((read, record))
        documents = [document for document, _ in by_document]
        start = 0
        for run in requests_by_size(documents, self._policy.batch_max_bytes):
            self._store_all(by_document[start : start + len(run)], patience)
            start += len(run)

    def _store_all(self, pairs: Sequence[_Pair], patience: Patience) -> None:
        """Send documents until none is left to be repeated; only what failed is sent again."""
        pending = list(pairs)
        suspicions: Counter[str] = Counter()
        while pending:
            verdicts = self._send(pending, patience)
            self._tally.stored(
                indexed=sum(verdict.fate is Fate.INDEXED for verdict in verdicts),
                duplicates=sum(verdict.fate is Fate.DUPLICATE for verdict in verdicts),
            )
            judged = list(zip(pending, verdicts, strict=True))
            pending = [pair for pair, verdict in judged if verdict.fate is Fate.RETRY]
            if len(pending) < len(pairs):
                # The server works, and yet it fails on these: after a while they count as the cause.
                suspicions.update(pair[0].event_id for pair, verdict in judged if verdict.is_suspect)
            for (document, record), verdict in judged:
                given_up = suspicions[document.event_id] >= SUSPECT_ATTEMPTS
                if verdict.fate is Fate.DEAD_LETTER or given_up:
                    self._set_aside(record, _refusal(document, verdict), patience)
            pending = [pair for pair in pending if suspicions[pair[0].event_id] < SUSPECT_ATTEMPTS]
            if len(pending) < len(verdicts):
                patience.progressed()
            if pending:
                self._tally.retried(len(pending))
                patience.wait(next(verdict.detail for verdict in verdicts if verdict.fate is Fate.RETRY))

    def _send(self, pending: Sequence[_Pair], patience: Patience) -> list[Verdict]:
        """Return a verdict for each, however long that takes."""
        documents = [document for document, _ in pending]
        while True:
            # The time of sending, not of the first attempt: readers look back only so far.
            ingested = _rfc3339(self._clock.now_us()).encode()
            try:
                if not self._is_ready:
                    self._ready()
                    self._is_ready = True
                verdicts = create_documents(self._store, documents, ingested)
            except (StoreError, ConfigurationError) as error:
                # Refusals of a whole request are waited for as well: rights, addresses and a missing
                # set-up get repaired, and no document is at fault.
                self._is_ready = False
                self._tally.retried(len(documents))
                patience.wait(str(error))
            else:
                return verdicts

    def _set_aside(self, record: KafkaRecord, refusal: Refusal, patience: Patience) -> None:
        _persist(lambda: self._dead_letters.put(record, refusal), patience)
        self._tally.dead_lettered(refusal.reason)


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


def _refusal(document: Document, verdict: Verdict) -> Refusal:
    return Refusal(verdict.reason, verdict.detail, document.event_id, document.dataset, document.index)


def _offsets_after(records: Sequence[KafkaRecord]) -> dict[tuple[str, int], int]:
    offsets: dict[tuple[str, int], int] = {}
    for record in records:
        place = (record.topic, record.partition)
        offsets[place] = max(offsets.get(place, 0), record.offset + 1)
    return offsets


def _rfc3339(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"
