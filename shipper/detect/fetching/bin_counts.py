"""Events per window and bin, counted by Elasticsearch.

Where events stand for several (`ml.sample.weight`: some were left out by sampling), bins hold the sums of the weights, scaled down
to as many events as these sums are worth: (sum of weights)**2 / (sum of their squares), Kish's effective size.
Tests that know sample sizes stay honest that way. Source: Kish, Survey sampling (1965).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.drift import MISSING, OTHER
from shipper.detect.fetching.bins import Bins, Fitted
from shipper.detect.fetching.catalog import short_name
from shipper.detect.fetching.query import (
    MOST_BUCKETS,
    Cells,
    Group,
    aggregate,
    between,
    group_conditions,
    terms_conditions,
)
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.rule import DriftRule

WEIGHT: Final = "ml.sample.weight"
_WEIGHED: Final = {"w": {"sum": {"field": WEIGHT, "missing": 1}}}


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
    conditions = [between(rule.time_field, start_us, end_us), *terms_conditions(rule.filter)]
    weighing = aggregate(
        [*conditions, {"exists": {"field": WEIGHT}}], {"any": {"value_count": {"field": WEIGHT}}}
    )
    (answer,) = yield [(index, weighing)]
    is_weighed = answer.get("aggregations", {}).get("any", {}).get("value", 0) > 0
    answers = yield [
        (
            index,
            aggregate(
                [*conditions, *group_conditions(rule.group_by, group)],
                _parts(rule, bins, is_weighed=is_weighed),
            ),
        )
        for group, bins in wanted
    ]
    merged: dict[Group, dict[int, dict[str, float]]] = {}
    for (group, bins), answer in zip(wanted, answers, strict=True):
        rows = merged.setdefault(group, {})
        for bucket in answer.get("aggregations", {}).get("windows", {}).get("buckets", ()):
            rows.setdefault(int(bucket["key"]) * 1000, {}).update(_read_counts(bucket, bins))
    return {group: sorted(rows.items()) for group, rows in merged.items()}


def column_name(field: str) -> str:
    """Return the block of a feature; "events" is the column of the total."""
    name = short_name(field)
    return name if name != "events" else field


def _portions(bins: Mapping[str, Bins], windows: int) -> list[dict[str, Bins]]:
    """Split a group's features so that no answer has too many buckets.

    Numbers and categories go apart: the server counts each kind faster alone, and both at the same time.
    """
    portions: list[dict[str, Bins]] = []
    for is_categorical in (False, True):
        room = 0
        for field, edges in bins.items():
            if isinstance(edges[0], str) is not is_categorical:
                continue
            need = windows * (len(edges) + 2)
            if need > room:
                portions.append({})
                room = max(need, MOST_BUCKETS - windows)
            portions[-1][field] = edges
            room -= need
    return portions


def _parts(rule: DriftRule, bins: Mapping[str, Bins], *, is_weighed: bool) -> JsonObject:
    weighed: dict[str, Any] = {"aggs": _WEIGHED} if is_weighed else {}
    parts: dict[str, Any] = (
        {"weights": {"extended_stats": {"field": WEIGHT, "missing": 1}}} if is_weighed else {}
    )
    for place, (field, edges) in enumerate(bins.items()):
        if isinstance(edges[0], str):
            terms = {"field": field, "include": list(edges), "size": len(edges)}
            parts[f"f{place}"] = {"terms": terms, **weighed}
            parts[f"e{place}"] = {"filter": {"exists": {"field": field}}, **weighed}
        else:
            limits: list[Any] = [None, *edges, None]
            ranges = [
                {name: value for name, value in (("from", low), ("to", high)) if value is not None}
                for low, high in pairwise(limits)
            ]
            parts[f"f{place}"] = {"range": {"field": field, "ranges": ranges}, **weighed}
    histogram = {
        "date_histogram": {
            "field": rule.time_field,
            "fixed_interval": f"{rule.window // 1000}ms",
            "min_doc_count": 1,
        },
        "aggs": parts,
    }
    return {"windows": histogram}


def _read_counts(bucket: JsonObject, bins: Mapping[str, Bins]) -> dict[str, float]:
    weights = bucket.get("weights")
    scale = 1.0
    if weights is not None and weights["sum_of_squares"] > 0:
        scale = weights["sum"] / weights["sum_of_squares"]

    def events(one: JsonObject) -> float:
        return float(one["w"]["value"]) * scale if "w" in one else float(one["doc_count"])

    total = float(bucket["doc_count"]) if weights is None else float(weights["sum"]) * scale
    numbers = {"events": total}
    for place, (field, edges) in enumerate(bins.items()):
        name, answer = column_name(field), bucket[f"f{place}"]["buckets"]
        if isinstance(edges[0], str):
            by_name = {str(item["key"]): events(item) for item in answer}
            counts = [by_name.get(str(category), 0.0) for category in edges]
            present = events(bucket[f"e{place}"])
            numbers[f"{name}/{OTHER}"] = max(0.0, present - sum(counts))
        else:
            counts = [events(item) for item in answer]
            present = sum(counts)
        numbers |= {f"{name}/{part}": value for part, value in enumerate(counts)}
        numbers[f"{name}/{MISSING}"] = max(0.0, total - present)
    return numbers
