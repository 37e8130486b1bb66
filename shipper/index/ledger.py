"""What Kafka, the dead letters and Elasticsearch tell of each producer, for `shipper.index.books`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any, Final

from shipper.config import KafkaSettings
from shipper.datasets import dead_letter_index, index_pattern, namespace_of
from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.errors import TopicMissing
from shipper.index.books import ProducerBooks, Seen, SpoolLook, Told, book
from shipper.index.erasures import erasure_index
from shipper.index.letters import StoredLetter
from shipper.index.moment import rfc3339
from shipper.index.ranges import Ranges
from shipper.index.search import read_all
from shipper.kafka.admin import Admin
from shipper.kafka.headers import EVENT_ID, INDEX
from shipper.kafka.reading import read_range

_PAGE: Final = 10_000
_PRODUCERS_AT_ONCE: Final = 500
_IDS_AT_ONCE: Final = 1000
_LOOKED_UP_MAX: Final = 20_000


@dataclass(slots=True)
class Numbers:
    """Sequences by producer, in the making; a producer's records come in order nearly always."""

    by_producer: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, event_id: str) -> None:
        """Take an event id; one that is not of the form `<producer>-<sequence>` has no place in any books."""
        producer_id, _, digits = event_id.rpartition("-")
        if not producer_id or not digits.isdecimal() or len(digits) > 18:
            return
        sequence, parts = int(digits), self.by_producer[producer_id]
        if parts and parts[-1][1] + 1 == sequence:
            parts[-1] = (parts[-1][0], sequence)
        elif sequence > 0:
            parts.append((sequence, sequence))

    def ranges(self) -> dict[str, Ranges]:
        """Return the sets."""
        return {producer_id: Ranges(parts) for producer_id, parts in self.by_producer.items()}


@dataclass(frozen=True, slots=True)
class KafkaLook:
    """What was on the topic and not yet taken by whoever indexes.

    Attributes:
        waiting: sequences by producer.
        count: records, doubles included; also those that name no producer.
        unread: records that were left unread, because there are more than we were to read.
        readers: the groups whose committed offsets say what is taken; none: nobody ever took anything.
    """

    waiting: Mapping[str, Ranges] = field(default_factory=dict)
    count: int = 0
    unread: int = 0
    readers: tuple[str, ...] = ()


def look_at_kafka(
    settings: KafkaSettings, groups: Sequence[str], namespace: str, *, records_max: int
) -> KafkaLook:
    """Return what waits on the topic. Of several groups that index, the one that is furthest counts.

    Raises:
        TransportError: Kafka does not answer.
    """
    try:
        with Admin(settings) as admin:
            committed = {group: admin.committed(group, settings.topic) for group in groups}
            starts, ends = admin.start_offsets(settings.topic), admin.end_offsets(settings.topic)
    except TopicMissing:
        return KafkaLook()
    readers = tuple(group for group, offsets in committed.items() if offsets)
    begin = {
        part: max(start, *(offsets.get(part, 0) for offsets in committed.values()))
        for part, start in starts.items()
    }
    count = sum(max(0, end - begin.get(part, 0)) for part, end in ends.items())
    numbers = Numbers()
    read = 0
    for record in read_range(settings, settings.topic, begin, ends):
        if read == records_max:
            break
        read += 1
        if namespace_of(record.headers.get(INDEX, b"").decode("utf-8", "replace")) in ("", namespace):
            numbers.add(record.headers.get(EVENT_ID, b"").decode("utf-8", "replace"))
    return KafkaLook(numbers.ranges(), count, count - read, readers)


def dead_by_producer(letters: Iterable[StoredLetter], namespace: str) -> dict[str, Ranges]:
    """Return the sequences of dead letters of a namespace; those that name none count as its own."""
    numbers = Numbers()
    for stored in letters:
        if stored.letter is not None and namespace_of(stored.letter.index) in ("", namespace):
            numbers.add(stored.letter.event_id)
    return numbers.ranges()


@dataclass(frozen=True, slots=True)
class Flow:
    """What was found before Elasticsearch was asked, by producer."""

    spools: Mapping[str, SpoolLook] = field(default_factory=dict)
    in_kafka: Mapping[str, Ranges] = field(default_factory=dict)
    dead: Mapping[str, Ranges] = field(default_factory=dict)


def balance(
    client: ElasticClient, namespace: str, flow: Flow, *, since_us: int | None = None
) -> list[ProducerBooks]:
    """Return the books of every producer.

    Args:
        since_us: only producers with a document whose event time is not earlier, or with records that wait; their
            books are whole all the same. Microseconds since the epoch.

    Raises:
        StoreError: Elasticsearch does not answer.
    """
    pattern = index_pattern(namespace=namespace)
    client.refresh(pattern)
    told = dict(_producers(client, pattern, since_us))
    dead = _with_mirrored(client, namespace, flow.dead)
    numbers_only = erasure_index(namespace)
    client.refresh(numbers_only)
    forgotten = dict(_producers(client, numbers_only, since_us))
    others = {*flow.spools, *flow.in_kafka, *forgotten, *(dead if since_us is None else ())}
    wanted = [*told, *sorted(others - told.keys())]
    books: list[ProducerBooks] = []
    for start in range(0, len(wanted), _PRODUCERS_AT_ONCE):
        some = wanted[start : start + _PRODUCERS_AT_ONCE]
        stored = _stored(client, pattern, some)
        erased = _stored(client, numbers_only, some)
        drops = _drops(client, namespace, some)
        for producer_id in some:
            numbers, doubled = stored.get(producer_id, (Ranges(), ()))
            seen = Seen(
                numbers,
                doubled,
                dead.get(producer_id, Ranges()),
                flow.in_kafka.get(producer_id, Ranges()),
                flow.spools.get(producer_id),
                replace(told.get(producer_id, Told()), dropped=drops.get(producer_id, {})),
                erased.get(producer_id, (Ranges(), ()))[0],
            )
            books.append(_settled(client, pattern, producer_id, seen))
    return books


