"""Predictions, what became of them, why they came out so, and which model serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from shipper.emit.events.form import EventFields, Moment, Number, named, typed


def prediction(  # noqa: PLR0913 - one keyword per field
    *,
    prediction_id: str,
    outcome: Literal["success", "failure"] = "success",
    label: object | None = None,
    value: Number | None = None,
    score: Number | None = None,
    duration_ns: Number | None = None,
    numeric: Mapping[str, Number | None] | None = None,
    categorical: Mapping[str, object | None] | None = None,
    missing: Iterable[str] = (),
    weight: Number | None = None,
) -> EventFields:
    """A model was asked. One event per attempt; log a failed one at level error, with `exc_info`.

    Args:
        prediction_id: what feedback will refer to; unique.
        label: predicted class; any value, kept as text.
        value: predicted number.
        score: confidence in the predicted class, 0 to 1.
        duration_ns: latency in nanoseconds.
        numeric: numeric inputs by name; those that are None count as missing.
        categorical: categorical inputs by name; those that are None count as missing.
        missing: names of further inputs that were absent.
        weight: how many attempts this one stands for, if only a part is logged.
    """
    inputs: dict[str, object] = {
        **({} if numeric is None else numeric),
        **({} if categorical is None else categorical),
    }
    absent = [*missing, *(name for name, given in inputs.items() if given is None)]
    return typed(
        "ml.inference",
        "predict",
        {
            "event.outcome": outcome,
            "event.duration": duration_ns,
            "ml.prediction.id": prediction_id,
            "ml.prediction.label": None if label is None else str(label),
            "ml.prediction.value": value,
            "ml.prediction.score": score,
            "ml.features.missing": list(dict.fromkeys(absent)),
            "ml.sample.weight": weight,
            **named("ml.features.numeric", numeric),
            **named("ml.features.categorical", categorical),
        },
    )


def feedback(  # noqa: PLR0913 - one keyword per field
    *,
    prediction_id: str,
    label: object | None = None,
    predicted: object | None = None,
    value: Number | None = None,
    verdict: str | None = None,
    delay_s: Number | None = None,
    predicted_at: Moment | None = None,
    model_name: str | None = None,
    model_version: str | None = None,
    commit: str | None = None,
) -> EventFields:
    """The truth, or a user's opinion, about an earlier prediction.

    With `label` and `predicted`, `ml.prediction.correct` says whether they agree as text.

    Args:
        prediction_id: of the prediction.
        label: true class.
        predicted: class that had been predicted.
        value: true value.
        verdict: what a user said.
        delay_s: time from prediction to truth, seconds.
        predicted_at: when the prediction was made.
        model_name, model_version, commit: of the prediction, where they are not those of this process.
    """
    correct = str(label) == str(predicted) if label is not None and predicted is not None else None
    return typed(
        "ml.feedback",
        "feedback",
        {
            "ml.prediction.id": prediction_id,
            "ml.prediction.label": None if predicted is None else str(predicted),
            "ml.prediction.correct": correct,
            "ml.prediction.time": predicted_at,
            "ml.feedback.label": None if label is None else str(label),
            "ml.feedback.value": value,
            "ml.feedback.verdict": verdict,
            "ml.feedback.delay": delay_s,
            "ml.model.name": model_name,
            "ml.model.version": model_version,
            "git.commit": commit,
        },
    )


def explanation(
    *, prediction_id: str, contributions: Mapping[str, Number], method: str | None = None
) -> EventFields:
    """Why a prediction came out so.

    Args:
        contributions: contribution to the output by feature, in units of the output.
        method: how they were computed.
    """
    return typed(
        "ml.explanation",
        "explain",
        {
            "ml.prediction.id": prediction_id,
            "ml.explanation.method": method,
            **named("ml.explanation.contributions", contributions),
        },
    )


def deployment(
    *,
    version: str,
    previous_version: str | None = None,
    deployment_id: str | None = None,
    model_name: str | None = None,
    target: str | None = None,
    action: Literal["deploy", "rollback"] = "deploy",
    outcome: Literal["success", "failure"] = "success",
) -> EventFields:
    """A version of a model was put into service, or the former one put back.

    Args:
        version: the version that serves from now on.
        previous_version: the one that it replaces.
        target: where it runs.
    """
    return typed(
        "ml.deployment",
        action,
        {
            "event.outcome": outcome,
            "ml.deployment.id": deployment_id,
            "ml.deployment.target": target,
            "ml.model.name": model_name,
            "ml.model.version": version,
            "ml.model.previous_version": previous_version,
        },
    )
