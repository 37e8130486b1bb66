"""Fixed references of drift: a group's first stretch, or the profile that was logged when its model was trained.

Both are read once per group and kept in the rule's state, so that they outlive the indices they came from.
A profile is what `events.data_profile(..., histograms=True)` logs: per feature, edges and counts, or the frequent categories.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.drift import MISSING, OTHER
from shipper.detect.fetching.bin_counts import column_name, count
from shipper.detect.fetching.bins import Bins, Fitted, fresh_spans
from shipper.detect.fetching.catalog import Catalog
from shipper.detect.fetching.query import Cells, Condition, Group
from shipper.detect.fetching.store import Fetch
from shipper.detect.fetching.table import Table, from_rows
from shipper.detect.rules.rule import DriftRule, FeatureRule

References = dict[Group, tuple[int, dict[str, float]]]
"""Per group: from when on windows may be compared with it (microseconds), and its counts by column."""

_MODEL_FIELDS: Final = ("ml.model.name", "ml.model.version")
_PROFILES: Final = 50


def fixed(
    rule: DriftRule, namespace: str, fitted: Fitted, references: References, start_us: int, end_us: int
) -> Fetch[References]:
    """Return `references` with the first stretch of each group whose bins are known and that has none yet."""
    spans = yield from fresh_spans(rule, namespace, set(references), start_us, end_us)
    found = dict(references)
    for group, (begin, end) in spans.items():
        if group not in fitted:
            continue
        cells: Cells = yield from count(rule, namespace, fitted, [group], begin, end)
        summed: dict[str, float] = {}
        for _, numbers in cells.get(group, ()):
            for column, value in numbers.items():
                summed[column] = summed.get(column, 0.0) + value
        if summed:
            found[group] = (end, summed)
    return found


def training(
    rule: DriftRule,
    namespace: str,
    catalog: Catalog,
    fitted: Fitted,
    references: References,
    groups: set[Group],
) -> Fetch[tuple[Fitted, References]]:
    """Return bins and references with those of the groups whose training profile was found."""
    wanted = sorted((group for group in groups if group not in references), key=str)
    if not wanted:
        return fitted, references
    index = index_pattern("ml.data", namespace)
    answers = yield [(index, profile_search(rule, group)) for group in wanted]
    fitted, references = dict(fitted), dict(references)
    for group, answer in zip(wanted, answers, strict=True):
        hits = answer.get("hits", {}).get("hits", ())
        bins, counts = _read_profiles([hit["_source"]["ml"]["data"] for hit in hits], rule, catalog)
        if bins:
            fitted[group], references[group] = bins, (0, counts)
    return fitted, references


def reference_table(reference: tuple[int, Mapping[str, float]] | None) -> Table | None:
    """Return the one row that windows of a group are compared with, or None."""
    if reference is None:
        return None
    since_us, counts = reference
    return from_rows([(since_us - 1, counts)])


def unlisted(counts: Mapping[str, float]) -> set[str]:
    """Return the blocks with values that the reference did not list by name: what appears now may be among them."""
    return {
        name.rpartition("/")[0] for name, value in counts.items() if name.endswith(f"/{OTHER}") and value > 0
    }


def profile_search(rule: FeatureRule, group: Group) -> JsonObject:
    """Return the search for the first profile of the group's model, in all its parts."""
    conditions: list[Condition] = [{"term": {"event.action": "profile"}}]
    if rule.training_data:
        conditions.append({"term": {"ml.data.name": rule.training_data}})
    for field, value in zip(rule.group_by, group, strict=True):
        if field in _MODEL_FIELDS and value is not None and not rule.training_data:
            conditions.append({"term": {field: value}})
    return {
        "size": _PROFILES,
        "track_total_hits": False,
        "_source": ["ml.data"],
        "query": {"bool": {"filter": conditions}},
        "sort": [{"@timestamp": "asc"}, {"event.id": "asc"}],
    }


def _read_profiles(
    profiles: list[Mapping[str, Any]], rule: DriftRule, catalog: Catalog
) -> tuple[dict[str, Bins], dict[str, float]]:
    """Return bins by field and counts by column of the first data set that was profiled; a large one comes in parts."""
    bins: dict[str, Bins] = {}
    counts: dict[str, float] = {}
    identity = None
    for profile in profiles:
        mine = (profile.get("name"), profile.get("version"))
        if identity not in (None, mine):
            continue
        for field, edges, columns in _features(profile, rule, catalog):
            if field not in bins:
                bins[field], identity = edges, mine
                counts |= columns
        if identity == mine:
            counts["events"] = max(counts.get("events", 0.0), float(profile.get("rows", 0)))
    return bins, counts


def _features(
    profile: Mapping[str, Any], rule: DriftRule, catalog: Catalog
) -> Iterator[tuple[str, Bins, dict[str, float]]]:
    rows, missing = float(profile.get("rows", 0)), profile.get("missing") or {}
    statistics = profile.get("statistics") or {}
    numeric, categorical = catalog.of(rule)
    for field in (*numeric, *categorical):
        name = column_name(field)
        histogram = (statistics.get(field) or statistics.get(name) or {}).get("histogram") or {}
        counts = [float(value) for value in histogram.get("counts", ())]
        cut: list[Any] = histogram.get("edges" if field in numeric else "values") or []
        if not cut or len(counts) != len(cut) + (field in numeric):
            continue
        columns = {f"{name}/{place}": value for place, value in enumerate(counts)}
        if field in categorical:
            columns[f"{name}/{OTHER}"] = float(histogram.get("other", 0))
            edges: Bins = tuple(str(value) for value in cut)
        else:
            edges = tuple(float(value) for value in cut)
        columns[f"{name}/{MISSING}"] = round(rows * float(missing.get(name) or 0.0))
        yield field, edges, columns
