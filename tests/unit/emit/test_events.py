"""Builders of typed events against the schema."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import shipper
from shipper.datasets import DATASETS
from shipper.ecs.fields import FIELDS
from shipper.emit import events
from shipper.testing import capture

CALLS: dict[str, dict[str, Any]] = {
    "train_start": {
        "run_id": "r", "params": {"lr": 0.1}, "experiment": "e", "architecture": "GBM", "data_name": "d",
        "data_version": "1", "sample_size": 10, "columns": 3,
    },
    "train_epoch": {
        "run_id": "r", "epoch": 1, "metrics": {"loss": 0.5}, "step": 3, "split": "validation", "duration_ns": 1.5e9,
        "sample_size": 10,
    },
    "train_end": {
        "run_id": "r", "status": "failed", "metrics": {"loss": 0.5}, "duration_ns": 5, "resources": {"memory_bytes": 1},
    },
    "evaluation": {
        "metrics": {"f1": 0.9}, "sample_size": 10, "split": "test", "confusion": {"a": {"b": 1}}, "run_id": "r",
        "data_name": "d", "model_class": "a",
    },
    "prediction": {
        "prediction_id": "p", "outcome": "failure", "label": True, "value": 1.0, "score": 0.5, "duration_ns": 5,
        "numeric": {"a": 1.0, "b": None}, "categorical": {"c": "x", "d": None}, "missing": ["e"], "weight": 10,
    },
    "feedback": {
        "prediction_id": "p", "label": "a", "predicted": "b", "value": 1.0, "verdict": "wrong", "delay_s": 5,
        "predicted_at": 1_767_225_600, "model_name": "m", "model_version": "1", "commit": "a" * 40,
    },
    "data_profile": {
        "name": "d", "rows": 5, "columns": 2, "version": "1", "source": "s3", "missing": {"a": 0.1},
        "statistics": {"a": {"mean": 1.0}}, "drift": {"a": 0.3},
    },
    "data_step": {
        "name": "d", "step": "impute", "rows": 5, "rows_out": 4, "duration_ns": 5, "params": {"k": 1},
        "statistics": {"a": {"mean_before": 1.0}},
    },
    "explanation": {"prediction_id": "p", "contributions": {"a": 0.1}, "method": "shap"},
    "deployment": {
        "version": "8", "previous_version": "7", "deployment_id": "d", "model_name": "m", "target": "eu",
        "action": "rollback", "outcome": "failure",
    },
}  # fmt: skip
BUILDERS = [name for name in events.__all__ if inspect.isfunction(getattr(events, name))]


@pytest.mark.parametrize("name", BUILDERS)
def test_all_arguments_find_their_fields(name: str) -> None:
    """Each argument of each builder goes to a declared field of a fitting type; none becomes a label."""
    builder = getattr(events, name)
    assert set(CALLS[name]) == set(inspect.signature(builder).parameters), "each argument is tried"
    fields = builder(**CALLS[name])
    assert fields["event.dataset"] in DATASETS
    for field in fields:
        assert field in FIELDS or field.rpartition(".")[0] in FIELDS, field
    with capture() as records:
        shipper.get_logger().info("x", **fields)
    (document,) = records.documents
    assert "labels" not in document
    assert document["event"]["dataset"] == fields["event.dataset"]


@pytest.mark.parametrize("name", BUILDERS)
def test_what_is_not_given_is_not_there(name: str) -> None:
    """A builder called with its required arguments alone gives no empty field."""
    builder = getattr(events, name)
    required = {
        argument: CALLS[name][argument]
        for argument, parameter in inspect.signature(builder).parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    assert all(value not in (None, [], {}) for value in builder(**required).values())


@pytest.mark.parametrize("name", BUILDERS)
def test_typed_events_set_what_their_dataset_expects(name: str) -> None:
    """With a model bound, a typed event has the fields that readers of its dataset rely on."""
    with shipper.model("fraud", "7"), capture() as records:
        shipper.get_logger().info("x", **getattr(events, name)(**CALLS[name]))
    (document,) = records.documents
    for field in DATASETS[document["event"]["dataset"]].expected:
        found: Any = document
        for part in field.split("."):
            found = found[part]
        assert found


def test_prediction_names_missing_inputs() -> None:
    """Inputs that are None are named as missing, each once."""
    fields = events.prediction(
        prediction_id="p", numeric={"a": None, "b": 1}, categorical={"c": None}, missing=["a", "d"]
    )
    assert fields["ml.features.missing"] == ["a", "d", "c"]
    assert fields["ml.features.numeric.b"] == 1
    assert "ml.features.numeric.a" not in fields


def test_feedback_says_whether_it_was_right() -> None:
    """`ml.prediction.correct` compares labels as text; without both it is absent."""
    assert events.feedback(prediction_id="p", label=1, predicted="1")["ml.prediction.correct"] is True
    assert events.feedback(prediction_id="p", label="a", predicted="b")["ml.prediction.correct"] is False
    assert "ml.prediction.correct" not in events.feedback(prediction_id="p", label="a")
