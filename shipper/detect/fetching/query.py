"""Questions to Elasticsearch: one row of sums per window and group, by composite aggregation, page by page."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.detect.event_time.window import iso
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.rule import Terms

Group = tuple[str | None, ...]
"""Values of the group fields, in their order; None where events lack the field."""

Condition = Mapping[str, Any]
Cells = dict[Group, list[tuple[int, dict[str, float]]]]
"""Per group: window start and sums by column, ascending."""

MOST_BUCKETS: Final = 60_000
"""Elasticsearch refuses answers of more than 65,536 buckets."""

MOST_GROUPS: Final = 500
"""More groups than that are not judged; the rule is too fine."""

_WIDE: Final = 32
"""Columns from which on a row is stored without its zeros."""


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
    (found,) = yield [_CellQuestion(query, start_us, end_us)]
    answered: Cells = found
    return answered


@dataclass(frozen=True, slots=True)
class _CellQuestion:
    """What to sum up in which windows.

    Questions of the same windows, groups and conditions are answered by one pass over the events. Conditions that a field
    exists may differ: each then looks at its own events among those of all.
    """

    query: CellQuery
    start_us: int
    end_us: int

    @property
    def like(self) -> Hashable:
        """Equal for questions that can be asked as one."""
        query = self.query
        conditions = [one for one in query.conditions if "exists" not in one]
        texts = json.dumps([conditions, query.runtime], sort_keys=True, default=dict)
        span = self.start_us, self.end_us, query.window_us
        return query.index, query.time_field, query.group_by, span, texts

    def ask_with(self, others: Sequence[_CellQuestion]) -> Fetch[list[Cells]]:
        """Fetch the cells of this question and of others like it."""
        shared = _shared([self.query, *(other.query for other in others)])
        found: list[Cells] = [{} for _ in range(1 + len(others))]
        names: dict[str, str] = {}
        begin_us, after = self.start_us, None
        while True:
            (answer,) = yield [(self.query.index, shared.body(begin_us, self.end_us, after))]
            page = answer.get("aggregations", {}).get("cells", {})
            for bucket in page.get("buckets", ()):
                key = bucket["key"]
                group = tuple(_text(key[f"g{place}"]) for place in range(len(self.query.group_by)))
                start_us = int(key["window"]) * 1000
                for cells_, numbers in zip(found, shared.read(bucket), strict=True):
                    if numbers is not None:
                        rows = cells_.setdefault(group, [])
                        rows.append((start_us, _compact(numbers, rows, names)))
            after = page.get("after_key")
            if after is None or len(page["buckets"]) < shared.size:
                return found
            # What lies before the window that the next page begins with is not looked at again.
            begin_us = max(begin_us, int(after["window"]) * 1000)


@dataclass(frozen=True, slots=True)
class _Shared:
    """One search for the cells of several queries.

    Attributes:
        queries: what each asks.
        conditions: what all their events fulfil.
        own: by query, the name of its part of the answer; empty: the whole.
        parts: aggregations below each window and group.
        size: windows and groups of a page.
    """

    queries: Sequence[CellQuery]
    conditions: Sequence[Condition]
    own: Sequence[str]
    parts: Mapping[str, Any]
    size: int

    def body(self, start_us: int, end_us: int, after: JsonObject | None) -> JsonObject:
        """Return the search of one page."""
        query = self.queries[0]
        step = {"field": query.time_field, "fixed_interval": f"{query.window_us // 1000}ms"}
        sources: list[Any] = [{"window": {"date_histogram": step}}]
        sources += [
            {f"g{place}": {"terms": {"field": name, "missing_bucket": True}}}
            for place, name in enumerate(query.group_by)
        ]
        composite = {"size": self.size, "sources": sources, **({"after": after} if after else {})}
        cells_ = {"composite": composite, "aggs": dict(self.parts)}
        body = aggregate([between(query.time_field, start_us, end_us), *self.conditions], {"cells": cells_})
        return {**body, "runtime_mappings": dict(query.runtime)} if query.runtime else body

    def read(self, bucket: JsonObject) -> Iterator[dict[str, float] | None]:
        """Give the sums of each query in a window and group; None where it has no events there."""
        for query, name in zip(self.queries, self.own, strict=True):
            part = {**bucket[name], "key": bucket["key"]} if name else bucket
            yield query.read(part) if part["doc_count"] else None


def _shared(queries: Sequence[CellQuery]) -> _Shared:
    if len(queries) == 1:
        (query,) = queries
        size = max(10, MOST_BUCKETS // (1 + query.buckets))
        return _Shared(queries, query.conditions, [""], query.parts, size)
    conditions = [one for one in queries[0].conditions if all(one in other.conditions for other in queries)]
    extra = [[one for one in query.conditions if one not in conditions] for query in queries]
    parts: dict[str, JsonObject] = {}
    own: list[str] = []
    buckets = 0
    for query, mine in zip(queries, extra, strict=True):
        part = {
            "filter": {"bool": {"filter": mine}} if mine else {"match_all": {}},
            "aggs": dict(query.parts),
        }
        name = next((name for name, other in parts.items() if other == part), "")
        if not name and (mine or query.parts):
            name = f"q{len(parts)}"
            parts[name] = part
            buckets += 1 + query.buckets
        own.append(name)
    if all(extra):
        some = [{"bool": {"filter": mine}} for mine in extra]
        conditions.append({"bool": {"should": some, "minimum_should_match": 1}})
    return _Shared(queries, conditions, own, parts, max(10, MOST_BUCKETS // (1 + buckets)))


class _Row(dict[str, float]):
    """Numbers by column; those that are not stored are zero."""

    def __missing__(self, _: str) -> float:
        return 0.0


def _compact(
    numbers: Mapping[str, float], rows: Sequence[tuple[int, Mapping[str, float]]], names: dict[str, str]
) -> dict[str, float]:
    """Return the numbers of a group's next row with little memory: a histogram is mostly zeros.

    The group's first row has all columns, in their order; wide ones after it leave out zeros of columns that it has.
    """
    if len(numbers) < _WIDE or not rows:
        return {names.setdefault(name, name): value or 0.0 for name, value in numbers.items()}
    first = rows[0][1]
    return _Row(
        (names.setdefault(name, name), value) for name, value in numbers.items() if value or name not in first
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
