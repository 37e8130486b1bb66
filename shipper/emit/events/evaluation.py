"""Evaluations, and experiments that compare them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shipper.ecs.values import is_mapping, number, pairs
from shipper.emit.events.classification import Average
from shipper.emit.events.evaluating import CostMatrix, Samples, evaluate
from shipper.emit.events.form import (
    MOST_NAMES,
    EventFields,
    Number,
    Split,
    builder,
    label_text,
    named,
    typed,
)


@builder
def evaluation(  # noqa: PLR0913 - one keyword per field
    y_true: object | None = None,
    y_pred: object | None = None,
    *,
    y_score: object | None = None,
    sample_weight: object | None = None,
    labels: Iterable[object] | None = None,
    positive: object | None = None,
    average: Average | None = None,
    threshold: float | None = None,
    cost_matrix: CostMatrix | None = None,
    cost_unit: str | None = None,
    metrics: Mapping[str, Number] | None = None,
    sample_size: int | None = None,
    confusion: Mapping[str, Mapping[str, int]] | None = None,
    split: Split = "test",
    run_id: str | None = None,
    experiment: str | None = None,
    data_name: str | None = None,
    data_version: str | None = None,
    model_class: str | None = None,
    duration_ns: Number | None = None,
) -> EventFields:
    """A model was evaluated. Give labels and all is computed, or `metrics` and `sample_size` computed elsewhere.

    From labels come accuracy, precision, recall, F1 and, with scores, AUC-ROC, each with the number of samples
    behind it; the table by class; the confusion matrix; the business cost. They agree with scikit-learn's (which
    is not needed) under `zero_division=nan`: what has no case behind it is null and named in `ml.nonfinite`.
    Pairs with a missing label or prediction are left out and counted.

    Of several classes the AUC is the mean of each class against the rest. Cost: some passes over plain Python
    values, and a sort of the scores: about a second per million samples, three with scores. Of more than ten million the first ten
    million are looked at.

    >>> event = evaluation(
    ...     ["sick", "sick", "well", "well"], ["sick", "well", "well", "well"], y_score=[0.9, 0.4, 0.3, 0.1],
    ...     positive="sick", cost_matrix={"sick": {"well": 100}, "well": {"sick": 5}}, cost_unit="EUR",
    ... )
    >>> event["ml.metrics.recall"], event["ml.sample.sizes.recall"], event["ml.metrics.roc_auc"]
    (0.5, 2.0, 1.0)
    >>> event["ml.confusion"]["sick"], event["ml.cost.total"]
    ({'sick': 1, 'well': 1}, 100.0)

    Args:
        y_true: true labels: a list, an array of numpy, a column of pandas, a tensor on the host.
        y_pred: predicted labels; None: the likeliest class by `y_score`.
        y_score: scores of the positive class, or a table with one column per class in the order of `labels`.
        sample_weight: weight of each sample.
        labels: the classes in their order; None: those that occur, sorted.
        positive: class that counts as positive; 1 and true without being told.
        average: how precision, recall and F1 are taken over classes; None: of the positive class where there is
            one, else the plain mean over classes.
        threshold: least score for the positive class, for predictions from scores; 0.5 unless given.
        cost_matrix: cost of one case by actual label, then predicted label (or rows and columns in the order
            of the labels); negative is a gain; what is not named costs nothing.
        cost_unit: unit of the costs.
        metrics: further measures by name, or all of them; a given one wins over a computed one.
        sample_size: number of samples behind them; a measure without it cannot be judged.
        confusion: counts by actual label, then predicted label.
        split: which data.
        run_id: training run that the model comes from.
        experiment: experiment that the evaluation belongs to.
        data_name: data set.
        data_version: version of the data set.
        model_class: the class that `metrics` are about; None: all together.
        duration_ns: how long it took, nanoseconds.
    """
    computed: EventFields = {}
    if y_true is not None:
        samples = Samples(
            y_true, y_pred, y_score, sample_weight, labels, positive, average, threshold, cost_matrix
        )
        computed = evaluate(samples)
    given = {
        "ml.sample.size": sample_size,
        "ml.confusion": _by_label(confusion) if confusion else None,
        **named("ml.metrics", metrics),
    }
    return typed(
        "ml.evaluation",
        "evaluate",
        {
            "event.kind": "metric",
            "event.duration": duration_ns,
            "ml.split": split,
            "ml.run.id": run_id,
            "ml.experiment.name": experiment,
            "ml.data.name": data_name,
            "ml.data.version": data_version,
            "ml.class": label_text(model_class),
            "ml.cost.unit": cost_unit,
            **computed,
            **{name: value for name, value in given.items() if value is not None},
        },
    )


@builder
def experiment(  # noqa: PLR0913 - one keyword per field
    *,
    name: str,
    variant: str,
    metrics: Mapping[str, Number],
    sample_size: int,
    baseline: str | None = None,
    baseline_metrics: Mapping[str, Number] | None = None,
    params: Mapping[str, object] | None = None,
    split: Split = "test",
    run_id: str | None = None,
    outcome: str | None = None,
    reason: str | None = None,
) -> EventFields:
    """One variant of an experiment has its result; with a baseline, what it gained.

    >>> event = experiment(
    ...     name="regularisation", variant="alpha=0.1", metrics={"f1": 0.91}, sample_size=285,
    ...     baseline="alpha=0.01", baseline_metrics={"f1": 0.88}, params={"alpha": 0.1},
    ... )
    >>> round(event["ml.experiment.gain.f1"], 3)
    0.03

    Args:
        name: the experiment.
        variant: which of the things that are compared.
        metrics: measures by name.
        sample_size: number of samples behind them.
        baseline: what it is compared with.
        baseline_metrics: the baseline's measures on the same samples.
        params: what makes the variant different.
        split: which data.
        run_id: training run of the variant.
        outcome: success or failure of the experiment itself.
        reason: what was decided, and why.
    """
    return typed(
        "ml.evaluation",
        "experiment",
        {
            "event.kind": "metric",
            "event.outcome": outcome,
            "event.reason": reason,
            "ml.experiment.name": name,
            "ml.experiment.variant": variant,
            "ml.experiment.baseline": baseline,
            "ml.params": params,
            "ml.sample.size": sample_size,
            "ml.split": split,
            "ml.run.id": run_id,
            **named("ml.metrics", metrics),
            **named("ml.experiment.gain", _gains(metrics, baseline_metrics)),
        },
    )


def _gains(metrics: Mapping[str, Number], baseline: Mapping[str, Number] | None) -> dict[str, object]:
    found: dict[str, object] = {}
    if baseline is None or not is_mapping(metrics) or not is_mapping(baseline):
        return found
    for name, value in pairs(metrics, MOST_NAMES):  # type: ignore[arg-type]
        mine, theirs = number(value), number(baseline.get(name))  # type: ignore[call-overload]
        if mine is not None and theirs is not None:
            found[str(name)] = mine - theirs
    return found


def _by_label(confusion: Mapping[str, Mapping[str, int]]) -> EventFields:
    return {
        label_text(actual) or "": {label_text(guess) or "": count for guess, count in row.items()}
        for actual, row in confusion.items()
    }
