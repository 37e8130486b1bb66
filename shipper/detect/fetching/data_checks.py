"""What each check of a `data` rule sums up per window and group, and what its bad events have in common.

Where events stand for several (`ml.sample.weight`), shares are those of all events that they stand for, at the number of events that
they are worth (see `shipper.detect.fetching.bin_counts`). Duplicates and conflicts cannot be weighed, for sampling leaves
out one of two at a time: those checks look at the events only that stand for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shipper.alert.finding import Fact
from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.new_values import SLASH, UNLISTED
from shipper.detect.fetching.bin_counts import WEIGHT, column_name
from shipper.detect.fetching.catalog import CATEGORICAL, NUMERIC, Catalog
from shipper.detect.fetching.query import (
    CellQuery,
    Cells,
    Condition,
    aggregate,
    between,
    cells,
    terms_conditions,
)
from shipper.detect.fetching.references import profile_search
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.data_rule import DataRule

_VALUES: Final = 500
_REPEATED: Final = 1000
_PAIRS: Final = ("duplicate", "label_conflict")
_WEIGHED: Final = {"w": {"sum": {"field": WEIGHT, "missing": 1}}}

Ranges = Mapping[str, tuple[float | None, float | None]]


def data_cells(rule: DataRule, namespace: str, catalog: Catalog, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the counts of a rule's check for the windows that start inside [start, end)."""
    fields = [field for some in catalog.of(rule) for field in some]
    ranges: Ranges = rule.ranges
    if rule.check == "out_of_range" and not ranges:
        (answer,) = yield [(index_pattern("ml.data", namespace), profile_search(rule, ()))]
        ranges = _profiled(answer)
    conditions = terms_conditions(rule.filter)
    is_weighed = False
    if rule.check in _PAIRS:
        conditions.append({"bool": {"must_not": [{"range": {WEIGHT: {"gt": 1}}}]}})
    else:
        is_weighed = yield from _is_weighed(rule, namespace, start_us, end_us)
    parts, buckets = _parts(rule, catalog, fields, ranges, is_weighed=is_weighed)
    if not parts:
        return {}
    if is_weighed:
        parts["weights"] = {"extended_stats": {"field": WEIGHT, "missing": 1}}
    query = CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=tuple(conditions),
        group_by=rule.group_by,
        window_us=rule.window,
        parts=parts,
        buckets=buckets,
        read=lambda bucket: _read(rule, bucket, fields, ranges),
    )
    found: Cells = yield from cells(query, start_us, end_us)
    return found


def _is_weighed(rule: DataRule, namespace: str, start_us: int, end_us: int) -> Fetch[bool]:
    """Ask whether any event stands for others; most data have none, and are counted faster."""
    conditions = [
        between(rule.time_field, start_us, end_us),
        *terms_conditions(rule.filter),
        {"exists": {"field": WEIGHT}},
    ]
    body = aggregate(conditions, {"any": {"value_count": {"field": WEIGHT}}})
    (answer,) = yield [(index_pattern(rule.dataset, namespace), body)]
    return bool(answer.get("aggregations", {}).get("any", {}).get("value", 0) > 0)


def bad_condition(rule: DataRule, facts: Mapping[str, Fact]) -> tuple[Condition, ...]:
    """Return what the bad events of a finding have in common; nothing where one event alone does not show it."""
    feature, value = str(facts.get("feature")), str(facts.get("value"))
    named = [f"{NUMERIC}.{feature}", f"{CATEGORICAL}.{feature}", feature]
    if rule.check == "missing":
        return ({"bool": {"must_not": [{"exists": {"field": field}} for field in named]}},)
    if rule.check == "out_of_range":
        beyond = _beyond(rule.ranges.get(feature, (None, None)))
        return (
            ({"bool": {"should": [{"range": {f"{NUMERIC}.{feature}": one}} for one in beyond]}},)
            if beyond
            else ()
        )
    if rule.check == "new_category":
        return ({"bool": {"should": [{"term": {field: value}} for field in named[1:]]}},)
    return ()


