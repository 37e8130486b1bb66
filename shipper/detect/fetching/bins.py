"""Bins of features for drift: quantiles of the reference, and all categories that were seen.

The edges of a group (a version of a model, say) are fitted once, on the first windows in which it appears or on its
own reference, and stored with the rule's state: counts of all later windows can be added up and compared, and the
same window has the same answer whoever asks when. Categories are added as they appear, at the end of
the list: a list of those of the reference alone would take every rare one that it missed for new.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.drift import MISSING
from shipper.detect.event_time.window import floor_to
from shipper.detect.fetching.catalog import Catalog, short_name
from shipper.detect.fetching.query import (
    MOST_GROUPS,
    Condition,
    Group,
    aggregate,
    between,
    group_conditions,
    terms_conditions,
)
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.rule import DriftRule

QUANTILES: Final = (1.0, 5.0, *(float(percent) for percent in range(10, 100, 10)), 95.0, 99.0)
"""Percentiles of the reference that are the inner edges of a numeric feature's bins."""
_FEWEST_IN_OUTER_BIN: Final = 10
CATEGORIES: Final = 500
"""Categories with a bin of their own; of more, the frequent ones have one, and the rest is one bin."""
_FREQUENT: Final = 20
"""Events that make a category frequent; an identifier, new with each event, has none and is not judged."""

Bins = tuple[float, ...] | tuple[str, ...]
"""Inner edges of a numeric feature, or the named categories of a categorical one."""

Fitted = dict[Group, dict[str, Bins]]
"""Bins by group and field."""


def fit(
    rule: DriftRule, namespace: str, catalog: Catalog, fitted: Fitted, start_us: int, end_us: int
) -> Fetch[Fitted]:
    """Return `fitted` with the bins of those groups that have none yet and have the windows of their fit behind them."""
    conditions = terms_conditions(rule.filter)
    fresh = yield from fresh_spans(rule, namespace, set(fitted), start_us, end_us)
    numeric, categorical = catalog.of(rule)
    if not fresh or not (numeric or categorical):
        return fitted
    parts: dict[str, Any] = {}
    for place, field in enumerate(numeric):
        parts[f"n{place}"] = {"percentiles": {"field": field, "percents": list(QUANTILES), "keyed": False}}
        parts[f"m{place}"] = {"value_count": {"field": field}}
    for place, field in enumerate(categorical):
        parts[f"c{place}"] = {"terms": {"field": field, "size": CATEGORIES}}
    answers = yield [
        (
            index_pattern(rule.dataset, namespace),
            aggregate(
                [between(rule.time_field, *span), *conditions, *group_conditions(rule.group_by, group)], parts
            ),
        )
        for group, span in fresh.items()
    ]
    found = dict(fitted)
    for group, answer in zip(fresh, answers, strict=True):
        found[group] = _read_bins(answer.get("aggregations", {}), numeric, categorical)
    return found


def fresh_spans(
    rule: DriftRule, namespace: str, known: Collection[Group], start_us: int, end_us: int
) -> Fetch[dict[Group, tuple[int, int]]]:
    """Return the first windows of each group that is not known yet, where all of them are over."""
    conditions = [between(rule.time_field, start_us, end_us), *terms_conditions(rule.filter)]
    firsts = yield from _first_seen(rule, index_pattern(rule.dataset, namespace), conditions)
    length = (
        rule.baseline.preceding if rule.against == "fixed" else rule.baseline.minimum_windows * rule.window
    )
    begun = {group: floor_to(first, rule.window) for group, first in firsts.items() if group not in known}
    return {group: (first, first + length) for group, first in begun.items() if first + length <= end_us}


def grow(
    rule: DriftRule,
    namespace: str,
    fitted: Fitted,
    start_us: int,
    end_us: int,
    *,
    full: Mapping[Group, set[str]],
) -> Fetch[Fitted]:
    """Return `fitted` with the categories that appeared.

    Lists with no room for all keep the frequent ones only, as do those of the features named in `full`.
    """
    listed = {
        group: [
            field
            for field, bins in fields.items()
            if bins and isinstance(bins[0], str) and short_name(field) not in full.get(group, ())
        ]
        for group, fields in fitted.items()
    }
    listed = {group: fields for group, fields in listed.items() if fields}
    if not listed:
        return fitted
    span = between(rule.time_field, start_us, end_us)
    shared = [span, *terms_conditions(rule.filter)]
    answers = yield [
        (
            index_pattern(rule.dataset, namespace),
            aggregate(
                [*shared, *group_conditions(rule.group_by, group)],
                {
                    f"c{place}": {"terms": {"field": field, "size": CATEGORIES}}
                    for place, field in enumerate(fields)
                },
            ),
        )
        for group, fields in listed.items()
    ]
    found = dict(fitted)
    for (group, fields), answer in zip(listed.items(), answers, strict=True):
        parts = answer.get("aggregations", {})
        longer = {
            field: _longer(fitted[group][field], parts.get(f"c{place}", {}))
            for place, field in enumerate(fields)
        }
        found[group] = {**fitted[group], **longer}
    return found


def _longer(bins: Bins, answer: JsonObject) -> Bins:
    buckets = answer.get("buckets", ())
    if answer.get("sum_other_doc_count", 0) > 0:
        return bins
    new = sorted({str(bucket["key"]) for bucket in buckets} - {str(name) for name in bins})
    return (*(str(name) for name in bins), *new) if len(bins) + len(new) <= CATEGORIES else bins


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
    first = {"min": {"field": rule.time_field}}
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
        part = answer.get(f"c{place}", {})
        least = _FREQUENT if part.get("sum_other_doc_count", 0) > 0 else 1
        names = [str(bucket["key"]) for bucket in part.get("buckets", ()) if bucket["doc_count"] >= least]
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
