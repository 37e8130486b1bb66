"""Questions to Elasticsearch: one row of sums per window and group, by composite aggregation, page by page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.detect.rules import Terms
from shipper.detect.store import Fetch
from shipper.detect.window import iso

Group = tuple[str | None, ...]
"""Values of the group fields, in their order; None where events lack the field."""

Condition = Mapping[str, Any]
Cells = dict[Group, list[tuple[int, dict[str, float]]]]
"""Per group: window start and sums by column, ascending."""

MOST_BUCKETS: Final = 60_000
"""Elasticsearch refuses answers of more than 65,536 buckets."""

MOST_GROUPS: Final = 500
"""More groups than that are not judged; the rule is too fine."""


@dataclass(frozen=True, slots=True)
class CellQuery:
    """What to sum up per window and group.

    Attributes:
        index: index or pattern.
        time_field: field by which events fall into windows.
        conditions: what the events must fulfil.
        group_by: fields whose combinations of values are the groups.
        window_us: length of a window.
        parts: aggregations below each window and group.
        buckets: buckets that the parts have together, per window and group.
        read: turns the answer of one window and group into sums by column.
        runtime: fields as this search alone has them.
    """

    index: str
    time_field: str
    conditions: tuple[Condition, ...]
    group_by: tuple[str, ...]
    window_us: int
    parts: Mapping[str, Any]
    buckets: int
    read: Callable[[JsonObject], dict[str, float]]
    runtime: Mapping[str, Any] = field(default_factory=dict)


def terms_conditions(terms: Terms) -> list[Condition]:
    """Return the conditions that each field has (one of) the given value(s)."""
    return [
        {"terms": {name: list(value)}} if isinstance(value, tuple) else {"term": {name: value}}
        for name, value in terms.items()
    ]


def group_conditions(group_by: Sequence[str], group: Group) -> list[Condition]:
    """Return the conditions that an event belongs to the group."""
    return [
        {"term": {name: value}}
        if value is not None
        else {"bool": {"must_not": [{"exists": {"field": name}}]}}
        for name, value in zip(group_by, group, strict=True)
    ]


def between(field: str, start_us: int, end_us: int) -> Condition:
    """Return the condition that a date field lies in [start, end)."""
    return {"range": {field: {"gte": iso(start_us), "lt": iso(end_us)}}}


def aggregate(conditions: Sequence[Condition], parts: Mapping[str, Any]) -> JsonObject:
    """Return the body of a search that wants aggregations only."""
    return {
        "size": 0,
        "track_total_hits": False,
        "query": {"bool": {"filter": list(conditions)}},
        "aggs": dict(parts),
    }


def cells(query: CellQuery, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch all cells whose window starts inside [start, end)."""
    sources: list[Any] = [
        {
            "window": {
                "date_histogram": {
                    "field": query.time_field,
                    "fixed_interval": f"{query.window_us // 1000}ms",
                }
            }
        }
    ]
    sources += [
        {f"g{place}": {"terms": {"field": name, "missing_bucket": True}}}
        for place, name in enumerate(query.group_by)
    ]
    composite: dict[str, Any] = {
        "size": max(10, MOST_BUCKETS // (1 + query.buckets)),
        "sources": sources,
    }
    conditions = [between(query.time_field, start_us, end_us), *query.conditions]
    found: Cells = {}
    while True:
        part = {"composite": composite, "aggs": dict(query.parts)}
        body = aggregate(conditions, {"cells": part})
        if query.runtime:
            body["runtime_mappings"] = dict(query.runtime)
        (answer,) = yield [(query.index, body)]
        page = answer.get("aggregations", {}).get("cells", {})
        for bucket in page.get("buckets", ()):
            key = bucket["key"]
            group = tuple(_text(key[f"g{place}"]) for place in range(len(query.group_by)))
            found.setdefault(group, []).append((int(key["window"]) * 1000, query.read(bucket)))
        after = page.get("after_key")
        if after is None or len(page["buckets"]) < composite["size"]:
            return found
        composite = {**composite, "after": after}


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
