"""Who may have done it: what is new or over-represented where things went wrong.

A commit or version that first appears shortly before the start is a suspect, the newest first; so is one that
has a larger part of the bad events than of all events (lift), and so is a segment. A value that was
always there and is not over-represented is no suspect, however common it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipper.alert.alert import Context, Suspect
from shipper.alert.wording import moment_text

_LEAST_SHARE: Final = 0.1
_LEAST_LIFT: Final = 1.5
_FEWEST_BAD: Final = 5
_MOST_SEGMENTS: Final = 3

KINDS: Final[Mapping[str, str]] = {"git.commit": "commit", "ml.model.version": "version"}
"""Fields whose values come and go with deployments."""

SEGMENTS: Final = (
    "service.name",
    "host.name",
    "service.version",
    "ml.model.stage",
    "error.type",
    "log.logger",
)
"""Fields whose values cut the events into parts."""

_CONTEXT: Final = ("service.name", "ml.model.name", "ml.model.version", "git.commit")


@dataclass(frozen=True, slots=True)
class Interval:
    """Where things went wrong, and from when on something new counts as a possible cause; microseconds."""

    start_us: int
    end_us: int
    new_from_us: int


def aggregations(
    time_field: str, interval: Mapping[str, Any], bad: Sequence[Mapping[str, Any]], before: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what to ask of all events from the look-back to the interval's end.

    Args:
        time_field: field that says when something was first seen.
        interval: condition that an event lies in the interval.
        bad: conditions that an event is bad; none: all events of the interval are.
        before: condition that an event is older than anything new.
    """
    is_bad = {"bool": {"filter": list(bad)}}
    parts: dict[str, Any] = {}
    for field in KINDS:
        inside = {"filter": interval, "aggs": {"bad": {"filter": is_bad}}}
        parts[field] = {
            "terms": {"field": field, "size": 20},
            "aggs": {"first": {"min": {"field": time_field}}, "inside": inside},
        }
    fields = dict.fromkeys((*SEGMENTS, *_CONTEXT))
    values = {
        field: {"terms": {"field": field, "size": 10}, "aggs": {"bad": {"filter": is_bad}}}
        for field in fields
    }
    parts["inside"] = {"filter": interval, "aggs": {"bad": {"filter": is_bad}, **values}}
    parts["before"] = {"filter": before}
    return parts


def read_suspects(
    answer: Mapping[str, Any], interval: Interval, group: Mapping[str, str | None], *, has_bad: bool
) -> tuple[Suspect, ...]:
    """Return the suspects, the likeliest first.

    Args:
        answer: `aggregations` of Elasticsearch's answer.
        interval: what was asked about.
        group: fields that all events share by the rule's own choice.
        has_bad: whether bad events were told apart from others.
    """
    inside = answer["inside"]
    total, bad = inside["doc_count"], inside["bad"]["doc_count"]
    if total == 0:
        return ()
    has_past = answer["before"]["doc_count"] > 0
    found: list[Suspect] = []
    for field, kind in KINDS.items():
        if field not in group:
            found += _deployed(kind, answer[field]["buckets"], interval, total, bad, has_past=has_past)
    # What is new explains more than what is merely common.
    if has_bad and bad >= _FEWEST_BAD:
        found += list(_segments(inside, group, total, bad))[:_MOST_SEGMENTS]
    return tuple(dict.fromkeys(found))


def read_context(answer: Mapping[str, Any], group: Mapping[str, str | None], commit: str) -> Context:
    """Return what all events of the interval share; `commit` is the one already suspected, if any."""

    def shared(field: str) -> str:
        buckets = answer["inside"][field]["buckets"]
        return str(group.get(field) or (buckets[0]["key"] if len(buckets) == 1 else ""))

    return Context(
        service_name=shared("service.name"),
        model_name=shared("ml.model.name"),
        model_version=shared("ml.model.version"),
        git_commit=commit or shared("git.commit"),
    )


def _deployed(
    kind: str,
    buckets: Sequence[Mapping[str, Any]],
    interval: Interval,
    total: int,
    bad: int,
    *,
    has_past: bool,
) -> list[Suspect]:
    new: list[tuple[float, Suspect]] = []
    lifted: list[tuple[float, Suspect]] = []
    for bucket in buckets:
        share = bucket["inside"]["doc_count"] / total
        if share <= 0:
            continue
        first_us = round(bucket["first"]["value"] * 1000)
        bad_share = bucket["inside"]["bad"]["doc_count"] / bad if bad else share
        if has_past and first_us >= interval.new_from_us and max(share, bad_share) >= _LEAST_SHARE:
            reason = f"first seen {moment_text(first_us)}, in {bad_share:.0%} of the events concerned"
            new.append((-first_us, Suspect(kind, str(bucket["key"]), reason)))
        elif bad >= _FEWEST_BAD and bad_share >= _LEAST_LIFT * share and bad_share >= 0.5:
            reason = f"in {bad_share:.0%} of the events concerned, in {share:.0%} of all"
            lifted.append((-bad_share / share, Suspect(kind, str(bucket["key"]), reason)))
    return [suspect for _, suspect in sorted(new, key=_first) + sorted(lifted, key=_first)]


def _segments(
    inside: Mapping[str, Any], group: Mapping[str, str | None], total: int, bad: int
) -> Iterator[Suspect]:
    for field in SEGMENTS:
        if field in group:
            continue
        for bucket in inside[field]["buckets"]:
            share, bad_share = bucket["doc_count"] / total, bucket["bad"]["doc_count"] / bad
            if bad_share >= 0.5 and bad_share >= _LEAST_LIFT * share:
                reason = f"in {bad_share:.0%} of the events concerned, in {share:.0%} of all"
                yield Suspect("segment", f"{field}={bucket['key']}", reason)


def _first(item: tuple[float, Suspect]) -> tuple[float, str]:
    return item[0], item[1].value
