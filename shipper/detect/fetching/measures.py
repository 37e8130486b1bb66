"""What each kind of rule sums up per window and group. Drift has its own file: its bins are fitted first."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.latency import edges_ns
from shipper.detect.fetching.error_cells import error_query
from shipper.detect.fetching.query import CellQuery, Cells, Condition, cells, terms_conditions
from shipper.detect.fetching.store import Fetch
from shipper.detect.judging.standing import StandingRule, standing_cells
from shipper.detect.rules.error_rule import NewErrorRule
from shipper.detect.rules.resource_rule import ResourceRule
from shipper.detect.rules.rule import ErrorRateRule, LatencyRule, MetricRule, Rule, SilenceRule
from shipper.detect.rules.series_rule import SeriesRule


def measure(rule: Rule, namespace: str, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the sums of a rule of any kind but drift, for the windows that start inside [start, end)."""
    if isinstance(rule, StandingRule):
        return (yield from standing_cells(rule, namespace, start_us, end_us))
    query = cell_query(rule, namespace)
    found = yield from cells(query, start_us, end_us)
    if isinstance(rule, MetricRule) and rule.coverage is not None:
        asked = yield from cells(_prediction_query(rule, namespace), start_us, end_us)
        _add(found, asked)
    return found


def cell_query(rule: Rule, namespace: str) -> CellQuery:
    """Return what a rule of any kind but drift asks.

    Raises:
        TypeError: it is a rule of another kind.
    """
    if isinstance(rule, ErrorRateRule):
        parts: dict[str, Any] = {"bad": {"filter": {"bool": {"filter": terms_conditions(rule.bad)}}}}
        return _query(rule, namespace, parts, 1, _read_errors)
    if isinstance(rule, LatencyRule):
        edges = [float(edge) for edge in edges_ns()]
        ranges = [
            {"to": edges[0]},
            *({"from": low, "to": high} for low, high in pairwise(edges)),
            {"from": edges[-1]},
        ]
        parts = {"duration": {"range": {"field": rule.field, "ranges": ranges}}}
        return _query(rule, namespace, parts, len(ranges), _read_durations, rule.field)
    if isinstance(rule, MetricRule):
        return _metric_query(rule, namespace)
    if isinstance(rule, SilenceRule):
        return _query(rule, namespace, {}, 0, lambda bucket: {"events": float(bucket["doc_count"])})
    if isinstance(rule, NewErrorRule):
        return error_query(rule, namespace)
    if isinstance(rule, SeriesRule | ResourceRule):
        return _query(rule, namespace, rule.parts(), 0, _read_series, rule.field)
    raise TypeError(f"a rule of kind {rule.kind} is not measured here")


def is_share(rule: MetricRule) -> bool:
    """Whether the measure is the share of true of a boolean field; otherwise it is a number."""
    return rule.field == "ml.prediction.correct"


def _metric_query(rule: MetricRule, namespace: str) -> CellQuery:
    if is_share(rule):
        parts: dict[str, Any] = {"good": {"filter": {"term": {rule.field: True}}}}
        return _query(
            rule,
            namespace,
            parts,
            1,
            lambda bucket: {
                "labels": float(bucket["doc_count"]),
                "good": float(bucket["good"]["doc_count"]),
                "predictions": 0.0,
            },
            rule.field,
        )
    parts = {
        "value": {"stats": {"field": rule.field}},
        "size": {"sum": {"field": "ml.sample.size"}},
    }
    return _query(rule, namespace, parts, 0, _read_numbers, rule.field)


def _prediction_query(rule: MetricRule, namespace: str) -> CellQuery:
    coverage = rule.coverage
    if coverage is None:
        raise ValueError(f"rule {rule.id} asks for no label coverage")
    return CellQuery(
        index=index_pattern(coverage.dataset, namespace),
        time_field="@timestamp",
        conditions=tuple(terms_conditions(coverage.filter)),
        group_by=rule.group_by,
        window_us=rule.window,
        parts={},
        buckets=0,
        read=lambda bucket: {"predictions": float(bucket["doc_count"])},
    )


def _query(
    rule: Rule,
    namespace: str,
    parts: Mapping[str, Any],
    buckets: int,
    read: Any,
    must_have: str = "",
) -> CellQuery:
    exists: list[Condition] = [{"exists": {"field": must_have}}] if must_have else []
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=(*terms_conditions(rule.filter), *exists),
        group_by=rule.group_by,
        window_us=rule.window,
        parts=parts,
        buckets=buckets,
        read=read,
    )


def _read_errors(bucket: JsonObject) -> dict[str, float]:
    return {"events": float(bucket["doc_count"]), "bad": float(bucket["bad"]["doc_count"])}


def _read_durations(bucket: JsonObject) -> dict[str, float]:
    parts = bucket["duration"]["buckets"]
    return {f"duration/{place}": float(part["doc_count"]) for place, part in enumerate(parts)}


def _read_numbers(bucket: JsonObject) -> dict[str, float]:
    value = bucket["value"]
    return {
        "count": float(value["count"]),
        "sum": float(value["sum"] or 0.0),
        "size": float(bucket["size"]["value"]),
    }


def _read_series(bucket: JsonObject) -> dict[str, float]:
    value = bucket.get("value", {"count": bucket["doc_count"], "sum": 0.0})
    return {"count": float(value["count"]), "sum": float(value["sum"] or 0.0)}


def _add(found: Cells, more: Cells) -> None:
    """Add the columns of `more` to the cells of the groups and windows that `found` has."""
    for group, rows in found.items():
        others = dict(more.get(group, ()))
        for start, numbers in rows:
            numbers.update(others.get(start, {}))
