"""How many dead letters are open, how old and how large, from their mirror: what somebody should look after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipper.datasets import dead_letter_index
from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient

_KINDS_MAX = 200


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """The open dead letters of a namespace.

    Attributes:
        counts: by hop and reason.
        size_bytes: of their original payloads.
        oldest_us: when the first of them was refused, microseconds since the epoch; None where there is none.
    """

    counts: Mapping[tuple[str, str], int]
    size_bytes: int
    oldest_us: int | None

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


def open_letters(client: ElasticClient, namespace: str) -> OpenLetters:
    """Return what is open now, as far as it is mirrored. Raises StoreError."""
    body: JsonObject = {
        "size": 0,
        "query": {"term": {"dead_letter.state": "open"}},
        "aggs": {
            "hops": {
                "terms": {"field": "dead_letter.hop", "size": _KINDS_MAX},
                "aggs": {"reasons": {"terms": {"field": "dead_letter.reason", "size": _KINDS_MAX}}},
            },
            "bytes": {"sum": {"field": "dead_letter.payload_bytes"}},
            "oldest": {"min": {"field": "@timestamp"}},
        },
    }
    found = client.search(dead_letter_index(namespace), body).get("aggregations")
    if not found:
        return OpenLetters({}, 0, None)
    oldest_ms = found["oldest"]["value"]
    counts = {
        (str(hop["key"]), str(reason["key"])): int(reason["doc_count"])
        for hop in found["hops"]["buckets"]
        for reason in hop["reasons"]["buckets"]
    }
    size = int(found["bytes"]["value"])
    return OpenLetters(counts, size, None if oldest_ms is None else round(oldest_ms * 1000))
