"""Kafka and Elasticsearch in memory, for tests of the indexer alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import orjson

from shipper.clock import ManualClock
from shipper.elastic.answers import ItemAnswer
from shipper.errors import ShipperError, StoreUnavailable
from shipper.index.document import Refusal
from shipper.index.flight import Senders
from shipper.index.indexer import Indexer
from shipper.index.settle import IndexPolicy
from shipper.index.stream import KafkaRecord

NOW_US = 1_795_258_800_000_000


@dataclass(frozen=True)
class MemoryRecord:
    """One record of the source in memory."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, bytes]


def value(number: int, **changes: object) -> bytes:
    """Return the canonical value of event number `number`."""
    document: dict[str, object] = {
        "@timestamp": "2026-11-21T10:11:12.123456Z",
        "event": {"id": f"p-{number}", "sequence": number, "dataset": "ml.app"},
        "message": "hello",
        "log": {"level": "info"},
        "data_stream": {"namespace": "default"},
    }
    return orjson.dumps(document | changes)


def record(offset: int, content: bytes | None = None, *, partition: int = 0) -> MemoryRecord:
    """Return a record whose value is event number `offset` unless said otherwise."""
    return MemoryRecord("t", partition, offset, value(offset) if content is None else content, {})


@dataclass(frozen=True)
class MemoryBatch:
    """A batch of them."""

    records: Sequence[MemoryRecord]

    @property
    def values(self) -> Sequence[bytes | None]:
        """The value of each."""
        return [record.value for record in self.records]

    def __len__(self) -> int:
        return len(self.records)

    def record(self, position: int) -> MemoryRecord:
        """Return one."""
        return self.records[position]

    def ends(self) -> dict[tuple[str, int], int]:
        """Return where to commit."""
        return {(record.topic, record.partition): record.offset + 1 for record in self.records}


@dataclass
class MemorySource:
    """A consumer over batches; hands them out again from the last commit when it is reopened."""

    batches: list[Sequence[MemoryRecord]]
    committed: dict[tuple[str, int], int] = field(default_factory=dict)
    kept_alive: int = 0
    poll_errors: list[ShipperError] = field(default_factory=list)
    commit_errors: list[ShipperError] = field(default_factory=list)
    clock: ManualClock | None = None
    unassigned_polls: int = 0

    def take(self, timeout_s: float) -> MemoryBatch:
        """Hand out the next batch; nothing takes the whole time out."""
        if self.poll_errors:
            raise self.poll_errors.pop(0)
        if self.batches:
            return MemoryBatch(self.batches.pop(0))
        if self.clock is not None:
            self.clock.advance(timeout_s)
        return MemoryBatch(())

    def keep_alive(self) -> None:
        """Count the calls."""
        self.kept_alive += 1

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Remember the offsets."""
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        self.committed.update(offsets)

    def remaining(self) -> int | None:
        """Records of the batches not handed out."""
        if self.unassigned_polls:
            self.unassigned_polls -= 1
            return None
        return sum(len(batch) for batch in self.batches)


@dataclass
class MemoryStore:
    """Creates by id; `answers` may decide otherwise per id and attempt, `errors` per request."""

    url: str = "memory"
    documents: dict[str, dict[str, object]] = field(default_factory=dict)
    errors: list[ShipperError] = field(default_factory=list)
    answer: Callable[[str, int], ItemAnswer | None] = lambda _name, _attempt: None
    refuse: Callable[[bytes], ShipperError | None] = lambda _body: None
    requests: list[list[str]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)

    def create(self, body: bytes, count: int) -> Sequence[ItemAnswer] | None:
        """Answer as Elasticsearch does."""
        if self.errors:
            raise self.errors.pop(0)
        refusal = self.refuse(body)
        if refusal is not None:
            raise refusal
        lines = body.split(b"\n")
        assert lines.pop() == b""
        answers = []
        self.requests.append([])
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            document_id = json.loads(action)["create"]["_id"]
            self.requests[-1].append(document_id)
            answers.append(self._create(document_id, source))
        assert len(answers) == count
        return None if all(answer.status == 201 for answer in answers) else answers

    def _create(self, document_id: str, source: bytes) -> ItemAnswer:
        attempt = self.attempts[document_id] = self.attempts.get(document_id, 0) + 1
        told = self.answer(document_id, attempt)
        if told is not None:
            return told
        if document_id in self.documents:
            return ItemAnswer(409, "version_conflict_engine_exception", "there")
        self.documents[document_id] = json.loads(source)
        return ItemAnswer(201)


@dataclass
class MemoryDeadLetters:
    """Keeps what was refused."""

    letters: list[tuple[KafkaRecord, Refusal]] = field(default_factory=list)
    errors: list[ShipperError] = field(default_factory=list)

    def write(self, refused: Sequence[tuple[KafkaRecord, Refusal]]) -> list[ShipperError | None]:
        """Store or fail."""
        outcomes: list[ShipperError | None] = []
        for letter in refused:
            outcomes.append(self.errors.pop(0) if self.errors else None)
            if outcomes[-1] is None:
                self.letters.append(letter)
        return outcomes


class Bench:
    """An indexer between all of them, on a clock that is moved by hand."""

    def __init__(self, *batches: Sequence[MemoryRecord], policy: IndexPolicy | None = None) -> None:
        self.clock = ManualClock(NOW_US)
        self.source = MemorySource(list(batches), clock=self.clock)
        self.store = MemoryStore()
        self.dead_letters = MemoryDeadLetters()
        self.reports: list[str] = []
        self.ready_errors: list[ShipperError] = []
        self.indexer = Indexer(
            self.source,
            Senders(self.store, 0),
            self.dead_letters,
            policy or IndexPolicy(),
            clock=self.clock,
            random=Random(7),
            report=self.reports.append,
            ready=self._ready,
        )

    def _ready(self) -> None:
        if self.ready_errors:
            raise self.ready_errors.pop(0)

    def run(self) -> None:
        """Work until nothing is left."""
        self.indexer.run_until_idle(1.0)

    def run_stopped_by(self, happening: Callable[[threading.Event], None]) -> None:
        """Run for ever with a stop that `happening` is given to set."""
        stop = threading.Event()
        happening(stop)
        self.indexer.run(stop)


def unavailable() -> StoreUnavailable:
    """Return the error of a server that is away."""
    return StoreUnavailable("memory", "away")
