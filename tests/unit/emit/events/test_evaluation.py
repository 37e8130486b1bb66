"""Measures from labels, against scikit-learn's."""

from __future__ import annotations

import math
import random
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import shipper
from shipper.emit import events
from shipper.emit.events.classification import Average
from shipper.testing import capture

WEIGHTS = st.floats(0.1, 5.0)


def measures(event: dict[str, Any]) -> dict[str, float]:
    """Return the measures of an event by name."""
    head = "ml.metrics."
    return {name.removeprefix(head): value for name, value in event.items() if name.startswith(head)}


def close(mine: float, theirs: float, average: str = "") -> bool:
    """Tell whether two measures are equal; two undefined ones are.

    A weighted mean over classes none of which has both a weight and a value is 0.0 there, undefined here.
    """
    if math.isnan(mine):
        return math.isnan(theirs) or (average == "weighted" and theirs == 0.0)
    return bool(mine == pytest.approx(theirs, abs=1e-12))


@st.composite
def samples(
    draw: st.DrawFn, classes: int
) -> tuple[list[int], list[int], list[float] | None, list[list[float]]]:
    """Labels, predictions, weights and a table of scores with many ties."""
    count = draw(st.integers(1, 40))
    of_class = st.integers(0, classes - 1)
    true = draw(st.lists(of_class, min_size=count, max_size=count))
    predicted = draw(st.lists(of_class, min_size=count, max_size=count))
    weights = draw(st.none() | st.lists(WEIGHTS, min_size=count, max_size=count))
    tied = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
    row = st.lists(tied, min_size=classes, max_size=classes)
    return true, predicted, weights, draw(st.lists(row, min_size=count, max_size=count))


