"""Gathering what helps to find the cause: one search for suspects, one for sample events.

Only here are documents pulled, and of those only the ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shipper.alert.alert import Evidence, Suspect
from shipper.alert.discover import discover_url
from shipper.alert.finding import Fact
from shipper.alert.store import DocumentStore
from shipper.alert.suspects import Interval, aggregations, read_context, read_suspects

SAMPLES: Final = 5
_SHOWN_ERRORS: Final = 3

Condition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Where to look for the evidence of one finding.

    Attributes:
        index: index or pattern.
        time_field: field by which events fall into windows.
        conditions: what all events concerned have in common (the rule's filter and the group).
        bad: what makes one of them bad; empty: all are.
        worst_first: field and order by which the worst come first; None: the newest first.
        interval: where things went wrong, and since when something new is suspicious.
        look_back_us: how far before the interval events are looked at.
        samples_before: samples are the last events before the interval (there are none inside).
        group: fields that the events share by the rule's choice.
        features: suspects that the detector itself named.
    """

    index: str
    time_field: str
    conditions: tuple[Condition, ...]
    bad: tuple[Condition, ...]
    worst_first: tuple[str, str] | None
    interval: Interval
    look_back_us: int
    samples_before: bool
    group: Mapping[str, str | None]
    features: tuple[str, ...] = ()


def gather(store: DocumentStore, question: Question, kibana_url: str = "") -> Evidence:
    """Return samples, suspects, context and a link for one finding; two searches in one request."""
    suspects_answer, samples_answer = store.msearch(
        [(question.index, _suspects_body(question)), (question.index, _samples_body(question))]
    )
    features = tuple(Suspect("feature", name, "its distribution changed") for name in question.features)
    samples = tuple(_event_id(hit) for hit in samples_answer["hits"]["hits"])
    url = discover_url(kibana_url, question.interval.start_us, question.interval.end_us, samples)
    answer = suspects_answer.get("aggregations")
    if answer is None:  # no index is left that matches
        return Evidence(samples=samples, suspects=features, url=url)
    found = read_suspects(answer, question.interval, question.group, has_bad=bool(question.bad))
    commit = next((suspect.value for suspect in found if suspect.kind == "commit"), "")
    return Evidence(
        samples=samples,
        suspects=(*found, *features),
        context=read_context(answer, question.group, commit),
        facts=_facts(answer),
        url=url,
    )


def between(field: str, start_us: int, end_us: int) -> dict[str, Any]:
    """Return the condition that a date field lies in [start, end)."""
    return {"range": {field: {"gte": _millis(start_us), "lt": _millis(end_us), "format": "epoch_millis"}}}


def _suspects_body(question: Question) -> dict[str, Any]:
    interval, field = question.interval, question.time_field
    oldest = interval.start_us - question.look_back_us
    conditions = [between(field, oldest, interval.end_us), *question.conditions]
    inside = between(field, interval.start_us, interval.end_us)
    before = between(field, oldest, interval.new_from_us)
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": conditions}},
        "aggs": aggregations(field, inside, question.bad, before),
    }


def _samples_body(question: Question) -> dict[str, Any]:
    interval, field = question.interval, question.time_field
    if question.samples_before:
        span = between(field, interval.start_us - question.look_back_us, interval.start_us)
        bad: tuple[Condition, ...] = ()
    else:
        span, bad = between(field, interval.start_us, interval.end_us), question.bad
    order: list[Any] = [{field: "desc"}, {"event.id": "asc"}]
    if question.worst_first is not None:
        name, direction = question.worst_first
        order.insert(0, {name: {"order": direction, "unmapped_type": "double"}})
    return {
        "size": SAMPLES,
        "track_total_hits": False,
        "_source": ["event.id"],
        "query": {"bool": {"filter": [span, *question.conditions, *bad]}},
        "sort": order,
    }


def _event_id(hit: Mapping[str, Any]) -> str:
    return str(hit.get("_source", {}).get("event", {}).get("id") or hit["_id"])


def _facts(answer: Mapping[str, Any]) -> dict[str, Fact]:
    inside = answer["inside"]
    errors = [
        f"{bucket['key']} ({bucket['doc_count']})"
        for bucket in inside["error.type"]["buckets"][:_SHOWN_ERRORS]
    ]
    facts: dict[str, Fact] = {"events_concerned": inside["bad"]["doc_count"], "events": inside["doc_count"]}
    if errors:
        facts["error_types"] = tuple(errors)
    return facts


def _millis(moment_us: int) -> int:
    return moment_us // 1000
