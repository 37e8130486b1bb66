"""What a rule about the quality of data may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self

from pydantic import BaseModel, Field, model_validator

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from shipper.detect.rules.rule import Baseline, Duration, FeatureRule

Check = Literal[
    "missing",
    "out_of_range",
    "new_category",
    "constant",
    "duplicate",
    "imbalance",
    "label_conflict",
    "schema",
]

WORDS: Final[Mapping[str, str]] = {
    "missing": "{feature} is missing in {share} of {count} events, expected were {expected}",
    "out_of_range": "{feature} is out of its range in {share} of {count} events, expected were {expected}",
    "constant": "{feature} has one value in all {count} events; its most frequent one had {expected} before",
    "duplicate": "{share} of {count} events repeat the {feature} of another, expected were {expected}",
    "imbalance": "one class of {feature} has {share} of {count} events, expected were {expected}",
    "label_conflict": "{share} of {count} {feature} contradict another label of the same event, expected were {expected}",
    "new_category": "{feature} has the value {value} in {share} of {count} events, never seen in {before} before",
    "schema": "{feature} {change}: in {share} of {count} events, before in {expected} of {before}",
}
"""The sentence of each check."""


class DataEffect(BaseModel):
    """Least change that matters."""

    model_config = {"frozen": True, "extra": "forbid"}
    share: float = Field(0.02, ge=0, le=1, description="of the events, more than expected")


class DataRule(FeatureRule):
    """Data are not what they were: one check per rule."""

    kind: Literal["data"] = "data"
    check: Check
    key: str = Field(
        "ml.prediction.id", description="what makes two events the same: duplicate, label_conflict"
    )
    label: str = Field("", description="label_conflict, imbalance; default: by `of`")
    ranges: Mapping[str, tuple[float | None, float | None]] = Field(
        default_factory=dict, description="out_of_range: feature: [least, most]"
    )
    limit: float | None = Field(
        None, ge=0, le=1, description="share that is always allowed, instead of the baseline's"
    )
    effect: DataEffect = DataEffect()
    window: Duration = 60 * MINUTE_US
    minimum_samples: int = Field(30, ge=1, le=10**9)
    baseline: Baseline = Baseline(preceding=3 * DAY_US, minimum_windows=3, minimum_samples=100)

    @model_validator(mode="after")
    def _has_its_range(self) -> Self:
        if self.check == "out_of_range" and not self.ranges and not self.training_data:
            raise ValueError(
                "check out_of_range needs ranges, such as {age: [0, 120]}, or training_data, the name of a profile"
            )
        if self.limit is not None and self.check in ("new_category", "schema", "constant"):
            raise ValueError(f"limit means nothing to the check {self.check}")
        return self

    @property
    def label_field(self) -> str:
        """The field of the class."""
        if self.label:
            return self.label
        is_label = self.of == "labels" or self.dataset == "ml.feedback" or self.check == "label_conflict"
        return "ml.feedback.label" if is_label else "ml.prediction.label"

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("key", self.key), ("label", self.label_field)]
