"""Training runs: start, step, epoch, end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal

from shipper.ecs.values import elements, is_mapping, pairs
from shipper.emit.events.form import EventFields, Number, Split, builder, named, raw_text, typed

CURVE_POINTS = 64
"""Points of a learning curve that one event holds; longer ones are thinned evenly, first and last kept."""


@builder
def train_start(  # noqa: PLR0913 - one keyword per field
    *,
    run_id: str,
    params: Mapping[str, object] | None = None,
    experiment: str | None = None,
    architecture: object | None = None,
    parameters: int | None = None,
    data_name: str | None = None,
    data_version: str | None = None,
    data_source: str | None = None,
    sample_size: int | None = None,
    columns: int | None = None,
    features: Iterable[str] | None = None,
    feature_facts: Mapping[str, Mapping[str, object]] | None = None,
    preprocessing: Iterable[str] | None = None,
) -> EventFields:
    """A training run begins.

    >>> event = train_start(
    ...     run_id="run-7", params={"alpha": 0.1, "epochs": 20}, architecture="logistic regression",
    ...     data_name="biopsies", data_source="s3://clinic/biopsies", sample_size=284,
    ...     feature_facts={"radius": {"mean": 14.1, "missing": 0.02}, "site": {"classes": 2}},
    ...     preprocessing=["impute median", "scale"],
    ... )
    >>> event["ml.data.features"], event["ml.data.columns"]
    (['radius', 'site'], 2)

    Args:
        run_id: identity of the run; `TrainingRun` makes one and binds it to all that is logged meanwhile.
        params: hyperparameters and other settings, nested as they are.
        experiment: experiment that the run belongs to.
        architecture: kind of model, for example the class of an estimator.
        parameters: number of parameters that are trained.
        data_name: data set.
        data_version: version or digest of the data set.
        data_source: where the data come from.
        sample_size: number of training samples.
        columns: number of features; counted if `features` or `feature_facts` are given.
        features: names of the features.
        feature_facts: facts by feature: type, range, share of missing values ...
        preprocessing: steps that went before, in their order.
    """
    names = _texts(features if features is not None else feature_facts)
    return typed(
        "ml.training",
        "train-start",
        {
            "ml.run.id": run_id,
            "ml.run.status": "running",
            "ml.params": params,
            "ml.experiment.name": experiment,
            "ml.model.architecture": raw_text(architecture),
            "ml.model.parameters": parameters,
            "ml.data.name": data_name,
            "ml.data.version": data_version,
            "ml.data.source": data_source,
            "ml.data.columns": columns if columns is not None else len(names) or None,
            "ml.data.features": names,
            "ml.data.statistics": feature_facts,
            "ml.data.preprocessing": _texts(preprocessing),
            "ml.sample.size": sample_size,
        },
    )


@builder
def train_step(
    *,
    run_id: str,
    step: int,
    metrics: Mapping[str, Number],
    epoch: int | None = None,
    duration_ns: Number | None = None,
    sample_size: int | None = None,
    resources: Mapping[str, Number] | None = None,
) -> EventFields:
    """A step (one batch of samples) of a run is done. Runs with many steps log one in so many.

    >>> event = train_step(run_id="run-7", step=300, epoch=2, metrics={"loss": 0.21, "learning_rate": 1e-3})
    >>> event["event.action"], event["ml.step"]
    ('train-step', 300)

    Args:
        run_id: identity of the run.
        step: from 0.
        metrics: measures by name.
        epoch: that it belongs to, from 1.
        duration_ns: how long the step took, nanoseconds.
        sample_size: number of samples of the step.
        resources: use by name with the unit in the name.
    """
    return typed(
        "ml.training",
        "train-step",
        {
            "event.kind": "metric",
            "ml.run.id": run_id,
            "ml.epoch": epoch,
            "ml.step": step,
            "event.duration": duration_ns,
            "ml.sample.size": sample_size,
            **named("ml.metrics", metrics),
            **named("ml.resource", resources),
        },
    )


@builder
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

    >>> event = train_epoch(run_id="run-7", epoch=2, metrics={"loss": 0.31, "accuracy": 0.87}, split="validation")
    >>> event["ml.metrics.loss"]
    0.31

    Args:
        run_id: identity of the run.
        epoch: from 1.
        metrics: measures by name; NaN and infinity are stored as null and named in `ml.nonfinite`.
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


@builder
def train_end(
    *,
    run_id: str,
    status: Literal["finished", "failed", "killed"] = "finished",
    metrics: Mapping[str, Number] | None = None,
    curve: Mapping[str, Iterable[Number]] | None = None,
    epoch: int | None = None,
    duration_ns: Number | None = None,
    resources: Mapping[str, Number] | None = None,
    digest: str | None = None,
) -> EventFields:
    """A run has ended.

    >>> event = train_end(
    ...     run_id="run-7", metrics={"loss": 0.2}, curve={"epoch": [1, 2, 3], "loss": [0.7, 0.3, 0.2]},
    ...     duration_ns=61_000_000_000, resources={"memory_peak_bytes": 1.2e9},
    ... )
    >>> event["ml.curve.loss"]
    [0.7, 0.3, 0.2]

    Args:
        run_id: identity of the run.
        status: how it ended.
        metrics: final measures by name.
        curve: learning curve: values of each measure, and those of the axis (`epoch`, or the number of samples).
        epoch: the last epoch.
        duration_ns: how long the run took, nanoseconds.
        resources: use by name with the unit in the name, for example `{"memory_peak_bytes": 1.2e9}`.
        digest: digest of the model's file; see `shipper.file_digest`.
    """
    return typed(
        "ml.training",
        "train-end",
        {
            "ml.run.id": run_id,
            "ml.run.status": status,
            "ml.epoch": epoch,
            "ml.model.digest": digest,
            "event.outcome": "success" if status == "finished" else "failure",
            "event.duration": duration_ns,
            **named("ml.metrics", metrics),
            **named("ml.curve", _thinned(curve)),
            **named("ml.resource", resources),
        },
    )


def _texts(values: Iterable[object] | None) -> list[str]:
    if values is None:
        return []
    given: object = values
    if type(values) is str:
        given = [values]
    elif is_mapping(values):
        given = [key for key, _ in pairs(values, 1024)]  # type: ignore[arg-type]
    parts = elements(given, 1024)
    found = [raw_text(value) for value in (list(values) if parts is None else parts)]
    return [name for name in found if name is not None]


def _thinned(curve: Mapping[str, Iterable[Number]] | None) -> dict[str, object] | None:
    """Return the curve with at most `CURVE_POINTS` values of each measure, all at the same places."""
    if curve is None:
        return None
    if not is_mapping(curve):
        return {"value": curve}
    found: dict[str, object] = {}
    for name, given in pairs(curve, 256):  # type: ignore[arg-type]
        values = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else [given]
        last = len(values) - 1
        if last >= CURVE_POINTS:
            values = [values[round(point * last / (CURVE_POINTS - 1))] for point in range(CURVE_POINTS)]
        # A point without a value is null; None itself would be no number and cost the whole curve its place.
        found[str(name)] = [math.nan if value is None else value for value in values]
    return found
