"""What a rule about the quality of a model's predictions may say; computed from labels and predictions alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.rules.rule import Baseline, Coverage, DatasetName, Duration, Rule

Name = Literal["accuracy", "precision", "recall", "f1", "false_negative_rate", "auc", "cost"]

LABEL: Final = "ml.feedback.label"
FORMER_LABEL: Final = "ml.feedback.previous_label"
PREDICTED: Final = "ml.prediction.label"
SCORE: Final = "ml.prediction.score"
DELAY: Final = "ml.feedback.delay"
PREDICTION_TIME: Final = "ml.prediction.time"

_OF_ONE_CLASS: Final = ("precision", "recall", "f1", "false_negative_rate", "auc")
_CHANGE: Final = 0.05
_MODEL: Final = ConfigDict(frozen=True, extra="forbid")


def _class_name(value: object) -> object:
    """Return a class as labels are stored: as text, whole numbers without a point."""
    if isinstance(value, bool):
        raise ValueError(  # noqa: TRY004 - pydantic reports this kind only
            'YAML reads this class as a truth value; write it in quotes, such as "yes" or "true"'
        )
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


ClassName = Annotated[str, BeforeValidator(_class_name), Field(min_length=1, max_length=256)]


class QualityEffect(BaseModel):
    """Least worsening that matters, in the measure's own unit (0.05: five points of precision)."""

    model_config = _MODEL
    change: float | None = Field(
        None, gt=0, description="default: 0.05; for `cost` a tenth of what was expected"
    )

    def least(self, expected: float, *, is_cost: bool) -> float:
        """Return the least worsening that matters where so much was expected."""
        if self.change is not None:
            return self.change
        return abs(expected) / 10 if is_cost else _CHANGE


class QualityRule(Rule):
    """Predictions turn out worse, by cohort of when they were made."""

    kind: Literal["quality"] = "quality"
    dataset: DatasetName = "ml.feedback"
    measure: Name
    positive: ClassName | None = Field(None, description="class that the measure is about")
    average: Literal["each", "macro"] = Field(
        "each", description="without `positive`: the worst class, or the mean of all"
    )
    costs: Mapping[ClassName, Mapping[ClassName, float]] = Field(
        default_factory=dict, description="cost of one prediction: true class: {predicted class: cost}"
    )
    score: str = Field(
        SCORE,
        description="auc: confidence in the predicted class, or any field 0..1 that grows with `positive`",
    )
    time: Literal["ml.prediction.time", "@timestamp"] = PREDICTION_TIME
    labels_within: Duration | None = Field(
        None, description="a cohort is judged when it is so old, by the labels that came within so long"
    )
    goal: float | None = None
    compare: tuple[Literal["goal", "previous_version", "baseline"], ...] = Field(
        ("goal", "previous_version", "baseline"), min_length=1
    )
    coverage: Coverage | None = Coverage()
    effect: QualityEffect = QualityEffect()
    window: Duration = 60 * MINUTE_US
    baseline: Baseline = Baseline(preceding=7 * DAY_US)

    @model_validator(mode="after")
    def _fits_its_measure(self) -> Self:
        if self.measure == "auc" and self.positive is None:
            raise ValueError("measure auc needs positive, the class whose score is ranked")
        if self.positive is not None and self.measure not in _OF_ONE_CLASS:
            raise ValueError(
                f"positive means nothing to the measure {self.measure}, which is about all classes"
            )
        if bool(self.costs) != (self.measure == "cost"):
            raise ValueError(
                "measure cost needs costs, such as {fraud: {legit: 100}, legit: {fraud: 5}}"
                if self.measure == "cost"
                else f"costs mean nothing to the measure {self.measure}"
            )
        if self.average == "macro" and (self.positive is not None or self.measure not in _OF_ONE_CLASS):
            raise ValueError(
                "average macro is the mean over classes: of a measure of one class, and without positive"
            )
        if self.goal is not None and self.measure != "cost" and not 0 <= self.goal <= 1:
            raise ValueError(f"goal {self.goal:g} is not between 0 and 1")
        if self.labels_within is not None and self.time != PREDICTION_TIME:
            raise ValueError("labels_within needs time: ml.prediction.time, by which a cohort has its age")
        return self

    @property
    def time_field(self) -> str:
        """Cohorts of prediction time, unless the rule says otherwise."""
        return self.time

    @property
    def is_lower_better(self) -> bool:
        """Whether a large value is bad."""
        return self.measure in ("false_negative_rate", "cost")

    def _own_fields(self) -> list[tuple[str, str]]:
        wanted = [("coverage.filter", name) for name in (self.coverage.filter if self.coverage else {})]
        return [("score", self.score), *wanted]


def settles_us(rule: Rule) -> int:
    """Return how much later than others the windows of a rule are judged: its cohorts wait for their labels."""
    return (rule.labels_within or 0) if isinstance(rule, QualityRule) else 0
