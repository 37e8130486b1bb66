"""Builders of typed events against the schema."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import shipper
from shipper.datasets import DATASETS
from shipper.ecs.fields import FIELDS
from shipper.emit import events
from shipper.testing import capture

CALLS: dict[str, dict[str, Any]] = {
    "train_start": {
        "run_id": "r", "params": {"lr": 0.1, "layers": {"count": 2}}, "experiment": "e", "architecture": "GBM",
        "parameters": 10_000, "data_name": "d", "data_version": "1", "data_source": "s3", "sample_size": 10, "columns": 3,
        "features": ["a", "b"], "feature_facts": {"a": {"mean": 1.0}}, "preprocessing": ["impute", "scale"],
    },
    "train_step": {
        "run_id": "r", "step": 0, "metrics": {"loss": 0.5}, "epoch": 1, "duration_ns": 5, "sample_size": 32,
        "resources": {"gpu_memory_bytes": 1e9},
    },
    "train_epoch": {
        "run_id": "r", "epoch": 1, "metrics": {"loss": 0.5}, "step": 3, "split": "validation", "duration_ns": 1.5e9,
        "sample_size": 10,
    },
    "train_end": {
        "run_id": "r", "status": "failed", "metrics": {"loss": 0.5}, "duration_ns": 5, "resources": {"memory_bytes": 1},
        "curve": {"epoch": [1, 2], "loss": [0.7, None]}, "epoch": 2, "digest": "sha256:0",
    },
    "evaluation": {
        "y_true": [0, 1, 1, None], "y_pred": [0, 1, 0, 1], "y_score": [0.1, 0.9, 0.4, 0.8], "sample_weight": [1, 2, 1, 1],
        "labels": [0, 1], "positive": 1, "average": "binary", "threshold": 0.5, "cost_matrix": [[0, 1], [5, 0]],
        "cost_unit": "EUR", "metrics": {"f2": 0.9}, "sample_size": 10, "split": "test", "confusion": {"a": {"b": 1}},
        "run_id": "r", "experiment": "e", "data_name": "d", "data_version": "1", "model_class": "a", "duration_ns": 5,
    },
    "experiment": {
        "name": "e", "variant": "a", "metrics": {"f1": 0.9}, "sample_size": 10, "baseline": "b", "split": "test",
        "baseline_metrics": {"f1": 0.8}, "params": {"k": 1}, "run_id": "r", "outcome": "success", "reason": "better",
    },
    "prediction": {
        "prediction_id": "p", "outcome": "failure", "label": True, "value": 1.0, "score": 0.5, "duration_ns": 5,
        "scores": {"a": 0.5, "b": 0.5}, "latency_ns": {"model": 4}, "features": [1.0, "x", None, np.arange(4.0)],
        "feature_names": ["f", "g", "h", "i"], "raw_input": {"text": "hello"}, "raw_output": "hello you", "batch_id": "b",
        "chunks": 3, "finished": True,
        "numeric": {"a": 1.0, "b": None}, "categorical": {"c": "x", "d": None}, "missing": ["e"], "weight": 10,
    },
    "prediction_batch": {
        "batch_id": "b", "size": 3, "failed": 1, "outcome": "failure", "duration_ns": 5, "latency_ns": {"model": 4},
        "labels": ["a", "a"], "scores": [0.5, 0.9],
    },
    "feedback": {
        "score": 0.9,
        "scores": {"benign": 0.9, "malignant": 0.1},
        "prediction_id": "p", "label": "a", "predicted": "b", "value": 1.0, "verdict": "wrong", "delay_s": 5,
        "predicted_at": 1_767_225_600, "model_name": "m", "model_version": "1", "commit": "a" * 40, "rating": 3,
        "comment": "no", "source": "user", "labelled_at": "2026-01-02", "corrects": "c", "revision": 2,
    },
    "data_profile": {
        "histograms": True,
        "data": {"a": [1, None], "b": ["x", "y"]}, "name": "d", "rows": 5, "columns": 2, "version": "1", "source": "s3",
        "missing": {"a": 0.1}, "statistics": {"a": {"mean": 1.0}}, "drift": {"a": 0.3},
    },
    "data_step": {
        "name": "d", "step": "impute", "rows": 5, "rows_out": 4, "columns": 3, "columns_out": 2, "duration_ns": 5,
        "params": {"k": 1}, "filled": {"a": 3}, "outliers": {"b": 2}, "outcome": "success", "version": "1", "run_id": "r",
        "before": {"a": {"mean": 1.0}}, "after": {"a": {"mean": 2.0}}, "statistics": {"a": {"mean_before": 1.0}},
    },
    "explanation": {
        "prediction_id": "p", "contributions": {"a": 0.1, "b": -0.3}, "feature_names": ["a"], "method": "shap", "top": 1,
        "base": 0.5, "explained_class": "yes",
    },
    "deployment": {
        "version": "8", "previous_version": "7", "deployment_id": "d", "model_name": "m", "target": "eu",
        "action": "rollback", "outcome": "failure", "stage": "production", "digest": "sha256:0", "reason": "slow",
        "duration_ns": 5, "resources": {"memory_bytes": 1e9},
    },
    "stage_change": {
        "version": "8", "stage": "production", "previous_stage": "shadow", "model_name": "m", "deployment_id": "d",
        "target": "eu", "reason": "good",
    },
    "resource_use": {
        "resources": {"cpu_s": 3.0}, "version": "8", "model_name": "m", "deployment_id": "d", "target": "eu",
    },
    "debug": {
        "point": "after scaling", "inputs": {"x": 1}, "values": {"y": np.arange(4.0)}, "outputs": "yes",
        "prediction_id": "p", "run_id": "r", "step": 3,
    },
}  # fmt: skip
"""One call per builder that uses every argument."""

OPENED = {name for name, spec in FIELDS.items() if spec.type in {"doubles", "keywords", "flattened"}}
BUILDERS = [builder.__name__ for builder in events.BUILDERS]


def test_the_list_is_complete() -> None:
    """Each builder is public, in `BUILDERS`, and tried here."""
    assert set(BUILDERS) <= set(events.__all__)
    assert set(CALLS) == set(BUILDERS)


@pytest.mark.parametrize("name", BUILDERS)
def test_all_arguments_find_their_fields(name: str) -> None:
    """Each argument of each builder goes to a declared field of a fitting type; none becomes a label."""
    builder = getattr(events, name)
    assert set(CALLS[name]) == set(inspect.signature(builder).parameters), "each argument is tried"
    fields = builder(**CALLS[name])
    assert fields["event.dataset"] in DATASETS
    for field in fields:
        assert field in FIELDS or any(field.startswith(f"{opened}.") for opened in OPENED), field
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
    fields = builder(**required)
    assert not [field for field, value in fields.items() if value is None or value in ([], {}, "")]


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
