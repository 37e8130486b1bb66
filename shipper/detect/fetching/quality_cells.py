"""What a rule about quality asks per cohort and group: labels over predictions, scores by true class, and coverage.

Nothing is joined: a label's document carries what had been predicted (`events.feedback(predicted=..., score=...)`), so
one aggregation over labels gives the confusion matrix, and one over predictions tells how many labels are to come.
A label that corrects another one moves its prediction from the former cell to the new one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.fetching.bin_counts import WEIGHT
from shipper.detect.fetching.query import (
    CellQuery,
    Cells,
    Condition,
    aggregate,
    between,
    cells,
    terms_conditions,
)
from shipper.detect.fetching.store import Fetch, Query
from shipper.detect.rules.quality_rule import (
    DELAY,
    FORMER_LABEL,
    LABEL,
    PREDICTED,
    PREDICTION_TIME,
    SCORE,
    QualityRule,
)
from shipper.detect.statistics.confusion import OTHERS, column
from shipper.detect.statistics.score_bins import EDGES

MOST_CLASSES: Final = 40
"""More true or predicted classes than that are one."""

_WEIGHED: Final = {"w": {"sum": {"field": WEIGHT, "missing": 1}}}
_OWN: Final = (LABEL, FORMER_LABEL)


def quality_cells(rule: QualityRule, namespace: str, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the sums of a rule for the cohorts that start inside [start, end)."""
    query, others = _label_query(rule, namespace, is_weighed=False), None
    if rule.coverage is not None:
        others = _prediction_query(rule, namespace, is_weighed=False)
    weighing: list[Query] = [
        (one.index, aggregate([between(one.time_field, start_us, end_us), *one.conditions], _ANY_WEIGHT))
        for one in (query, others)
        if one is not None
    ]
    answers = yield weighing
    weighed = [answer.get("aggregations", {}).get("any", {}).get("value", 0) > 0 for answer in answers]
    if weighed[0]:
        query = _label_query(rule, namespace, is_weighed=True)
    found = yield from cells(query, start_us, end_us)
    if others is not None:
        if weighed[1]:
            others = _prediction_query(rule, namespace, is_weighed=True)
        asked = yield from cells(others, start_us, end_us)
        _add(found, asked)
    return found


_ANY_WEIGHT: Final = {"any": {"value_count": {"field": WEIGHT}}}


def label_conditions(rule: QualityRule) -> list[Condition]:
    """Return what makes a document a label of the rule."""
    found: list[Condition] = [
        *terms_conditions(rule.filter),
        {"exists": {"field": LABEL}},
        {"exists": {"field": PREDICTED}},
    ]
    if rule.measure == "auc":
        found.append({"range": {rule.score: {"gte": 0, "lte": 1}}})
    if rule.labels_within is not None:
        late = {"range": {DELAY: {"gt": rule.labels_within / 1e6}}}
        found.append({"bool": {"must_not": [late]}})
    if rule.time != PREDICTION_TIME:  # the label that it corrects was counted in another window
        found.append({"bool": {"must_not": [{"exists": {"field": FORMER_LABEL}}]}})
    return found


def bad_condition(rule: QualityRule, true: str, predicted: str) -> tuple[Condition, ...]:
    """Return the condition that a label's document lies in a cell of the confusion matrix."""
    return _is(LABEL, true, rule), _is(PREDICTED, predicted, rule)


def _is(field: str, name: str, rule: QualityRule) -> Condition:
    if rule.positive is not None and name == OTHERS:
        return {"bool": {"must_not": [{"term": {field: rule.positive}}]}}
    return {"term": {field: name}}


def _label_query(rule: QualityRule, namespace: str, *, is_weighed: bool) -> CellQuery:
    innermost, buckets = _innermost(rule, is_weighed=is_weighed)
    width = 2 if rule.positive is not None else MOST_CLASSES
    parts: dict[str, Any] = {}
    for place, field in enumerate(_OWN):
        matrix = _split(rule, field, _split(rule, PREDICTED, innermost))
        if place:
            matrix = {"of": {"filter": {"exists": {"field": field}}, "aggs": matrix}}
        parts |= {f"t{place}": {"filter": {"match_all": {}}, "aggs": matrix}}
    if is_weighed:
        parts["weights"] = {"extended_stats": {"field": WEIGHT, "missing": 1}}
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=tuple(label_conditions(rule)),
        group_by=rule.group_by,
        window_us=rule.window,
        parts=parts,
        buckets=2 * width * (1 + width * (1 + buckets)) + 4,
        read=lambda bucket: _read_labels(rule, bucket),
    )