def _settled(client: ElasticClient, pattern: str, producer_id: str, seen: Seen) -> ProducerBooks:
    """Return the books, after a second look at what seems missing: it may have been stored behind our first one."""
    books = book(producer_id, seen)
    if not books.missing or books.missing_count > _LOOKED_UP_MAX:
        return books
    client.refresh(pattern)
    ids = [f"{producer_id}-{sequence}" for sequence in Ranges(books.missing)]
    found = Numbers()
    for start in range(0, len(ids), _IDS_AT_ONCE):
        query = {"terms": {"event.id": ids[start : start + _IDS_AT_ONCE]}}
        for hit in read_all(client, pattern, query, sort=[{"event.sequence": "asc"}], _source=["event.id"]):
            found.add(hit["_source"]["event"]["id"])
    late = found.ranges().get(producer_id)
    return books if late is None else book(producer_id, replace(seen, stored=seen.stored | late))


def _stored(
    client: ElasticClient, pattern: str, producer_ids: Sequence[str]
) -> dict[str, tuple[Ranges, tuple[int, ...]]]:
    """Return stored sequences, and those that are stored twice, by producer."""
    rows = _rows(client, pattern, {"terms": {"agent.ephemeral_id": list(producer_ids)}})
    found: dict[str, tuple[Ranges, tuple[int, ...]]] = {}
    for producer_id, group in groupby(rows, key=lambda row: row[0]):
        doubled: set[int] = set()
        found[producer_id] = (Ranges.of(_watching(group, doubled)), tuple(sorted(doubled)))
    return found


def _watching(rows: Iterable[tuple[str, int]], doubled: set[int]) -> Iterator[int]:
    before = 0
    for _, sequence in rows:
        if sequence == before:
            doubled.add(sequence)
        before = sequence
        yield sequence


def _rows(client: ElasticClient, pattern: str, query: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield producer and sequence of each document, sorted by both."""
    fields = ("agent.ephemeral_id", "event.sequence")
    # Above 0: what was said in a producer's name when its folder went is none of its records.
    numbered = [{"exists": {"field": fields[0]}}, {"range": {fields[1]: {"gt": 0}}}]
    hits = read_all(
        client,
        pattern,
        {"bool": {"filter": [query, *numbered]}},
        sort=[{"agent.ephemeral_id": "asc"}, {"event.sequence": "asc"}],
        page_size=_PAGE,
        _source=False,
    )
    for hit in hits:
        producer_id, sequence, *_ = hit["sort"]
        yield str(producer_id), int(sequence)


def _producers(client: ElasticClient, pattern: str, since_us: int | None) -> Iterator[tuple[str, Told]]:
    """Yield each producer with a stored document, and the names that its documents carry."""
    composite: JsonObject = {
        "size": 1000,
        "sources": [{"producer": {"terms": {"field": "agent.ephemeral_id"}}}],
    }
    names = {
        "service": {"terms": {"field": "service.name", "size": 1}},
        "host": {"terms": {"field": "host.name", "size": 1}},
    }
    recent = {"range": {"@timestamp": {"gte": rfc3339(since_us)}}} if since_us is not None else None
    body: JsonObject = {
        "size": 0,
        "query": recent or {"match_all": {}},
        "aggs": {"producers": {"composite": composite, "aggs": names}},
    }
    while True:
        answer = client.search(pattern, body).get("aggregations", {}).get("producers", {})
        for bucket in answer.get("buckets", ()):
            service, host = (
                next((str(one["key"]) for one in bucket[name]["buckets"]), "") for name in ("service", "host")
            )
            yield str(bucket["key"]["producer"]), Told(service, host)
        if "after_key" not in answer:
            return
        composite["after"] = answer["after_key"]


def _drops(client: ElasticClient, namespace: str, producer_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the highest count of drops that each producer told of, by reason."""
    hits = read_all(
        client,
        index_pattern("ml.health", namespace),
        {
            "bool": {
                "filter": [
                    {"terms": {"agent.ephemeral_id": list(producer_ids)}},
                    {"exists": {"field": "shipper.dropped"}},
                ],
                # What an agent dropped was of others, in whose names it is told.
                "must_not": [{"exists": {"field": "shipper.role"}}],
            }
        },
        sort=[{"event.sequence": "asc"}],
        _source=["agent.ephemeral_id", "shipper.dropped"],
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for hit in hits:
        source = hit["_source"]
        counts = found[source["agent"]["ephemeral_id"]]
        for reason, count in source["shipper"]["dropped"].items():
            counts[reason] = max(counts.get(reason, 0), int(count))
    return found


def _with_mirrored(client: ElasticClient, namespace: str, dead: Mapping[str, Ranges]) -> dict[str, Ranges]:
    """Add the letters that the mirror knows and the topic does not any more: they were purged."""
    index = dead_letter_index(namespace)
    client.refresh(index)
    numbers = Numbers()
    for hit in read_all(
        client,
        index,
        {"term": {"dead_letter.state": "purged"}},
        sort=[{"agent.ephemeral_id": "asc"}, {"event.sequence": "asc"}],
        _source=["event.id"],
    ):
        numbers.add(str(hit["_source"]["event"].get("id", "")))
    both = dict(dead)
    for producer_id, purged in numbers.ranges().items():
        both[producer_id] = both.get(producer_id, Ranges()) | purged
    return both
