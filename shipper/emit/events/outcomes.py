"""What became of predictions, and why they came out so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from shipper.ecs.timestamps import parse_timestamp
from shipper.ecs.values import is_mapping, key_text, number, pairs
from shipper.emit.events.features import sort_features
from shipper.emit.events.form import (
    MOST_NAMES,
    EventFields,
    Moment,
    Number,
    builder,
    label_text,
    named,
    typed,
)

TOP: int = 10
"""Contributions that are kept unless asked otherwise."""


@builder
def feedback(  # noqa: PLR0913 - one keyword per field
    *,
    prediction_id: str,
    label: object | None = None,
    predicted: object | None = None,
    score: Number | None = None,
    scores: Mapping[str, Number] | None = None,
    value: Number | None = None,
    verdict: str | None = None,
    rating: Number | None = None,
    comment: str | None = None,
    source: str | None = None,
    delay_s: Number | None = None,
    predicted_at: Moment | None = None,
    labelled_at: Moment | None = None,
    corrects: object | None = None,
    revision: int | None = None,
    model_name: str | None = None,
    model_version: str | None = None,
    commit: str | None = None,
) -> EventFields:
    """The truth, or a user's opinion, about an earlier prediction; any time later, and again when it is corrected.

    With `label` and `predicted`, `ml.prediction.correct` says whether they agree as text. With both times the
    delay is their difference.

    >>> event = feedback(
    ...     prediction_id="p-1", label="benign", predicted="malignant", score=0.71, source="pathology",
    ...     predicted_at="2026-11-20T10:00:00Z", labelled_at="2026-11-23T10:00:00Z", corrects="malignant", revision=2,
    ... )
    >>> event["ml.prediction.correct"], event["ml.feedback.delay"]
    (False, 259200.0)

    Args:
        prediction_id: of the prediction.
        label: true class.
        predicted: class that had been predicted.
        score: confidence in that class, 0 to 1; with it the area under the ROC curve can be watched.
        scores: confidence by class, as the prediction had it.
        value: true value.
        verdict: what a user said, in a word.
        rating: how good a user found it; the scale is yours.
        comment: what a user wrote; personal data by the schema.
        source: where the truth comes from.
        delay_s: time from prediction to truth, seconds.
        predicted_at: when the prediction was made.
        labelled_at: when the truth was known; with `predicted_at` it gives the delay.
        corrects: the label that had been given before, where this one corrects it.
        revision: 1 for the first label of a prediction, 2 for its first correction, and so on.
        model_name: of the prediction, where it is not this process's.
        model_version: likewise.
        commit: likewise.
    """
    truth, guess = label_text(label), label_text(predicted)
    if delay_s is None and predicted_at is not None and labelled_at is not None:
        start, end = parse_timestamp(predicted_at), parse_timestamp(labelled_at)
        delay_s = (end - start) / 1e6 if start is not None and end is not None else None
    return typed(
        "ml.feedback",
        "feedback",
        {
            "ml.prediction.id": prediction_id,
            "ml.prediction.label": guess,
            "ml.prediction.score": score,
            **named("ml.prediction.scores", scores),
            "ml.prediction.correct": truth == guess if truth is not None and guess is not None else None,
            "ml.prediction.time": predicted_at,
            "ml.feedback.label": truth,
            "ml.feedback.value": value,
            "ml.feedback.verdict": verdict,
            "ml.feedback.rating": rating,
            "ml.feedback.comment": comment,
            "ml.feedback.source": source,
            "ml.feedback.delay": delay_s,
            "ml.feedback.previous_label": label_text(corrects),
            "ml.feedback.revision": revision,
            "ml.model.name": model_name,
            "ml.model.version": model_version,
            "git.commit": commit,
        },
    )


@builder
def explanation(
    *,
    prediction_id: str,
    contributions: object,
    feature_names: Iterable[str] | None = None,
    method: str | None = None,
    top: int = TOP,
    base: Number | None = None,
    explained_class: object | None = None,
) -> EventFields:
    """Why a prediction came out so: the largest contributions, and the sum of the others.

    >>> event = explanation(
    ...     prediction_id="p-1", contributions={"radius": 0.31, "texture": -0.42, "site": 0.02}, top=2, method="shap"
    ... )
    >>> event["ml.explanation.features"], event["ml.explanation.rest"]
    (['texture', 'radius'], 0.02)

    Args:
        prediction_id: of the prediction.
        contributions: contribution to the output by feature, in units of the output; a row of numpy or pandas, too.
        feature_names: names of the features, where `contributions` has none.
        method: how they were computed.
        top: how many are kept, the largest by size first.
        base: output before any contribution.
        explained_class: class whose score is explained.
    """
    if not is_mapping(contributions):
        contributions = sort_features(contributions, feature_names).numeric
    sized: list[tuple[float, str, object]] = []
    odd: dict[str, object] = {}
    for key, value in pairs(contributions, MOST_NAMES * 16):  # type: ignore[arg-type]
        found, name = number(value), key_text(key, 128)
        if found is None or not math.isfinite(found):
            odd[name] = value
        else:
            sized.append((-abs(found), name, found))
    sized.sort(key=lambda item: item[:2])
    kept = sized[: max(top, 0)]
    rest = math.fsum(float(value) for _, _, value in sized[len(kept) :])  # type: ignore[arg-type]
    return typed(
        "ml.explanation",
        "explain",
        {
            "ml.prediction.id": prediction_id,
            "ml.explanation.method": method,
            "ml.explanation.base": base,
            "ml.explanation.class": label_text(explained_class),
            "ml.explanation.features": [name for _, name, _ in kept],
            "ml.explanation.rest": rest if len(sized) > len(kept) else None,
            **named("ml.explanation.contributions", {name: value for _, name, value in kept} | odd),
        },
    )
