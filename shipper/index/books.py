"""Balance the books: of each producer's sequence, what is stored, what is a dead letter, what is missing.

A producer numbers its records 1, 2, 3 ... without gaps. So a number below the highest one that was
seen anywhere, which is neither stored nor a dead letter, is missing, and a number that is stored twice
is a double. Exact when nothing is on its way; what lies above the highest number seen cannot be known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any

from shipper.datasets import index_pattern
from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.index.moment import rfc3339
from shipper.index.search import read_all

_PAGE = 10_000
_PRODUCERS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ProducerBooks:
    """The books of one producer.

    Attributes:
        service: name of the application, empty where no stored document says it.
        last: highest sequence seen.
        stored: distinct sequences in Elasticsearch.
        dead_lettered: distinct sequences that are dead letters and not stored.
        missing: ranges of sequences that are nowhere, both ends included.
        doubled: sequences that are stored more than once.
    """

    producer_id: str
    service: str
    last: int
    stored: int
    dead_lettered: int
    missing: tuple[tuple[int, int], ...]
    doubled: tuple[int, ...]

    @property
    def missing_count(self) -> int:
        """How many sequences are nowhere."""
        return sum(last - first + 1 for first, last in self.missing)

    @property
    def is_balanced(self) -> bool:
        """Whether each sequence up to the last is in exactly one place."""
        return not self.missing and not self.doubled


def balance(
    client: ElasticClient, namespace: str, dead_letter_ids: Iterable[str], *, since_us: int | None = None
) -> list[ProducerBooks]:
    """Return the books of every producer.

    Args:
        dead_letter_ids: event ids of all dead letters.
        since_us: only producers with a document whose event time is not earlier; their books are
            whole all the same. Microseconds since the epoch.
    """
    dead: dict[str, set[int]] = {}
    for event_id in dead_letter_ids:
        producer_id, _, sequence = event_id.rpartition("-")
        if producer_id and sequence.isdecimal():
            dead.setdefault(producer_id, set()).add(int(sequence))
    pattern = index_pattern(namespace=namespace)
    client.refresh(pattern)
    books: list[ProducerBooks] = []
    if since_us is None:
        rows = _rows(client, pattern, {"match_all": {}})
        books += _from_rows(rows, dead)
        known = {book.producer_id for book in books}
        books += [
            _book(producer_id, "", (), dead[producer_id]) for producer_id in sorted(dead.keys() - known)
        ]
        return books
    active = list(_active_producers(client, pattern, since_us))
    for start in range(0, len(active), _PRODUCERS_AT_ONCE):
        wanted = {"terms": {"agent.ephemeral_id": active[start : start + _PRODUCERS_AT_ONCE]}}
        rows = _rows(client, pattern, wanted)
        books += _from_rows(rows, dead)
    return books


def _rows(client: ElasticClient, pattern: str, query: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    """Yield producer, sequence and service of each document, sorted by the first two."""
    fields = ("agent.ephemeral_id", "event.sequence")
    numbered = [{"exists": {"field": name}} for name in fields]
    hits = read_all(
        client,
        pattern,
        {"bool": {"filter": [query, *numbered]}},
        sort=[{"agent.ephemeral_id": "asc"}, {"event.sequence": "asc"}],
        page_size=_PAGE,
        _source=False,
        docvalue_fields=[*fields, "service.name"],
    )
    for hit in hits:
        found = hit["fields"]
        yield (
            str(found["agent.ephemeral_id"][0]),
            int(found["event.sequence"][0]),
            str(found.get("service.name", [""])[0]),
        )


def _active_producers(client: ElasticClient, pattern: str, since_us: int) -> Iterator[str]:
    composite: JsonObject = {
        "size": 1000,
        "sources": [{"producer": {"terms": {"field": "agent.ephemeral_id"}}}],
    }
    body: JsonObject = {
        "size": 0,
        "query": {"range": {"@timestamp": {"gte": rfc3339(since_us)}}},
        "aggs": {"producers": {"composite": composite}},
    }
    while True:
        answer = client.search(pattern, body).get("aggregations", {}).get("producers", {})
        yield from (str(bucket["key"]["producer"]) for bucket in answer.get("buckets", ()))
        if "after_key" not in answer:
            return
        composite["after"] = answer["after_key"]


def _from_rows(rows: Iterable[tuple[str, int, str]], dead: Mapping[str, set[int]]) -> list[ProducerBooks]:
    books = []
    for producer_id, group in groupby(rows, key=lambda row: row[0]):
        own = list(group)
        service = next((name for _, _, name in own if name), "")
        books.append(_book(producer_id, service, [row[1] for row in own], dead.get(producer_id, set())))
    return books


def _book(producer_id: str, service: str, sequences: Sequence[int], dead: set[int]) -> ProducerBooks:
    """Return the books from rising sequences, doubles included, and those of dead letters."""
    stored = set(sequences)
    doubled = sorted({first for first, second in pairwise(sequences) if first == second})
    return ProducerBooks(
        producer_id=producer_id,
        service=service,
        last=max(stored | dead, default=0),
        stored=len(stored),
        dead_lettered=len(dead - stored),
        missing=tuple(_gaps(stored | dead)),
        doubled=tuple(doubled),
    )


def _gaps(present: set[int]) -> Iterator[tuple[int, int]]:
    expected = 1
    for sequence in sorted(present):
        if sequence > expected:
            yield expected, sequence - 1
        expected = sequence + 1
