"""Bins of features for drift: quantiles of a group's first windows, kept from then on, filled by Elasticsearch.

The bins of a group (a version of a model, say) are fitted once, on the first windows in which it appears,
and stored with the rule's state: counts of all later windows can be added up and compared, and the same
window has the same answer whoever asks when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.catalog import Catalog, short_name
from shipper.detect.detectors.drift import MISSING
from shipper.detect.query import (
    MOST_BUCKETS,
    MOST_GROUPS,
    Cells,
    Condition,
    Group,
    aggregate,
    between,
    group_conditions,
    terms_conditions,
)
from shipper.detect.rules import DriftRule
from shipper.detect.store import Fetch
from shipper.detect.window import floor_to

QUANTILES: Final = (1.0, 5.0, *(float(percent) for percent in range(10, 100, 10)), 95.0, 99.0)
"""Percentiles of the reference that are the inner edges of a numeric feature's bins."""
_FEWEST_IN_OUTER_BIN: Final = 10
CATEGORIES: Final = 500
"""Categories with a bin of their own, the most frequent ones; the rest is one bin."""

Bins = tuple[float, ...] | tuple[str, ...]
"""Inner edges of a numeric feature, or the named categories of a categorical one."""

Fitted = dict[Group, dict[str, Bins]]
"""Bins by group and field."""


def fit(
    rule: DriftRule, namespace: str, catalog: Catalog, fitted: Fitted, start_us: int, end_us: int
) -> Fetch[Fitted]:
    """Return `fitted` with the bins of those groups that have none yet and have their first windows behind them."""
    index, conditions = index_pattern(rule.dataset, namespace), terms_conditions(rule.filter)
    firsts = yield from _first_seen(rule, index, [between("@timestamp", start_us, end_us), *conditions])
    length = rule.baseline.minimum_windows * rule.window
    fresh = {
        group: (floor_to(first, rule.window), floor_to(first, rule.window) + length)
        for group, first in firsts.items()
        if group not in fitted and floor_to(first, rule.window) + length <= end_us
    }
    numeric, categorical = catalog.of(rule)
    if not fresh or not (numeric or categorical):
        return fitted
    parts = (
        {
            f"n{place}": {"percentiles": {"field": field, "percents": list(QUANTILES), "keyed": False}}
            for place, field in enumerate(numeric)
        }
        | {f"m{place}": {"value_count": {"field": field}} for place, field in enumerate(numeric)}
        | {
            f"c{place}": {"terms": {"field": field, "size": CATEGORIES}}
            for place, field in enumerate(categorical)
        }
    )
    answers = yield [
        (
            index,
            aggregate(
                [between("@timestamp", *span), *conditions, *group_conditions(rule.group_by, group)], parts
            ),
        )
        for group, span in fresh.items()
    ]
    found = dict(fitted)
    for group, answer in zip(fresh, answers, strict=True):
        found[group] = _read_bins(answer.get("aggregations", {}), numeric, categorical)
    return found


