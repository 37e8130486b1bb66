"""One batch of Kafka records, until each of them has its fate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shipper.clock import Clock
from shipper.errors import ConfigurationError, StoreError
from shipper.index.bulk import BulkStore, create_documents, requests_by_size
from shipper.index.document import Document, Limits, Refusal, read_document
from shipper.index.fate import Fate, Verdict
from shipper.index.moment import rfc3339
from shipper.index.patience import Backoff, Patience
from shipper.index.stream import DeadLetterSink, KafkaRecord

SUSPECT_ATTEMPTS: Final = 8
"""A document that alone makes the server fail (status 500) is given up after so many attempts."""

_LETTERS_AT_ONCE: Final = 100
_Pair = tuple[Document, KafkaRecord]


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


@dataclass(frozen=True, slots=True)
class BatchFates:
    """What became of one batch; see `IndexCounts` for the names."""

    indexed: int
    duplicates: int
    dead_lettered: Mapping[str, int]


class Settlement:
    """Settles batches one after the other.

    Args:
        ready: see `Indexer`.
        on_retry: told how many documents are about to be sent once more.
    """

    def __init__(
        self,
        store: BulkStore,
        dead_letters: DeadLetterSink,
        policy: IndexPolicy,
        *,
        clock: Clock,
        ready: Callable[[], None],
        on_retry: Callable[[int], None],
    ) -> None:
        self._store = store
        self._dead_letters = dead_letters
        self._policy = policy
        self._clock = clock
        self._ready = ready
        self._is_ready = False
        self._on_retry = on_retry

    def settle(self, records: Sequence[KafkaRecord], patience: Patience) -> BatchFates:
        """Return when every record is stored, known to be stored, or an acknowledged dead letter.

        Raises:
            Interrupted: a stop was asked for; some records may have their fate already.
            RecordTooLarge, RecordRefused: the dead-letter topic does not take a record.
        """
        pairs: list[_Pair] = []
        refused: list[tuple[KafkaRecord, Refusal]] = []
        for record in records:
            read = self._read(record)
            if isinstance(read, Refusal):
                refused.append((record, read))
            else:
                pairs.append((read, record))
        tally: Counter[Fate] = Counter()
        start = 0
        for run in requests_by_size([document for document, _ in pairs], self._policy.batch_max_bytes):
            refused += self._store_all(pairs[start : start + len(run)], tally, patience)
            start += len(run)
        self._set_aside(refused, patience)
        reasons = Counter(refusal.reason for _, refusal in refused)
        return BatchFates(tally[Fate.INDEXED], tally[Fate.DUPLICATE], dict(reasons))

    def _read(self, record: KafkaRecord) -> Document | Refusal:
        header_id = record.headers.get("event.id")
        return read_document(
            record.value,
            header_id=None if header_id is None else header_id.decode("utf-8", "replace"),
            namespace=self._policy.namespace,
            now_us=self._clock.now_us(),
            limits=self._policy.limits,
        )

    def _store_all(
        self, pairs: Sequence[_Pair], tally: Counter[Fate], patience: Patience
    ) -> list[tuple[KafkaRecord, Refusal]]:
        """Send documents until none is left to be repeated; return those that are refused for good.

        Only what failed is sent again.
        """
        refused: list[tuple[KafkaRecord, Refusal]] = []
        suspicions: Counter[str] = Counter()
        pending = list(pairs)
        while pending:
            verdicts = self._send([document for document, _ in pending], patience)
            judged = list(zip(pending, verdicts, strict=True))
            tally.update(verdict.fate for verdict in verdicts)
            pending = [pair for pair, verdict in judged if verdict.fate is Fate.RETRY]
            if len(pending) < len(pairs):
                # The server works, and yet it fails on these: after a while they count as the cause.
                suspicions.update(pair[0].event_id for pair, verdict in judged if verdict.is_suspect)
            for (document, record), verdict in judged:
                if verdict.fate is Fate.DEAD_LETTER or suspicions[document.event_id] >= SUSPECT_ATTEMPTS:
                    refused.append((record, _refusal(document, verdict)))
            pending = [pair for pair in pending if suspicions[pair[0].event_id] < SUSPECT_ATTEMPTS]
            if len(pending) < len(verdicts):
                patience.progressed()
            if pending:
                self._on_retry(len(pending))
                patience.wait(next(verdict.detail for verdict in verdicts if verdict.fate is Fate.RETRY))
        return refused

    def _send(self, documents: Sequence[Document], patience: Patience) -> list[Verdict]:
        """Return a verdict for each, however long that takes."""
        while True:
            # The time of sending, not of the first attempt: readers look back only so far.
            ingested = rfc3339(self._clock.now_us()).encode()
            try:
                if not self._is_ready:
                    self._ready()
                    self._is_ready = True
                return create_documents(self._store, documents, ingested)
            except (StoreError, ConfigurationError) as error:
                # Refusals of a whole request are waited for as well: rights, addresses and a missing
                # set-up get repaired, and no document is at fault.
                self._is_ready = False
                self._on_retry(len(documents))
                patience.wait(str(error))

    def _set_aside(self, refused: Sequence[tuple[KafkaRecord, Refusal]], patience: Patience) -> None:
        """Return when the dead-letter topic has acknowledged all of them."""
        for start in range(0, len(refused), _LETTERS_AT_ONCE):
            pending = list(refused[start : start + _LETTERS_AT_ONCE])
            while pending:
                outcomes = self._dead_letters.write(pending)
                for error in outcomes:
                    if error is not None and not error.retriable:
                        raise error
                pending = [
                    letter for letter, error in zip(pending, outcomes, strict=True) if error is not None
                ]
                if pending:
                    patience.wait(str(next(error for error in outcomes if error is not None)))
            patience.progressed()


def _refusal(document: Document, verdict: Verdict) -> Refusal:
    return Refusal(verdict.reason, verdict.detail, document.event_id, document.dataset, document.index)
