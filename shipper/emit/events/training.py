"""Training runs and evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shipper.emit.events.form import EventFields, Number, Split, named, typed


def train_start(
    *,
    run_id: str,
    params: Mapping[str, object] | None = None,
    experiment: str | None = None,
    architecture: str | None = None,
    data_name: str | None = None,
    data_version: str | None = None,
    sample_size: int | None = None,
    columns: int | None = None,
) -> EventFields:
    """A training run begins.

    Args:
        run_id: identity of the run; bind it with `shipper.context(**{"ml.run.id": ...})` to have it everywhere.
        params: hyperparameters and other settings, nested as they are.
        architecture: kind of model, for example the class of an estimator.
        sample_size: number of training samples.
        columns: number of features.
    """
    return typed(
        "ml.training",
        "train-start",
        {
            "ml.run.id": run_id,
            "ml.run.status": "running",
            "ml.params": params,
            "ml.experiment.name": experiment,
            "ml.model.architecture": architecture,
            "ml.data.name": data_name,
            "ml.data.version": data_version,
            "ml.sample.size": sample_size,
            "ml.data.columns": columns,
        },
    )


def train_epoch(
    *,
    run_id: str,
    epoch: int,
    metrics: Mapping[str, Number],
    step: int | None = None,
    split: Split = "train",
    duration_ns: Number | None = None,
    sample_size: int | None = None,
) -> EventFields:
    """An epoch of a run has ended.

    Args:
        epoch: from 1.
        metrics: measures by name, for example `{"loss": 0.31, "accuracy": 0.87}`; NaN and infinity are kept as such.
        step: step of training, from 0.
        split: which data the metrics were computed on.
        duration_ns: how long the epoch took, nanoseconds.
        sample_size: number of samples behind the metrics.
    """
    return typed(
        "ml.training",
        "train-epoch",
        {
            "event.kind": "metric",
            "ml.run.id": run_id,
            "ml.epoch": epoch,
            "ml.step": step,
            "ml.split": split,
            "event.duration": duration_ns,
            "ml.sample.size": sample_size,
            **named("ml.metrics", metrics),
        },
    )


def train_end(
    *,
    run_id: str,
    status: Literal["finished", "failed", "killed"] = "finished",
    metrics: Mapping[str, Number] | None = None,
    duration_ns: Number | None = None,
    resources: Mapping[str, Number] | None = None,
) -> EventFields:
    """A run has ended.

    Args:
        metrics: final measures by name.
        duration_ns: how long the run took, nanoseconds.
        resources: use by name with the unit in the name, for example `{"memory_peak_bytes": 1.2e9}`.
    """
    return typed(
        "ml.training",
        "train-end",
        {
            "ml.run.id": run_id,
            "ml.run.status": status,
            "event.outcome": "success" if status == "finished" else "failure",
            "event.duration": duration_ns,
            **named("ml.metrics", metrics),
            **named("ml.resource", resources),
        },
    )


def evaluation(
    *,
    metrics: Mapping[str, Number],
    sample_size: int,
    split: Split = "test",
    confusion: Mapping[str, Mapping[str, int]] | None = None,
    run_id: str | None = None,
    data_name: str | None = None,
    model_class: str | None = None,
) -> EventFields:
    """A model was evaluated.

    Args:
        metrics: measures by name (`accuracy`, `precision`, `recall`, `f1`, `roc_auc`, ...).
        sample_size: number of samples behind the metrics; a measure without it cannot be judged.
        confusion: counts by actual label, then predicted label.
        model_class: the class that the metrics are about; None: all together.
    """
    return typed(
        "ml.evaluation",
        "evaluate",
        {
            "event.kind": "metric",
            "ml.sample.size": sample_size,
            "ml.split": split,
            "ml.run.id": run_id,
            "ml.data.name": data_name,
            "ml.class": model_class,
            "ml.confusion": _by_label(confusion) if confusion else None,
            **named("ml.metrics", metrics),
        },
    )


def _by_label(confusion: Mapping[str, Mapping[str, int]]) -> EventFields:
    return {
        str(actual): {str(predicted): count for predicted, count in row.items()}
        for actual, row in confusion.items()
    }