def count(
    rule: DriftRule, namespace: str, fitted: Fitted, groups: Iterable[Group], start_us: int, end_us: int
) -> Fetch[Cells]:
    """Fetch, per window and group, the events in each bin of each feature."""
    index = index_pattern(rule.dataset, namespace)
    wanted: list[tuple[Group, dict[str, Bins]]] = []
    windows = max(1, (end_us - start_us) // rule.window)
    for group in groups:
        wanted += [(group, part) for part in _portions(fitted.get(group, {}), windows)]
    if not wanted:
        return {}
    answers = yield [(index, _count_body(rule, group, bins, start_us, end_us)) for group, bins in wanted]
    merged: dict[Group, dict[int, dict[str, float]]] = {}
    for (group, bins), answer in zip(wanted, answers, strict=True):
        rows = merged.setdefault(group, {})
        for bucket in answer.get("aggregations", {}).get("windows", {}).get("buckets", ()):
            rows.setdefault(int(bucket["key"]) * 1000, {}).update(_read_counts(bucket, bins))
    return {group: sorted(rows.items()) for group, rows in merged.items()}


def bin_condition(field: str, bins: Bins, part: str) -> Condition:
    """Return the condition that an event falls into a bin of a feature."""
    absent: Condition = {"bool": {"must_not": [{"exists": {"field": field}}]}}
    if part == MISSING:
        return absent
    if bins and isinstance(bins[0], str):
        if part == "other":
            exists = {"exists": {"field": field}}
            return {"bool": {"must": [exists], "must_not": [{"terms": {field: list(bins)}}]}}
        return {"term": {field: bins[int(part)]}}
    place = int(part)
    limits = {} if place == 0 else {"gte": bins[place - 1]}
    limits |= {} if place >= len(bins) else {"lt": bins[place]}
    return {"range": {field: limits}}


def _first_seen(rule: DriftRule, index: str, conditions: Sequence[Condition]) -> Fetch[dict[Group, int]]:
    first = {"min": {"field": "@timestamp"}}
    if not rule.group_by:
        (answer,) = yield [(index, aggregate(conditions, {"first": first}))]
        value = answer.get("aggregations", {}).get("first", {}).get("value")
        return {} if value is None else {(): round(value * 1000)}
    sources = [
        {f"g{place}": {"terms": {"field": name, "missing_bucket": True}}}
        for place, name in enumerate(rule.group_by)
    ]
    part = {"composite": {"size": MOST_GROUPS, "sources": sources}, "aggs": {"first": first}}
    (answer,) = yield [(index, aggregate(conditions, {"groups": part}))]
    return {
        tuple(bucket["key"][f"g{place}"] for place in range(len(rule.group_by))): round(
            bucket["first"]["value"] * 1000
        )
        for bucket in answer.get("aggregations", {}).get("groups", {}).get("buckets", ())
    }


def _read_bins(answer: JsonObject, numeric: Sequence[str], categorical: Sequence[str]) -> dict[str, Bins]:
    found: dict[str, Bins] = {}
    for place, field in enumerate(numeric):
        values = [item["value"] for item in answer.get(f"n{place}", {}).get("values", ())]
        samples = answer.get(f"m{place}", {}).get("value", 0)
        edges = edges_of([float(value) if value is not None else np.nan for value in values], samples)
        if edges:
            found[field] = edges
    for place, field in enumerate(categorical):
        names = [str(bucket["key"]) for bucket in answer.get(f"c{place}", {}).get("buckets", ())]
        if names:
            found[field] = tuple(sorted(names))
    return found


def edges_of(quantiles: Sequence[float], samples: float) -> tuple[float, ...]:
    """Return the inner edges of bins, given the values at `QUANTILES`; what is not finite is left out.

    A value that many events share (two quantiles or more) has a bin of its own: a share of zeros that grows
    is seen beside small values that stay. Where the reference is small the outer quantiles are left
    out: how many values lie beyond the first percentile of a hundred is nobody's knowledge.
    """
    found: set[float] = set()
    finite = [
        value
        for value, percent in zip(quantiles, QUANTILES, strict=False)
        if np.isfinite(value) and min(percent, 100 - percent) / 100 * samples >= _FEWEST_IN_OUTER_BIN
    ]
    for value in finite:
        found.add(value)
        if finite.count(value) > 1 or len(finite) == 1:
            found.add(float(np.nextafter(value, np.inf)))
    return tuple(sorted(found))


def _portions(bins: Mapping[str, Bins], windows: int) -> list[dict[str, Bins]]:
    """Split a group's features so that no answer has too many buckets."""
    portions: list[dict[str, Bins]] = []
    room = 0
    for field, edges in bins.items():
        need = windows * (len(edges) + 2)
        if need > room:
            portions.append({})
            room = max(need, MOST_BUCKETS - windows)
        portions[-1][field] = edges
        room -= need
    return portions


def _count_body(
    rule: DriftRule, group: Group, bins: Mapping[str, Bins], start_us: int, end_us: int
) -> JsonObject:
    parts: dict[str, Any] = {}
    for place, (field, edges) in enumerate(bins.items()):
        if isinstance(edges[0], str):
            parts[f"f{place}"] = {"terms": {"field": field, "include": list(edges), "size": len(edges)}}
            parts[f"e{place}"] = {"filter": {"exists": {"field": field}}}
        else:
            limits: list[Any] = [None, *edges, None]
            ranges = [
                {name: value for name, value in (("from", low), ("to", high)) if value is not None}
                for low, high in pairwise(limits)
            ]
            parts[f"f{place}"] = {"range": {"field": field, "ranges": ranges}}
    histogram = {
        "date_histogram": {
            "field": "@timestamp",
            "fixed_interval": f"{rule.window // 1000}ms",
            "min_doc_count": 1,
        },
        "aggs": parts,
    }
    conditions = [
        between("@timestamp", start_us, end_us),
        *terms_conditions(rule.filter),
        *group_conditions(rule.group_by, group),
    ]
    return aggregate(conditions, {"windows": histogram})


def _read_counts(bucket: JsonObject, bins: Mapping[str, Bins]) -> dict[str, float]:
    total = float(bucket["doc_count"])
    numbers = {"events": total}
    for place, (field, edges) in enumerate(bins.items()):
        name = short_name(field)
        # "events" is the column of the total.
        name, answer = name if name != "events" else field, bucket[f"f{place}"]["buckets"]
        if isinstance(edges[0], str):
            by_name = {str(item["key"]): float(item["doc_count"]) for item in answer}
            counts = [by_name.get(str(category), 0.0) for category in edges]
            present = float(bucket[f"e{place}"]["doc_count"])
            numbers[f"{name}/other"] = max(0.0, present - sum(counts))
        else:
            counts = [float(item["doc_count"]) for item in answer]
            present = sum(counts)
        numbers |= {f"{name}/{part}": value for part, value in enumerate(counts)}
        numbers[f"{name}/{MISSING}"] = max(0.0, total - present)
    return numbers
