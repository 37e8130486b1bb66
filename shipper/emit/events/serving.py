"""Predictions: one at a time, as a stream, in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from shipper.ecs.tensors import is_missing
from shipper.ecs.values import elements, number
from shipper.emit.events.features import sort_features
from shipper.emit.events.form import (
    MOST_NAMES,
    EventFields,
    Number,
    builder,
    label_text,
    named,
    raw_text,
    typed,
)

Outcome = Literal["success", "failure", "unknown"]


@builder
def prediction(  # noqa: PLR0913 - one keyword per field
    *,
    prediction_id: str,
    outcome: Outcome = "success",
    label: object | None = None,
    value: Number | None = None,
    score: Number | None = None,
    scores: Mapping[str, Number] | None = None,
    duration_ns: Number | None = None,
    latency_ns: Mapping[str, Number] | None = None,
    features: object | None = None,
    feature_names: Iterable[str] | None = None,
    numeric: Mapping[str, Number | None] | None = None,
    categorical: Mapping[str, object | None] | None = None,
    missing: Iterable[str] = (),
    raw_input: object | None = None,
    raw_output: object | None = None,
    batch_id: str | None = None,
    chunks: int | None = None,
    finished: bool | None = None,
    weight: Number | None = None,
) -> EventFields:
    """A model was asked. One event per attempt; log a failed one at level error, with `exc_info`.

    >>> event = prediction(
    ...     prediction_id="p-1", label="malignant", score=0.93, duration_ns=812_000,
    ...     latency_ns={"features": 300_000, "model": 500_000},
    ...     features={"radius": 17.9, "texture": None, "site": "left"},
    ... )
    >>> event["ml.features.numeric.radius"], event["ml.features.missing"]
    (17.9, ['texture'])

    Args:
        prediction_id: what feedback will refer to; unique.
        outcome: whether the model answered.
        label: predicted class; any value, kept as text.
        value: predicted number.
        score: confidence in the predicted class, 0 to 1.
        scores: confidence in each class, 0 to 1.
        duration_ns: latency in nanoseconds.
        latency_ns: its parts by name, nanoseconds.
        features: inputs by name, or a row of pandas or numpy; sorted by what they are (numbers, words, arrays, missing).
        feature_names: names of the inputs, where `features` has none.
        numeric: numeric inputs by name; those that are None count as missing.
        categorical: categorical inputs by name; those that are None count as missing.
        missing: names of further inputs that were absent.
        raw_input: the raw input (a prompt, a request); personal data by the schema, kept as far as redaction allows.
        raw_output: the raw output; personal data by the schema, too.
        batch_id: the batch that it belongs to.
        chunks: number of parts in which the output was given.
        finished: whether the output was taken to its end.
        weight: how many attempts this one stands for, if only a part is logged.
    """
    given = sort_features(features, feature_names) if features is not None else None
    fields = typed(
        "ml.inference",
        "predict",
        {
            "event.outcome": outcome,
            "event.duration": duration_ns,
            "ml.prediction.id": prediction_id,
            "ml.prediction.label": label_text(label),
            "ml.prediction.value": value,
            "ml.prediction.score": score,
            "ml.prediction.input": raw_text(raw_input),
            "ml.prediction.output": raw_text(raw_output),
            "ml.batch.id": batch_id,
            "ml.stream.chunks": chunks,
            "ml.stream.finished": finished,
            "ml.sample.weight": weight,
        },
    )
    if scores is not None:
        fields.update(named("ml.prediction.scores", scores))
    if latency_ns is not None:
        fields.update(named("ml.latency", latency_ns))
    absent = list(missing) if type(missing) is not str else [missing]
    for name, inputs in (("ml.features.numeric", numeric), ("ml.features.categorical", categorical)):
        for field, found in named(name, inputs).items():
            if not is_missing(found):
                fields[field] = found
        if inputs is not None and isinstance(inputs, Mapping):
            absent += [key for key, found in inputs.items() if is_missing(found)]
    if given is not None:
        fields.update(given.fields())
        absent += given.missing
    if absent:
        fields["ml.features.missing"] = list(dict.fromkeys(label_text(name) for name in absent))
    return fields


@builder
def prediction_batch(
    *,
    batch_id: str,
    size: int,
    failed: int = 0,
    outcome: Outcome | None = None,
    duration_ns: Number | None = None,
    latency_ns: Mapping[str, Number] | None = None,
    labels: Iterable[object] | Mapping[str, int] | None = None,
    scores: Iterable[Number] | None = None,
) -> EventFields:
    """A batch of predictions was made; the sum of what `prediction(batch_id=...)` tells of each.

    It carries neither `event.duration` nor, unless given, `event.outcome`, which belong to single predictions:
    rules over latencies and failures would count the batch as one more of them.

    >>> event = prediction_batch(batch_id="b-7", size=3, labels=["yes", "no", "no"], scores=[0.9, 0.6, 0.7])
    >>> event["ml.batch.labels"]
    {'yes': 1, 'no': 2}

    Args:
        batch_id: identity of the batch; feedback on the whole may refer to it.
        size: number of predictions asked for.
        failed: number of them that failed.
        outcome: only where the batch failed as a whole.
        duration_ns: how long the whole took, nanoseconds.
        latency_ns: its parts by name, nanoseconds.
        labels: predicted classes, or how many there are of each.
        scores: confidences; their least, mean and largest are kept.
    """
    return typed(
        "ml.inference",
        "predict-batch",
        {
            "event.kind": "metric",
            "event.outcome": outcome,
            "ml.prediction.id": batch_id,
            "ml.batch.id": batch_id,
            "ml.batch.size": size,
            "ml.batch.failed": failed,
            "ml.batch.duration": duration_ns,
            "ml.batch.labels": labels if isinstance(labels, Mapping) else _counts(labels),
            **named("ml.latency", latency_ns),
            **named("ml.metrics", _range(scores)),
        },
    )


def _counts(labels: Iterable[object] | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for label in labels if labels is not None else ():
        name = label_text(label)
        if name is not None and (name in found or len(found) < MOST_NAMES):
            found[name] = found.get(name, 0) + 1
    return found


def _range(scores: Iterable[Number] | None) -> dict[str, Number] | None:
    if scores is None:
        return None
    parts = elements(scores, 1_000_000)
    numbers = [found for item in (scores if parts is None else parts) if (found := number(item)) is not None]
    if not numbers:
        return None
    return {
        "score_min": min(numbers), "score_mean": sum(numbers) / len(numbers), "score_max": max(numbers),
    }  # fmt: skip
