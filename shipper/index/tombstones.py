"""What stands in the place of an erased record: an empty document under the record's id, in the record's index.

Whoever stores records does it with `create` under their own ids: the indexer, Logstash, a replay of either. Where a
place is taken the server answers "there already", which all of them take for a quiet success. So a taken place keeps a
record out for good, without anybody having to know who was erased, and as long as the index itself is kept.

A tombstone holds nothing of the record: no time, no producer, no field that is indexed. Whatever asks for a time, or
for the value of any field, does not see it; only a bare count of documents does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shipper.datasets import period_index
from shipper.elastic.client import ElasticClient
from shipper.errors import RequestRefused

TOMBSTONE: Final[Mapping[str, Any]] = {"erased": True}
"""Its one field is declared in no mapping: it is kept for a person who comes upon it, and not indexed."""

NOT_ERASED: Final[Mapping[str, Any]] = {"exists": {"field": "@timestamp"}}
"""A condition that every record fulfils and no tombstone does."""

_INDICES_MAX: Final = 10_000


def keeps_places(index: str) -> bool:
    """Return whether an index is one that records are stored into by their ids; elsewhere nothing comes back."""
    return period_index(index) is not None


def tombstones(client: ElasticClient, patterns: Sequence[str]) -> dict[str, int]:
    """Return how many tombstones there are, by index; none where we may not look. Raises StoreError."""
    body = {
        "size": 0,
        "query": {"bool": {"must_not": [NOT_ERASED]}},
        "aggs": {"indices": {"terms": {"field": "_index", "size": _INDICES_MAX}}},
    }
    try:
        answer = client.search(",".join(patterns), body)
    except RequestRefused as error:
        if error.status != 403:
            raise
        return {}
    buckets = answer.get("aggregations", {}).get("indices", {}).get("buckets", ())
    return {str(one["key"]): int(one["doc_count"]) for one in buckets}
