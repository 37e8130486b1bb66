"""From labels and scores to the fields of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shipper.ecs.values import is_mapping, number, pairs
from shipper.emit.events.classification import (
    NAN,
    Average,
    Classification,
    Names,
    averages,
    classify,
    label_order,
    roc_auc,
    total_cost,
)
from shipper.emit.events.form import EventFields, named
from shipper.emit.events.samples import Unusable, listed, numbers, rows_of

_POSITIVES: Final = {
    frozenset({"0", "1"}): "1",
    frozenset({"false", "true"}): "true",
    frozenset({"-1", "1"}): "1",
}
_MOST_ROWS: Final = 64
_ALL_CELLS: Final = 10

CostMatrix = Mapping[object, Mapping[object, float]] | Sequence[Sequence[float]]
"""Cost of one case by actual label, then predicted label; or rows and columns in the order of the labels."""


@dataclass(frozen=True, slots=True)
class Samples:
    """What a user hands over to be evaluated; see `evaluation`."""

    y_true: object
    y_pred: object | None = None
    y_score: object | None = None
    sample_weight: object | None = None
    labels: Iterable[object] | None = None
    positive: object | None = None
    average: Average | None = None
    threshold: float | None = None
    cost_matrix: CostMatrix | None = None


@dataclass(slots=True)
class _Scored:
    """Scores: `rows` one per class, or `single` of the positive class."""

    single: list[float] | None = None
    rows: list[list[float]] | None = None


def evaluate(samples: Samples) -> EventFields:
    """Return the fields that follow from the samples; where they do not belong together, why."""
    try:
        return _evaluate(samples)
    except Unusable as error:
        return {"event.outcome": "failure", "event.reason": str(error)}


def _evaluate(samples: Samples) -> EventFields:
    raw = listed(samples.y_true, "y_true")
    names = Names()
    true = names.all(raw)
    weights = (
        None
        if samples.sample_weight is None
        else numbers(listed(samples.sample_weight, "sample_weight"), "sample_weight")
    )
    scored = _scores(samples.y_score)
    labels = _labels(samples, raw, names)
    positive = names.of(samples.positive) or _POSITIVES.get(frozenset(labels))
    if positive is None and len(labels) == 1:
        positive = next((one for pair, one in _POSITIVES.items() if labels[0] in pair), None)
    predicted = _predictions(samples, names, scored, labels, positive)
    for what, given in (
        ("y_pred", predicted),
        ("sample_weight", weights),
        ("y_score", scored.single or scored.rows),
    ):
        if given is not None and len(given) != len(true):
            raise Unusable(f"y_true has {len(true)} elements, {what} has {len(given)}")
    found = classify(true, predicted, weights, labels)
    is_binary = positive is not None and len(found.classes) <= 2
    average = samples.average or ("binary" if is_binary else "macro")
    measures, sizes = averages(found, average, positive)
    if scored.single is not None or scored.rows is not None:
        measures["roc_auc"], sizes["roc_auc"] = _area(true, scored, weights, labels, positive)
    return {
        "ml.sample.size": found.size,
        "ml.sample.excluded": found.excluded or None,
        "ml.averaging": average,
        "ml.positive_class": positive if average == "binary" or scored.single is not None else None,
        "ml.threshold": samples.threshold,
        "ml.class_count": len(found.classes),
        "ml.per_class": _table(found, is_weighted=weights is not None),
        "ml.confusion": _matrix(found, is_weighted=weights is not None),
        **named("ml.metrics", measures),
        **named("ml.sample.sizes", sizes),
        **_cost(samples.cost_matrix, found, names),
    }


def _scores(given: object) -> _Scored:
    if given is None:
        return _Scored()
    rows = rows_of(given, "y_score")
    if rows is None:
        return _Scored(single=numbers(listed(given, "y_score"), "y_score"))
    if all(len(row) == 1 for row in rows):
        return _Scored(single=[row[0] for row in rows])
    return _Scored(rows=rows)


def _labels(samples: Samples, raw: Sequence[object], names: Names) -> list[str]:
    """Return the classes: as given, else those that occur, sorted as numpy would sort them."""
    if samples.labels is not None:
        return [label for label in names.all(listed(samples.labels, "labels")) if label is not None]
    guesses = [] if samples.y_pred is None else listed(samples.y_pred, "y_pred")
    occurring = {label for label in names.all((*raw, *guesses)) if label is not None}
    only_text = all(isinstance(value, str) for value in (*raw, *guesses) if value is not None)
    return sorted(occurring) if only_text else sorted(occurring, key=label_order)


def _predictions(
    samples: Samples,
    names: Names,
    scored: _Scored,
    labels: Sequence[str],
    positive: str | None,
) -> list[str | None]:
    if samples.y_pred is not None:
        return names.all(listed(samples.y_pred, "y_pred"))
    if scored.rows is not None:
        return [
            None if not row or any(math.isnan(score) for score in row) or len(row) > len(labels)
            else labels[max(range(len(row)), key=row.__getitem__)]
            for row in scored.rows
        ]  # fmt: skip
    if scored.single is None:
        raise Unusable("neither y_pred nor y_score is given")
    others = [label for label in labels if label != positive]
    if positive is None or len(others) > 1:
        raise Unusable("predictions from scores need a positive class and one other")
    negative = others[0] if others else f"not {positive}"
    least = 0.5 if samples.threshold is None else samples.threshold
    return [
        None if math.isnan(score) else positive if score >= least else negative for score in scored.single
    ]


def _area(
    true: Sequence[str | None],
    scored: _Scored,
    weights: Sequence[float] | None,
    labels: Sequence[str],
    positive: str | None,
) -> tuple[float, float]:
    """Return the AUC and the weight of samples behind it: binary, or the mean of one class against the rest."""
    if scored.single is not None:
        if positive is None:
            return NAN, 0.0
        return _area_of(true, scored.single, weights, positive)
    rows = scored.rows or []
    width = len(rows[0]) if rows else 0
    if width != len(labels) or any(len(row) != width for row in rows):
        raise Unusable(
            f"y_score has {width} columns, there are {len(labels)} classes; name them with labels="
        )
    if width == 2 and (positive is None or positive in labels):
        column = labels.index(positive) if positive is not None else 1
        return _area_of(true, [row[column] for row in rows], weights, labels[column])
    areas = [
        _area_of(true, [row[column] for row in rows], weights, label) for column, label in enumerate(labels)
    ]
    return sum(area for area, _ in areas) / len(areas), min(size for _, size in areas)


def _area_of(
    true: Sequence[str | None], scores: Sequence[float], weights: Sequence[float] | None, positive: str
) -> tuple[float, float]:
    kept = [
        position
        for position, (label, score) in enumerate(zip(true, scores, strict=True))
        if label is not None
        and not math.isnan(score)
        and (weights is None or 0 <= weights[position] < math.inf)
    ]
    shares = None if weights is None else [weights[position] for position in kept]
    area = roc_auc(
        [true[position] == positive for position in kept], [scores[position] for position in kept], shares
    )
    return area, float(len(kept)) if shares is None else sum(shares)


def _table(found: Classification, *, is_weighted: bool) -> EventFields:
    largest = sorted(found.classes.items(), key=lambda item: -item[1].support)[:_MOST_ROWS]
    kept = {name for name, _ in largest}
    table: EventFields = {}
    for name, one in found.classes.items():
        if name in kept:
            measures = {"precision": one.precision, "recall": one.recall, "f1": one.f1}
            counts = {"support": one.support, "predicted": one.predicted}
            table[name] = {
                **{measure: value for measure, value in measures.items() if not math.isnan(value)},
                **{count: _count(value, is_weighted=is_weighted) for count, value in counts.items()},
            }
    return table


def _matrix(found: Classification, *, is_weighted: bool) -> EventFields:
    """Return the confusion matrix: of few classes all cells, of many only those that are not empty."""
    names = sorted(found.classes, key=lambda name: -found.classes[name].support)[:_MOST_ROWS]
    kept = [name for name in found.classes if name in set(names)]
    matrix: EventFields = {}
    for actual in kept:
        row = found.confusion.get(actual, {})
        columns = kept if len(found.classes) <= _ALL_CELLS else [name for name in kept if name in row]
        matrix[actual] = {name: _count(row.get(name, 0.0), is_weighted=is_weighted) for name in columns}
    return matrix


def _count(value: float, *, is_weighted: bool) -> int | float:
    return value if is_weighted else round(value)


def _cost(given: CostMatrix | None, found: Classification, names: Names) -> EventFields:
    if given is None:
        return {}
    matrix: dict[str, dict[str, float]] = {}
    if is_mapping(given):
        for actual, row in pairs(given, 1024):  # type: ignore[arg-type]
            matrix[names.of(actual) or ""] = {
                names.of(guess) or "": _cost_of(cost)
                for guess, cost in (pairs(row, 1024) if is_mapping(row) else ())  # type: ignore[arg-type]
            }
    else:
        rows = rows_of(given, "cost_matrix") or []
        order = list(found.classes)
        if len(rows) != len(order) or any(len(row) != len(order) for row in rows):
            raise Unusable(f"the cost matrix has {len(rows)} rows, there are {len(order)} classes")
        matrix = {name: dict(zip(order, row, strict=True)) for name, row in zip(order, rows, strict=True)}
    total = total_cost(found, matrix)
    return {
        "ml.cost.total": total,
        "ml.cost.mean": total / found.weight if found.weight else None,
        "ml.cost.matrix": matrix,
    }


def _cost_of(cost: object) -> float:
    found = number(cost)
    return NAN if found is None else float(found)
