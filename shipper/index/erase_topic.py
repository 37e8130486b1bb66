"""Records of erased persons on the topic: Kafka deletes no single record, so their places in Elasticsearch are taken.

Each is looked up where the indexer and Logstash would store it (`document.py` is their common rule). So whoever reads
the topic again, or has not read it yet, finds the place taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shipper.clock import Clock
from shipper.config import KafkaSettings
from shipper.errors import TopicMissing
from shipper.index.document import Document, Limits, Refusal, read_document
from shipper.index.erase_writes import ErasureWriter
from shipper.index.erasures import Erased, event_time_us
from shipper.kafka.admin import Admin
from shipper.kafka.consumed import ConsumedRecord
from shipper.kafka.headers import EVENT_ID
from shipper.kafka.reading import read_range

LOGSTASH_GROUP: Final = "shipper-logstash"
"""Under this name Logstash reads the topic, if nothing else was set for it."""

_AUDIT: Final = "logs-ml.audit-"
_RECORDS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 8 << 20
_TELL_EVERY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Held:
    """Records of erased persons on a topic.

    Attributes:
        count: how many of them the topic holds.
        refused: how many of these no index takes as they are: read again, each is a dead letter.
        looked_at: how many records were read in all.
        retention_ms: how long it keeps a record, by its time of arrival; -1: for ever.
        is_by_logstash: Logstash has read from it, which does not know the list of erasures.
    """

    topic: str
    retention_ms: int
    is_by_logstash: bool
    count: int = 0
    refused: int = 0
    looked_at: int = 0


@dataclass(frozen=True, slots=True)
class Road:
    """How records come from the topic into an index.

    Attributes:
        namespace: of records that do not name one.
        limits: see there.
    """

    kafka: KafkaSettings
    namespace: str
    limits: Limits


class TopicEraser:
    """Works through the topic of records. Methods raise `TransportError` and `StoreError`.

    Args:
        on_found: see `Eraser`.
        on_counts: told what was done with a part.
        on_records: told now and then how many records were looked at.

    Attributes:
        held: what was found so far; None where there is no such topic.
    """

    def __init__(
        self,
        road: Road,
        writer: ErasureWriter,
        clock: Clock,
        *,
        is_dry: bool,
        on_found: Callable[[int], None] = lambda _newest_us: None,
        on_counts: Callable[[Counter[str]], None] = lambda _counts: None,
        on_records: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._road = road
        self._writer = writer
        self._clock = clock
        self._is_dry = is_dry
        self._on_found = on_found
        self._on_counts = on_counts
        self._on_records = on_records
        self._reached: Mapping[int, int] = {}
        self.held: Held | None = None

    def run_pass(self, erased: Erased) -> int:
        """Read from where the last pass ended to the present end, and take places; return how many were found."""
        kafka = self._road.kafka
        try:
            with Admin(kafka) as admin:
                starts, ends = admin.start_offsets(kafka.topic), admin.end_offsets(kafka.topic)
                held = self.held or _empty(kafka, admin)
        except TopicMissing:
            return 0
        begin = {part: max(start, self._reached.get(part, 0)) for part, start in starts.items()}
        looked_at, found, size = held.looked_at, 0, 0
        mine: list[ConsumedRecord] = []
        for record in read_range(kafka, kafka.topic, begin, ends):
            looked_at += 1
            if looked_at % _TELL_EVERY == 0:
                self._on_records(looked_at)
            if not erased.covers(record.value or b""):
                continue
            found += 1
            mine.append(record)
            size += len(record.value or b"")
            if len(mine) >= _RECORDS_AT_ONCE or size >= _BYTES_AT_ONCE:
                held = self._keep_out(mine, held)
                mine, size = [], 0
        self.held = replace(self._keep_out(mine, held), looked_at=looked_at)
        self._reached = ends
        return found

    def _keep_out(self, records: Sequence[ConsumedRecord], held: Held) -> Held:
        """Take the places of some records; return what is known of the topic then."""
        documents: list[Document] = []
        refused = 0
        newest_us = 0
        for record in records:
            read = self._read(record)
            if isinstance(read, Refusal):
                refused += 1
            elif not read.index.startswith(_AUDIT):  # the trail is added to and never changed
                documents.append(read)
                newest_us = max(newest_us, event_time_us(record.value or b"") or 0)
        if documents and not self._is_dry:
            self._on_found(newest_us)
            self._on_counts(self._writer.take_places([(one.index, one.event_id) for one in documents]))
        return replace(held, count=held.count + len(records), refused=held.refused + refused)

    def _read(self, record: ConsumedRecord) -> Document | Refusal:
        header = record.headers.get(EVENT_ID)
        return read_document(
            record.value,
            header_id=None if header is None else header.decode("utf-8", "replace"),
            namespace=self._road.namespace,
            now_us=self._clock.now_us(),
            limits=self._road.limits,
        )


class NoTopic:
    """In place of a `TopicEraser` where Kafka is left alone."""

    held: Held | None = None

    def run_pass(self, erased: Erased) -> int:
        """Find nothing."""
        del erased
        return 0


def _empty(kafka: KafkaSettings, admin: Admin) -> Held:
    retention_ms = int(admin.describe(kafka.topic).config.get("retention.ms", "-1"))
    return Held(kafka.topic, retention_ms, bool(admin.committed(LOGSTASH_GROUP, kafka.topic)))
