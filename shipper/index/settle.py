"""What the indexer sends, until each record of it has its fate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Final

from shipper.clock import Clock
from shipper.errors import ConfigurationError, RequestRefused, StoreError
from shipper.index.bulk import SPLIT_STATUSES, create_documents, verdicts
from shipper.index.document import Document, Limits, Refusal, read_document
from shipper.index.erased_record import erased_document, is_erased_document
from shipper.index.erasures import NOBODY, Erased
from shipper.index.fate import Fate, Verdict
from shipper.index.flight import Flight, Senders, Sent
from shipper.index.moment import rfc3339
from shipper.index.patience import Backoff, Patience
from shipper.index.splice import Parcel, Splicer
from shipper.index.stream import DeadLetterSink

SUSPECT_ATTEMPTS: Final = 8
"""A document that alone makes the server fail (status 500) is given up after so many attempts."""

_LETTERS_AT_ONCE: Final = 100
_LOOK_S: Final = 1.0
"""So often Kafka is kept company while a request takes long."""

_Refused = list[tuple[int, Refusal]]


@dataclass(frozen=True, slots=True)
class IndexPolicy:
    """What the indexer is to do.

    Attributes:
        namespace: for documents that do not name one.
        batch_max_bytes: size of one bulk request, at most; a larger document goes alone.
        requests_at_once: how many requests are under way at a time, at most.
        limits: how far event times may lie from now.
    """

    namespace: str = "default"
    batch_max_bytes: int = 8 << 20
    requests_at_once: int = 2
    limits: Limits = field(default_factory=Limits)
    backoff: Backoff = field(default_factory=Backoff)


@dataclass(frozen=True, slots=True)
class BatchFates:
    """What became of the records of one flight; see `IndexCounts` for the names."""

    indexed: int
    duplicates: int
    dead_lettered: Mapping[str, int]
    erased: int = 0


class Settlement:
    """Sends flights, and settles them one after the other.

    Args:
        ready, erased: see `Indexer`.
        on_retry: told how many documents are about to be sent once more.
    """

    def __init__(
        self,
        senders: Senders,
        dead_letters: DeadLetterSink,
        policy: IndexPolicy,
        *,
        clock: Clock,
        ready: Callable[[], None],
        on_retry: Callable[[int], None],
        erased: Callable[[], Erased] = lambda: NOBODY,
    ) -> None:
        self._senders = senders
        self._dead_letters = dead_letters
        self._policy = policy
        self._clock = clock
        self._ready = ready
        self._is_ready = False
        self._on_retry = on_retry
        self._look_up_erased = erased
        self._erased = NOBODY
        self._splicer = Splicer(policy.limits)

    def launch(self, flight: Flight) -> None:
        """Send a flight and return at once. While the server is not known to be ready, it waits for `settle`."""
        if self._is_ready:
            try:
                flight.sent = self._send(flight)
            except StoreError:
                self._is_ready = False

    def settle(self, flight: Flight, patience: Patience) -> BatchFates:
        """Return when every record is stored, known to be stored, or an acknowledged dead letter.

        Raises:
            Interrupted: a stop was asked for; some records may have their fate already, all are sent again later.
            RecordTooLarge, RecordRefused: the dead-letter topic does not take a record.
        """
        tally: Counter[Fate] = Counter()
        try:
            parcel, first = self._landed(flight, patience)
            refused: _Refused = list(parcel.refused)
            if first is None:
                tally[Fate.INDEXED] = len(parcel.positions) - len(flight.erased)
            else:
                refused += self._store_rest(flight, parcel.positions, first, tally, patience)
            self._set_aside(flight, refused, patience)
        except BaseException:
            flight.sent = None
            raise
        reasons = Counter(refusal.reason for _, refusal in refused)
        return BatchFates(tally[Fate.INDEXED], tally[Fate.DUPLICATE], dict(reasons), len(flight.erased))

    def _send(self, flight: Flight) -> Sent:
        now_us = self._clock.now_us()
        flight.read_us = flight.read_us or now_us

        erased: set[int] = set()

        def exact(position: int) -> Document | Refusal:
            read = self._read(flight, position)
            if isinstance(read, Document) and is_erased_document(read):
                erased.add(position)
            return read

        values, span = self._without_erased(flight), flight.span
        parcel = self._splicer.splice(values, span, exact, read_us=flight.read_us, ingested_us=now_us)
        flight.erased = frozenset(erased)
        return self._senders.send(parcel)

    def _without_erased(self, flight: Flight) -> Sequence[bytes | None]:
        """Return the values, without those that may be an erased person's: these are read the exact way."""
        values = flight.batch.values
        self._erased = self._look_up_erased()
        found = self._erased.among(values, flight.span)
        if not found:
            return values
        apart = list(values)
        for position in found:
            apart[position] = None
        return apart

    def _read(self, flight: Flight, position: int) -> Document | Refusal:
        """Read a value the exact way."""
        value = flight.batch.values[position]
        header = flight.batch.record(position).headers.get("event.id")
        header_id = None if header is None else header.decode("utf-8", "replace")
        namespace = self._policy.namespace
        if value is not None and self._erased.covers(value):
            return erased_document(value, header_id, namespace, flight.read_us)
        read = read_document(
            value,
            header_id=header_id,
            namespace=namespace,
            now_us=flight.read_us,
            limits=self._policy.limits,
        )
        if isinstance(read, Refusal) and value is not None and self._erased.names(value, None):
            # Whatever time it claims: dead letters are kept for ever.
            return erased_document(value, header_id, namespace, flight.read_us)
        return read

    def _landed(self, flight: Flight, patience: Patience) -> tuple[Parcel, list[Verdict] | None]:
        """Return what was sent, and a verdict for each document in it or None for "all stored"; however long it takes."""
        while True:
            try:
                if flight.sent is None:
                    self._make_ready()
                    flight.sent = self._send(flight)
                found = self._verdicts(flight, flight.sent, patience)
            except (StoreError, ConfigurationError) as error:
                # Refusals of a whole request are waited for as well: rights, addresses and a missing
                # set-up get repaired, and no document is at fault.
                flight.sent = None
                self._is_ready = False
                self._on_retry(len(flight.span))
                patience.wait(str(error))
            else:
                patience.progressed()
                return flight.sent.parcel, found

    def _verdicts(self, flight: Flight, sent: Sent, patience: Patience) -> list[Verdict] | None:
        while not wait([sent.answer], _LOOK_S).done:
            patience.stay()
        positions = sent.parcel.positions
        try:
            answers = sent.answer.result()
        except RequestRefused as error:
            if error.status not in SPLIT_STATUSES:
                raise
            return create_documents(self._senders.store, self._documents(flight, positions), self._now())
        return None if answers is None else verdicts(answers, len(positions))

    def _documents(self, flight: Flight, positions: Sequence[int]) -> list[Document]:
        """Return documents that were sent already, apart."""
        found = [self._read(flight, position) for position in positions]
        return [document for document in found if isinstance(document, Document)]

    def _store_rest(
        self,
        flight: Flight,
        positions: Sequence[int],
        found: Sequence[Verdict],
        tally: Counter[Fate],
        patience: Patience,
    ) -> _Refused:
        """Send again what is to be repeated, until nothing is left of it; return what is refused for good."""
        refused: _Refused = []
        suspicions: Counter[int] = Counter()
        pending = list(positions)
        while True:
            judged = list(zip(pending, found, strict=True))
            tally.update(verdict.fate for position, verdict in judged if position not in flight.erased)
            again = [position for position, verdict in judged if verdict.fate is Fate.RETRY]
            if len(again) < len(positions):
                # The server works, and yet it fails on these: after a while they count as the cause.
                suspicions.update(position for position, verdict in judged if verdict.is_suspect)
            given_up = {position for position in again if suspicions[position] >= SUSPECT_ATTEMPTS}
            refused += [
                (position, self._refusal(flight, position, verdict))
                for position, verdict in judged
                if verdict.fate is Fate.DEAD_LETTER or position in given_up
            ]
            before, pending = len(pending), [position for position in again if position not in given_up]
            if len(pending) < before:
                patience.progressed()
            if not pending:
                return refused
            self._on_retry(len(pending))
            patience.wait(next(verdict.detail for verdict in found if verdict.fate is Fate.RETRY))
            found = self._repeat(flight, pending, patience)

    def _repeat(self, flight: Flight, positions: Sequence[int], patience: Patience) -> list[Verdict]:
        """Send documents once more; return a verdict for each, however long that takes."""
        while True:
            try:
                self._make_ready()
                self._erased = self._look_up_erased()
                documents = self._documents(flight, positions)
                return create_documents(self._senders.store, documents, self._now())
            except (StoreError, ConfigurationError) as error:
                self._is_ready = False
                self._on_retry(len(positions))
                patience.wait(str(error))

    def _make_ready(self) -> None:
        if not self._is_ready:
            self._ready()
            self._is_ready = True

    def _now(self) -> bytes:
        """Return the time of sending, not of the first attempt: readers look back only so far."""
        return rfc3339(self._clock.now_us()).encode()

    def _refusal(self, flight: Flight, position: int, verdict: Verdict) -> Refusal:
        read = self._read(flight, position)
        if isinstance(read, Refusal):
            return read
        return Refusal(verdict.reason, verdict.detail, read.event_id, read.dataset, read.index)

    def _set_aside(self, flight: Flight, refused: _Refused, patience: Patience) -> None:
        """Return when the dead-letter topic has acknowledged all of them."""
        letters = [(flight.batch.record(position), refusal) for position, refusal in refused]
        for start in range(0, len(letters), _LETTERS_AT_ONCE):
            pending = letters[start : start + _LETTERS_AT_ONCE]
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