def _split(rule: QualityRule, field: str, inner: Mapping[str, Any]) -> dict[str, Any]:
    """Return the aggregation by class of a field."""
    if rule.positive is None:
        by: dict[str, Any] = {"terms": {"field": field, "size": MOST_CLASSES}}
    else:
        known: Condition = {"term": {field: rule.positive}}
        by = {"filters": {"filters": {rule.positive: known}, "other_bucket_key": OTHERS}}
    return {"c": {**by, **({"aggs": dict(inner)} if inner else {})}}


def _innermost(rule: QualityRule, *, is_weighed: bool) -> tuple[dict[str, Any], int]:
    weighed: dict[str, Any] = dict(_WEIGHED) if is_weighed else {}
    if rule.measure != "auc":
        return weighed, 0
    limits: list[float | None] = [None, *EDGES, None]
    ranges = [
        {name: value for name, value in (("from", low), ("to", high)) if value is not None}
        for low, high in pairwise(limits)
    ]
    scores: dict[str, Any] = {"range": {"field": rule.score, "ranges": ranges}}
    return {"s": {**scores, **({"aggs": weighed} if weighed else {})}, **weighed}, len(ranges)


def _prediction_query(rule: QualityRule, namespace: str, *, is_weighed: bool) -> CellQuery:
    coverage = rule.coverage
    if coverage is None:
        raise ValueError(f"rule {rule.id} asks for no label coverage")
    parts = _split(rule, PREDICTED, _WEIGHED if is_weighed else {})
    if is_weighed:
        parts["weights"] = {"extended_stats": {"field": WEIGHT, "missing": 1}}

    def read(bucket: JsonObject) -> dict[str, float]:
        found = {column("asked", name): _events(one) for name, one in _classes(bucket)}
        return {"predictions": _events(bucket, "weights"), **found}

    return CellQuery(
        index=index_pattern(coverage.dataset, namespace),
        time_field="@timestamp",
        conditions=tuple(terms_conditions(coverage.filter)),
        group_by=rule.group_by,
        window_us=rule.window,
        parts=parts,
        buckets=MOST_CLASSES + 1,
        read=read,
    )


def _classes(bucket: JsonObject) -> list[tuple[str, JsonObject]]:
    """Return name and bucket of each class below a bucket."""
    found = bucket["c"]["buckets"]
    if isinstance(found, Mapping):
        return [(str(name), one) for name, one in found.items()]
    return [(str(one["key"]), one) for one in found]


def _events(bucket: JsonObject, weights: str = "w") -> float:
    if weights not in bucket:
        return float(bucket["doc_count"])
    part = bucket[weights]
    return float(part["sum" if weights == "weights" else "value"])


def _read_labels(rule: QualityRule, bucket: JsonObject) -> dict[str, float]:
    counted: dict[str, float] = {}
    labels = 0.0
    for sign, whole in ((1.0, bucket["t0"]), (-1.0, bucket["t1"]["of"])):
        for true, by_predicted in _classes(whole):
            for predicted, one in _classes(by_predicted):
                events = sign * _events(one)
                labels += events
                for name in (column("cells", true, predicted), column("labelled", predicted)):
                    counted[name] = counted.get(name, 0.0) + events
                if rule.measure == "auc":
                    _add_scores(rule, counted, (true, predicted), one, sign)
    scale = 1.0
    if "weights" in bucket and bucket["weights"]["sum_of_squares"]:
        scale = bucket["weights"]["sum"] / bucket["weights"]["sum_of_squares"]
    worth = {
        name: max(0.0, value) * (1.0 if name.startswith("labelled/") else scale)
        for name, value in counted.items()
    }
    return {"labels": max(0.0, labels), **worth}


def _add_scores(
    rule: QualityRule, counted: dict[str, float], cell: tuple[str, str], bucket: JsonObject, sign: float
) -> None:
    """Add the scores of one cell; confidence in another class is turned round."""
    true, predicted = cell
    block = "yes" if true == rule.positive else "no"
    parts = bucket["s"]["buckets"]
    is_turned = rule.score == SCORE and predicted != rule.positive
    for place, part in enumerate(reversed(parts) if is_turned else parts):
        name = f"{block}/{place}"
        counted[name] = counted.get(name, 0.0) + sign * _events(part)


def _add(found: Cells, asked: Cells) -> None:
    """Add what was asked of the model to the groups that have labels; a cohort without any is a cohort still."""
    for group, rows in found.items():
        by_start = dict(rows)
        for start, numbers in asked.get(group, ()):
            by_start.setdefault(start, {}).update(numbers)
        found[group] = sorted(by_start.items())