@pytest.mark.slow
@pytest.mark.parametrize("average", ["binary", "macro", "weighted", "micro"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_two_classes_agree_with_sklearn(average: Average, data: st.DataObject) -> None:
    """Accuracy, precision, recall, F1 and AUC of two classes are scikit-learn's: ties, weights, one class included."""
    true, predicted, weights, table = data.draw(samples(2))
    scores = [row[1] for row in table]
    event = events.evaluation(
        true, predicted, y_score=scores, sample_weight=weights, positive=1, average=average, labels=[0, 1]
    )
    mine = measures(event)
    assert event["ml.averaging"] == average
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {"sample_weight": weights, "zero_division": math.nan, "average": average}
        if average != "binary":
            options["labels"] = [0, 1]
        assert close(mine["accuracy"], sk.accuracy_score(true, predicted, sample_weight=weights))
        assert close(mine["precision"], sk.precision_score(true, predicted, **options), average)
        assert close(mine["recall"], sk.recall_score(true, predicted, **options), average)
        assert close(mine["f1"], sk.f1_score(true, predicted, **options), average)
        if len(set(true)) == 2:
            assert close(mine["roc_auc"], sk.roc_auc_score(true, scores, sample_weight=weights))
        else:
            assert math.isnan(mine["roc_auc"])


@pytest.mark.slow
@pytest.mark.parametrize("average", ["macro", "weighted", "micro"])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_several_classes_agree_with_sklearn(average: Average, data: st.DataObject) -> None:
    """Measures of several classes, the table by class and the confusion matrix are scikit-learn's."""
    true, predicted, weights, table = data.draw(samples(4))
    event: Any = events.evaluation(
        true, predicted, y_score=table, sample_weight=weights, average=average, labels=range(4)
    )
    mine = measures(event)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options: dict[str, Any] = {
            "sample_weight": weights, "zero_division": math.nan, "average": average, "labels": range(4),
        }  # fmt: skip
        occurring = options | {"labels": sorted({*true, *predicted})} if average == "micro" else options
        assert close(mine["precision"], sk.precision_score(true, predicted, **occurring), average)
        assert close(mine["recall"], sk.recall_score(true, predicted, **occurring), average)
        assert close(mine["f1"], sk.f1_score(true, predicted, **occurring), average)
        matrix = sk.confusion_matrix(true, predicted, labels=range(4), sample_weight=weights)
        for row in range(4):
            for column in range(4):
                assert close(event["ml.confusion"][str(row)][str(column)], matrix[row, column])
        alone = sk.precision_recall_fscore_support(
            true, predicted, labels=range(4), sample_weight=weights, zero_division=math.nan
        )
        for label in range(4):
            for name, values in zip(("precision", "recall", "f1"), alone, strict=False):
                assert close(event["ml.per_class"][str(label)].get(name, math.nan), values[label])
        if len(set(true)) == 4:
            expected = [
                sk.roc_auc_score([one == label for one in true], [row[label] for row in table], sample_weight=weights)
                for label in range(4)
            ]  # fmt: skip
            assert close(mine["roc_auc"], sum(expected) / 4)


def test_auc_of_several_classes_is_one_against_the_rest() -> None:
    """On probabilities the AUC of several classes is scikit-learn's `multi_class="ovr"`."""
    generator = np.random.default_rng(3)
    table = generator.dirichlet([1, 1, 1], size=60)
    true = generator.integers(0, 3, size=60)
    event = events.evaluation(true, y_score=table)
    assert measures(event)["roc_auc"] == pytest.approx(sk.roc_auc_score(true, table, multi_class="ovr"))
    assert measures(event)["accuracy"] == pytest.approx(sk.accuracy_score(true, table.argmax(axis=1)))


@pytest.mark.parametrize(
    "kind",
    [list, tuple, np.array, pd.Series, lambda values: pd.Series(values, dtype="category"), iter],
    ids=["list", "tuple", "numpy", "series", "categorical", "iterator"],
)  # fmt: skip
def test_labels_of_any_library(kind: Any) -> None:
    """Labels may come as lists, arrays or columns, of numbers or text, and mixed: equal values are one class."""
    event = events.evaluation(kind([0, 1, 1, 0]), [0.0, 1.0, False, True], positive=True)
    assert event["ml.confusion"] == {"0": {"0": 1, "1": 1}, "1": {"0": 1, "1": 1}}
    assert event["ml.positive_class"] == "1"
    words = events.evaluation(kind(["10", "9", "9"]), ["10", "9", "10"])
    assert list(words["ml.per_class"]) == ["10", "9"]  # type: ignore[call-overload]
    assert words["ml.averaging"] == "macro", "of two words neither is positive until told"


def test_each_number_has_its_sample_size() -> None:
    """With each measure goes the number of samples behind it: predictions for precision, true cases for recall."""
    event = events.evaluation([1, 1, 1, 0, 0], [1, 0, 0, 0, 1], y_score=[0.9, math.nan, 0.4, 0.1, 0.6])
    assert event["ml.sample.size"] == 5
    assert {name: event[f"ml.sample.sizes.{name}"] for name in ("accuracy", "precision", "recall", "roc_auc")} == {
        "accuracy": 5, "precision": 2, "recall": 3, "roc_auc": 4,
    }  # fmt: skip


def test_missing_labels_are_left_out_and_counted() -> None:
    """Pairs without a label or a prediction do not count as wrong; how many there are is told."""
    event = events.evaluation(pd.Series([1, None, 0, 1]), [1, 1, None, 0])
    assert event["ml.sample.size"] == 2
    assert event["ml.sample.excluded"] == 2
    assert event["ml.metrics.accuracy"] == 0.5


def test_what_has_no_case_is_null_not_zero() -> None:
    """A measure without a case behind it is null and named in `ml.nonfinite`: "not enough data" is no zero."""
    with capture() as records:
        events.log(None, events.evaluation([0, 0], [0, 0], y_score=[0.1, 0.2]))
        events.log(None, events.evaluation([], []))
    first, empty = records.documents
    for name in ("precision", "recall", "f1", "roc_auc"):
        assert first["ml"]["metrics"][name] is None
        assert f"ml.metrics.{name}" in first["ml"]["nonfinite"]
    assert first["ml"]["metrics"]["accuracy"] == 1.0
    assert empty["ml"]["sample"]["size"] == 0
    assert "labels" not in first
    assert "labels" not in empty


def test_predictions_from_scores() -> None:
    """Without predictions the scores decide: from the threshold on, or the likeliest class."""
    event = events.evaluation([0, 0, 1, 1], y_score=[0.1, 0.6, 0.5, 0.7], threshold=0.6)
    assert event["ml.confusion"] == {"0": {"0": 1, "1": 1}, "1": {"0": 1, "1": 1}}
    assert event["ml.threshold"] == 0.6
    columns = events.evaluation(["a", "b"], y_score=[[0.9, 0.1], [0.2, 0.8]], positive="b")
    assert measures(columns) == {"accuracy": 1.0, "precision": 1.0, "recall": 1.0, "f1": 1.0, "roc_auc": 1.0}
    of_the_other = events.evaluation(["a", "b"], y_score=[[0.9, 0.1], [0.2, 0.8]], positive="a")
    assert measures(of_the_other)["roc_auc"] == 1.0


def test_business_cost() -> None:
    """The cost is the sum over the confusion matrix, by names or by rows in the order of the labels."""
    true, predicted = ["fraud", "fraud", "fair", "fair", "fair"], ["fraud", "fair", "fair", "fair", "fraud"]
    by_name = events.evaluation(
        true, predicted, cost_unit="EUR",
        cost_matrix={"fraud": {"fair": 500, "fraud": -20}, "fair": {"fraud": 15.5}},
    )  # fmt: skip
    by_rows = events.evaluation(
        true, predicted, labels=["fair", "fraud"], cost_matrix=[[0, 15.5], [500, -20]]
    )
    for event in (by_name, by_rows):
        assert event["ml.cost.total"] == 495.5
        assert event["ml.cost.mean"] == pytest.approx(99.1)
    assert by_name["ml.cost.unit"] == "EUR"


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"y_true": [1, 0], "y_pred": [1]}, "y_true has 2 elements, y_pred has 1"),
        ({"y_true": [1, 0], "y_pred": [1, 0], "sample_weight": [1]}, "sample_weight has 1"),
        ({"y_true": [1, 0], "y_pred": [1, 0], "y_score": [1, 0, 1]}, "y_score has 3"),
        ({"y_true": 5, "y_pred": [1]}, "y_true is no sequence"),
        ({"y_true": [1, 0]}, "neither y_pred nor y_score"),
        ({"y_true": ["a", "b"], "y_score": [1, 0]}, "need a positive class"),
        ({"y_true": [0, 1, 2], "y_pred": [0, 1, 2], "y_score": [[1, 0], [1, 0], [0, 1]]}, "2 columns, there are 3 classes"),
        ({"y_true": [1, 0], "y_pred": [1, 0], "cost_matrix": [[1]]}, "cost matrix has 1 rows"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_told(call: dict[str, Any], reason: str) -> None:
    """A mistake among the samples raises nothing: the event says failure, and why."""
    event: Any = events.evaluation(**call)
    assert event["event.outcome"] == "failure"
    assert reason in event["event.reason"]


def test_tables_of_many_classes_are_bounded() -> None:
    """Of a thousand classes the largest are told, empty cells are not, and the document stays small."""
    generator = random.Random(5)
    true = [generator.randrange(1000) for _ in range(20_000)]
    predicted = [label if generator.random() < 0.8 else generator.randrange(1000) for label in true]
    with capture() as records:
        shipper.get_logger().info("x", **events.evaluation(true, predicted))
    (document,) = records.documents
    assert document["ml"]["class_count"] == 1000
    assert 10 <= len(document["ml"]["per_class"]) <= 64
    assert len(records.records[0].payload) < 60_000
    assert "labels" not in document


def test_sklearn_is_not_needed() -> None:
    """Metrics are computed without importing numpy, pandas or scikit-learn."""
    code = (
        "import sys\nfrom shipper import events\n"
        "assert events.evaluation([0, 1], [0, 1], y_score=[0.1, 0.9])['ml.metrics.roc_auc'] == 1.0\n"
        "print(sorted({'numpy', 'pandas', 'sklearn'} & set(sys.modules)))\n"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
