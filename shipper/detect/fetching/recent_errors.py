"""Which errors there have been lately, by fingerprint: what a person needs in order to declare one resolved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from shipper.alert.store import DocumentStore, JsonObject
from shipper.datasets import index_pattern
from shipper.detect.fetching.error_cells import FROM_SOURCE
from shipper.detect.fetching.query import aggregate, between, terms_conditions
from shipper.detect.rules.rule import Terms
from shipper.detect.templates.forms import fingerprint, form_of, text_of

_EXCEPTIONS: Final = 500
_TEXTS: Final = 2000
_SERVICES: Final = 5


@dataclass(frozen=True, slots=True)
class SeenError:
    """An error that was seen.

    Attributes:
        error: type of the exception, or form of the message.
        is_exception: whether `error.id` is its fingerprint.
        last_us: when it was last seen.
        services: where, the most frequent first.
    """

    fingerprint: str
    error: str
    is_exception: bool
    count: int
    last_us: int
    services: tuple[str, ...]


def recent_errors(
    store: DocumentStore, namespace: str, dataset: str, bad: Terms, span: tuple[int, int], beginning: str = ""
) -> list[SeenError]:
    """Return the errors seen in [from, to), the last one first.

    Args:
        beginning: only errors whose fingerprint begins so; then rare exceptions are found among any number.

    Raises:
        StoreError: Elasticsearch did not answer or refused.
    """
    told: dict[str, Any] = {
        "last": {"max": {"field": "@timestamp"}},
        "services": {"terms": {"field": "service.name", "size": _SERVICES}},
    }
    kind = {"type": {"terms": {"field": "error.type", "size": 1}}}
    known = {"prefix": {"error.id": beginning}} if beginning else {"exists": {"field": "error.id"}}
    without = {"bool": {"must_not": [{"exists": {"field": "error.id"}}]}}
    parts = {
        "exceptions": {
            "filter": known,
            "aggs": {
                "found": {"terms": {"field": "error.id", "size": _EXCEPTIONS}, "aggs": {**told, **kind}}
            },
        },
        "messages": {
            "filter": without,
            "aggs": {"found": {"terms": {"field": "message", "size": _TEXTS}, "aggs": told}},
        },
    }
    body = aggregate([between("@timestamp", *span), *terms_conditions(bad)], parts)
    answer = store.search(index_pattern(dataset, namespace), {**body, "runtime_mappings": FROM_SOURCE})
    found = answer.get("aggregations", {})
    seen = [_exception(one) for one in _buckets(found, "exceptions")]
    messages: dict[str, SeenError] = {}
    for bucket in _buckets(found, "messages"):
        one = _message(bucket)
        messages[one.fingerprint] = (
            _together(messages[one.fingerprint], one) if one.fingerprint in messages else one
        )
    seen += messages.values()
    kept = [one for one in seen if one.fingerprint.startswith(beginning)]
    return sorted(kept, key=lambda one: (-one.last_us, one.fingerprint))


def _buckets(found: JsonObject, name: str) -> list[JsonObject]:
    buckets: list[JsonObject] = found.get(name, {}).get("found", {}).get("buckets", [])
    return buckets


def _exception(bucket: JsonObject) -> SeenError:
    types = bucket["type"]["buckets"]
    error = str(types[0]["key"]) if types else "an exception"
    return SeenError(str(bucket["key"]), error, True, *_told(bucket))


def _message(bucket: JsonObject) -> SeenError:
    form = form_of(str(bucket["key"]))
    return SeenError(fingerprint(form), text_of(form), False, *_told(bucket))


def _told(bucket: JsonObject) -> tuple[int, int, tuple[str, ...]]:
    services = tuple(str(one["key"]) for one in bucket["services"]["buckets"])
    return int(bucket["doc_count"]), round(float(bucket["last"]["value"]) * 1000), services


def _together(one: SeenError, other: SeenError) -> SeenError:
    services = tuple(dict.fromkeys((*one.services, *other.services)))[:_SERVICES]
    return replace(
        one, count=one.count + other.count, last_us=max(one.last_us, other.last_us), services=services
    )