def _parts(
    rule: DataRule, catalog: Catalog, fields: Sequence[str], ranges: Ranges, *, is_weighed: bool
) -> tuple[dict[str, Any], int]:
    """Return the aggregations of one window and the number of buckets that they have at most."""
    check = rule.check
    weighed: dict[str, Any] = {"aggs": _WEIGHED} if is_weighed else {}
    found: dict[str, Any] = {}
    if check in ("missing", "schema"):
        for place, field in enumerate(fields):
            found[f"f{place}"] = {"filter": {"exists": {"field": field}}, **weighed}
        return found, len(fields)
    if check == "out_of_range":
        for place, (name, limits) in enumerate(sorted(ranges.items())):
            field = f"{NUMERIC}.{name}" if f"{NUMERIC}.{name}" in catalog.numeric else name
            outside = [{"range": {field: beyond}} for beyond in _beyond(limits)]
            beyond_it = {"filter": {"bool": {"should": outside, "minimum_should_match": 1}}}
            found[f"f{place}"] = {**beyond_it, **weighed}
            found[f"n{place}"] = {"filter": {"exists": {"field": field}}, **weighed}
        return found, 2 * len(ranges)
    if check in _PAIRS:
        terms: dict[str, Any] = {"terms": {"field": rule.key, "min_doc_count": 2, "size": _REPEATED}}
        if check == "label_conflict":
            terms["aggs"] = {"labels": {"cardinality": {"field": rule.label_field}}}
            found["revised"] = {"filter": {"exists": {"field": "ml.feedback.previous_label"}}}
        counted = rule.key if check == "duplicate" else rule.label_field
        return {"f0": terms, "n0": {"value_count": {"field": counted}}, **found}, _REPEATED + 2
    watched = [rule.label_field] if check == "imbalance" else list(fields)
    size = _VALUES if check == "new_category" else 1
    for place, field in enumerate(watched):
        if check != "new_category" or field in (*catalog.of(rule)[1],):
            by_weight = {"order": {"w": "desc"}} if is_weighed else {}
            found[f"f{place}"] = {"terms": {"field": field, "size": size, **by_weight}, **weighed}
            found[f"n{place}"] = {"filter": {"exists": {"field": field}}, **weighed}
    return found, (size + 1) * max(1, len(found))


def _counter(bucket: JsonObject) -> Callable[[JsonObject], float]:
    """Return what counts the events of this window and of buckets below it, at what they are worth."""
    weights = bucket.get("weights", {})
    scale = weights["sum"] / weights["sum_of_squares"] if weights.get("sum_of_squares") else 1.0

    def events(one: JsonObject) -> float:
        if not weights:
            return float(one["doc_count"])
        total = one["weights"]["sum"] if "weights" in one else one["w"]["value"]
        return round(float(total) * scale, 9)

    return events


def _read(rule: DataRule, bucket: JsonObject, fields: Sequence[str], ranges: Ranges) -> dict[str, float]:
    check, events = rule.check, _counter(bucket)
    total = events(bucket)
    numbers = {"events": total}
    if check in ("missing", "schema"):
        for place, field in enumerate(fields):
            seen = events(bucket[f"f{place}"])
            if check == "schema":
                numbers[f"fields/{_field_name(field)}"] = seen
            else:
                numbers |= {f"{column_name(field)}/bad": total - seen, f"{column_name(field)}/all": total}
    elif check == "out_of_range":
        for place, name in enumerate(sorted(ranges)):
            numbers[f"{name}/bad"] = events(bucket[f"f{place}"])
            numbers[f"{name}/all"] = events(bucket[f"n{place}"])
    elif check in _PAIRS:
        name = rule.key if check == "duplicate" else rule.label_field
        repeated = bucket["f0"]["buckets"]
        if check == "duplicate":
            bad = sum(one["doc_count"] - 1 for one in repeated)
        else:
            bad = max(sum(one["labels"]["value"] > 1 for one in repeated), bucket["revised"]["doc_count"])
        numbers |= {f"{name}/bad": float(bad), f"{name}/all": float(bucket["n0"]["value"])}
    else:
        watched = [rule.label_field] if check == "imbalance" else list(fields)
        for place, field in enumerate(watched):
            if f"f{place}" in bucket:
                counted = [(str(one["key"]), events(one)) for one in bucket[f"f{place}"]["buckets"]]
                rest = float(bucket[f"f{place}"].get("sum_other_doc_count", 0))
                numbers |= _read_values(check, column_name(field), counted, rest, events(bucket[f"n{place}"]))
    return numbers


def _read_values(
    check: str, name: str, counted: Sequence[tuple[str, float]], rest: float, total: float
) -> dict[str, float]:
    if check == "new_category":
        found = {f"{name}/{value.replace('/', SLASH)}": count for value, count in counted}
        return {**found, f"{name}/{UNLISTED}": rest}
    largest = counted[0][1] if counted else 0.0
    return {f"{name}/bad": largest, f"{name}/all": total}


def _field_name(field: str) -> str:
    """Return the name of a field with its kind, so that a number that became text is one gone and one new."""
    if field.startswith(f"{NUMERIC}."):
        return f"number {field.removeprefix(f'{NUMERIC}.')}"
    return f"category {field.removeprefix(f'{CATEGORICAL}.')}"


def _beyond(limits: tuple[float | None, float | None]) -> list[dict[str, float]]:
    least, most = limits
    below = [{"lt": least}] if least is not None else []
    return [*below, {"gt": most}] if most is not None else below


def _profiled(answer: JsonObject) -> dict[str, tuple[float | None, float | None]]:
    """Return least and most value of each numeric feature of a profile."""
    found: dict[str, tuple[float | None, float | None]] = {}
    for hit in answer.get("hits", {}).get("hits", ()):
        for name, facts in (hit["_source"]["ml"]["data"].get("statistics") or {}).items():
            if isinstance(facts, Mapping) and "min" in facts and "max" in facts:
                found.setdefault(str(name), (float(facts["min"]), float(facts["max"])))
    return found
