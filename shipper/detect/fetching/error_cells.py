"""Errors by fingerprint, per window and group: by `error.id` where there is one, else by the form of the message.

A message is text, which cannot be aggregated, so the search takes it from the source, of errors without a
fingerprint alone; the texts come back with their counts and are masked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.alert.finding import Fact
from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.new_error import EXCEPTIONS, MESSAGES
from shipper.detect.detectors.new_values import SLASH
from shipper.detect.fetching.query import CellQuery, Condition, terms_conditions
from shipper.detect.rules.error_rule import NewErrorRule
from shipper.detect.rules.rule import Terms
from shipper.detect.templates.forms import form_of, text_of

_EXCEPTIONS: Final = 300
_TEXTS: Final = 1000
"""Different ones of a window and group; of more, the most frequent are looked at."""

_LONGEST_WORD: Final = 64
FROM_SOURCE: Final = {"message": {"type": "keyword"}}
"""Within the search alone, the message is a keyword; without a script its values come from the source."""

_HAS_FINGERPRINT: Final[Condition] = {"exists": {"field": "error.id"}}


def error_query(rule: NewErrorRule, namespace: str) -> CellQuery:
    """Return what a rule of kind new_error asks: `events`, and errors by fingerprint."""
    exceptions = {
        "terms": {"field": "error.id", "size": _EXCEPTIONS},
        "aggs": {"type": {"terms": {"field": "error.type", "size": 1}}},
    }
    messages = {
        "filter": {"bool": {"must_not": [_HAS_FINGERPRINT]}},
        "aggs": {"texts": {"terms": {"field": "message", "size": _TEXTS}}},
    }
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=tuple(terms_conditions(rule.filter)),
        group_by=rule.group_by,
        window_us=rule.window,
        parts={
            "bad": {
                "filter": {"bool": {"filter": terms_conditions(rule.bad)}},
                "aggs": {"exceptions": exceptions, "messages": messages},
            }
        },
        buckets=2 * _EXCEPTIONS + _TEXTS + 2,
        read=_read,
        runtime=FROM_SOURCE,
    )


def new_error_condition(what: Terms, facts: Mapping[str, Fact]) -> tuple[Condition, ...]:
    """Return what the sightings of an error have in common, as far as a query can tell; `what` makes an event an error."""
    bad = terms_conditions(what)
    if facts.get("error_type") and facts.get("fingerprint"):
        return (*bad, {"term": {"error.id": facts["fingerprint"]}})
    words = " ".join(word for word in str(facts.get("template", "")).split() if _is_word(word))
    return (*bad, {"match": {"message": {"query": words, "operator": "and"}}}) if words else tuple(bad)


def _is_word(text: str) -> bool:
    """Whether Elasticsearch surely takes it for one word."""
    return text.isascii() and text.isalpha() and len(text) <= _LONGEST_WORD


def _read(bucket: JsonObject) -> dict[str, float]:
    numbers = {"events": float(bucket["doc_count"])}
    bad = bucket["bad"]
    for one in bad["exceptions"]["buckets"]:
        types = one["type"]["buckets"]
        label = f"{one['key']} {types[0]['key'] if types else ''}"
        _count(numbers, EXCEPTIONS, label, one["doc_count"])
    for one in bad["messages"]["texts"]["buckets"]:
        _count(numbers, MESSAGES, text_of(form_of(str(one["key"]))), one["doc_count"])
    return numbers


def _count(numbers: dict[str, float], block: str, label: str, count: float) -> None:
    name = f"{block}/{label.replace('/', SLASH)}"
    numbers[name] = numbers.get(name, 0.0) + float(count)
