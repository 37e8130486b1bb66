"""Measures of a classifier from true and predicted labels: plain Python, whatever library the labels come from.

They agree with scikit-learn's of the same names under `zero_division=nan`: a measure without a case behind it (a
precision without positive predictions, an AUC with one class) is NaN, which a document shows as null and names in
`ml.nonfinite`, and an average is taken over the classes that have one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from shipper.emit.events.form import label_text

Average = Literal["binary", "macro", "weighted", "micro"]
NAN = math.nan


@dataclass(slots=True)
class ClassMeasures:
    """One class against all others; `support` true cases, `predicted` predictions, `hits` both; all may be weighted."""

    support: float = 0.0
    predicted: float = 0.0
    hits: float = 0.0

    @property
    def precision(self) -> float:
        """Share of the predictions that are right; NaN without any."""
        return self.hits / self.predicted if self.predicted else NAN

    @property
    def recall(self) -> float:
        """Share of the true cases that were found; NaN without any."""
        return self.hits / self.support if self.support else NAN

    @property
    def f1(self) -> float:
        """Harmonic mean of the two; NaN where there is neither a case nor a prediction."""
        both = self.support + self.predicted
        return 2 * self.hits / both if both else NAN


@dataclass(slots=True)
class Classification:
    """Counts of one evaluation.

    Attributes:
        size: number of samples, each counted once whatever its weight.
        weight: sum of their weights.
        excluded: number of samples left out because a label, a prediction or a weight was missing.
        confusion: weight by true label, then predicted label.
        classes: by label, in the order of the labels.
    """

    size: int = 0
    weight: float = 0.0
    excluded: int = 0
    confusion: dict[str, dict[str, float]] = field(default_factory=dict)
    classes: dict[str, ClassMeasures] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        return sum(one.hits for one in self.classes.values()) / self.weight if self.weight else NAN


def classify(
    true: Sequence[str | None],
    predicted: Sequence[str | None],
    weights: Sequence[float] | None = None,
    labels: Iterable[str] = (),
) -> Classification:
    """Count true and predicted labels of equal number.

    Args:
        weights: weight of each sample, 0 or more; None: 1.
        labels: classes in their order; others that occur follow, sorted.
    """
    counts: dict[tuple[str, str], float] = {}
    found = Classification()
    if weights is None:
        for (actual, guess), count in Counter(zip(true, predicted, strict=True)).items():
            if actual is None or guess is None:
                found.excluded += count
            else:
                found.size += count
                counts[actual, guess] = float(count)
    else:
        for actual, guess, weight in zip(true, predicted, weights, strict=True):
            if actual is None or guess is None or not 0 <= weight < math.inf:
                found.excluded += 1
            else:
                found.size += 1
                counts[actual, guess] = counts.get((actual, guess), 0.0) + weight
    occurring = {label for pair in counts for label in pair}
    known = list(dict.fromkeys(labels))
    names = [*known, *sorted(occurring.difference(known), key=label_order)]
    found.classes = {name: ClassMeasures() for name in names}
    for (actual, guess), weight in counts.items():
        found.weight += weight
        found.confusion.setdefault(actual, {})[guess] = weight
        found.classes[actual].support += weight
        found.classes[guess].predicted += weight
        if actual == guess:
            found.classes[actual].hits += weight
    return found


def averages(
    found: Classification, average: Average, positive: str | None
) -> tuple[dict[str, float], dict[str, float]]:
    """Return accuracy, precision, recall and f1 by name, and the weight of the samples behind each."""
    whole = found.weight
    measures, sizes = {"accuracy": found.accuracy}, {"accuracy": whole}
    if average == "binary":
        one = found.classes.get(positive or "", ClassMeasures())
        sizes |= {"precision": one.predicted, "recall": one.support, "f1": whole}
        return measures | {"precision": one.precision, "recall": one.recall, "f1": one.f1}, sizes
    if average == "micro":  # each prediction is of one class: the three are the accuracy
        same = dict.fromkeys(("precision", "recall", "f1"), found.accuracy)
        return measures | same, sizes | dict.fromkeys(same, whole)
    for name in ("precision", "recall", "f1"):
        values = [
            (value, one.support if average == "weighted" else 1.0)
            for one in found.classes.values()
            if not math.isnan(value := getattr(one, name))
        ]
        total = sum(share for _, share in values)
        measures[name] = sum(value * share for value, share in values) / total if total else NAN
        sizes[name] = whole
    return measures, sizes


def roc_auc(is_positive: Sequence[bool], scores: Sequence[float], weights: Sequence[float] | None) -> float:
    """Return the area under the ROC curve: how often a positive case scores above a negative one, ties half.

    NaN without a case of either kind. Scores that are NaN are to be left out before.
    """
    below = area = positives = tied_positive = tied_negative = 0.0
    last = None
    for position in sorted(range(len(scores)), key=scores.__getitem__):
        score = scores[position]
        if score != last:
            area += tied_positive * (below + tied_negative / 2)
            below, positives = below + tied_negative, positives + tied_positive
            tied_positive, tied_negative, last = 0.0, 0.0, score
        weight = 1.0 if weights is None else weights[position]
        if is_positive[position]:
            tied_positive += weight
        else:
            tied_negative += weight
    area += tied_positive * (below + tied_negative / 2)
    below, positives = below + tied_negative, positives + tied_positive
    return area / (positives * below) if positives and below else NAN


def total_cost(found: Classification, costs: Mapping[str, Mapping[str, float]]) -> float:
    """Return the cost of all samples; cells that the matrix does not name cost nothing."""
    return math.fsum(
        weight * costs.get(actual, {}).get(guess, 0.0)
        for actual, row in found.confusion.items()
        for guess, weight in row.items()
    )


def label_order(label: str) -> tuple[bool, float, str]:
    """Sort key: numbers by size, then text."""
    try:
        size = float(label)
    except ValueError:
        return True, 0.0, label
    return (False, size, label) if math.isfinite(size) else (True, 0.0, label)


class Names:
    """Names of classes: values that Python calls equal (True, 1, 1.0) are one class, named as the first of them."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[object, str | None] = {}

    def of(self, value: object) -> str | None:
        """Return the name of a class; None for a missing one."""
        try:
            return self._known[value]
        except KeyError:
            name = self._known[value] = _label(value)
            return name
        except TypeError:  # unhashable
            return _label(value)

    def all(self, values: Iterable[object]) -> list[str | None]:
        """Return the names of all values, in their order."""
        given = list(values)
        try:
            for value in set(given):  # of equal values, the first
                self.of(value)
            return list(map(self._known.__getitem__, given))
        except (TypeError, KeyError):  # unhashable
            return [self.of(value) for value in given]


def _label(value: object) -> str | None:
    if value is None or value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return None
    return label_text(value)
