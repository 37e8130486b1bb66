"""What a rule about a service level objective may say: how good, over how long, and how fast the budget may burn."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US, ceil_to, format_duration
from shipper.detect.rules.rule import Baseline, DatasetName, Duration, Hysteresis, Rule, Terms

Severity = Literal["info", "warning", "error", "critical"]
_SPARE_WINDOWS: Final = 2


def _share(value: object) -> object:
    """Return the share of `99.9%`, 99.9 or 0.999."""
    if isinstance(value, str) and value.strip().endswith("%"):
        try:
            return round(float(value.strip().removesuffix("%")) / 100, 12)
        except ValueError:
            return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 < value < 100:
        return round(value / 100, 12)
    return value


Objective = Annotated[float, BeforeValidator(_share), Field(gt=0, lt=1)]
"""A share, written as `99.9%`, 99.9 or 0.999."""


class Burn(BaseModel):
    """The budget burns so many times too fast, over both windows."""

    model_config = {"frozen": True, "extra": "forbid"}
    rate: float = Field(gt=0, le=100_000, allow_inf_nan=False, description="times what lasts for the period")
    long: Duration
    short: Duration = Field(description="ends the alert soon after the cause is gone")
    severity: Severity | None = Field(None, description="default: the rule's")

    @model_validator(mode="after")
    def _short_is_shorter(self) -> Self:
        if self.short >= self.long:
            raise ValueError(
                f"short ({format_duration(self.short)}) is not shorter than long ({format_duration(self.long)})"
            )
        return self


WORKBOOK: Final = (
    Burn(rate=14.4, long=HOUR_US, short=5 * MINUTE_US, severity="critical"),
    Burn(rate=6, long=6 * HOUR_US, short=30 * MINUTE_US, severity="critical"),
    Burn(rate=1, long=3 * DAY_US, short=6 * HOUR_US, severity="warning"),
)
"""2 % of a 30 days' budget in an hour, 5 % in six hours, 10 % in three days: Beyer et al., The Site Reliability
Workbook (2018), chapter 5, "Multiwindow, multi-burn-rate alerts"."""


class SloRule(Rule):
    """The error budget of an objective burns too fast."""

    kind: Literal["slo"] = "slo"
    dataset: DatasetName = "ml.inference"
    objective: Objective = Field(description="share of events that are to be good, such as 99.9%")
    period: Duration = Field(30 * DAY_US, description="for which the error budget is meant to last")
    bad: Terms | None = Field(None, min_length=1, description="which events are bad")
    good: Terms | None = Field(None, min_length=1, description="which are good; all others are bad")
    slower_than_ms: float | None = Field(None, gt=0, le=1e9, description="bad is what takes longer")
    field: str = Field("event.duration", description="the duration in nanoseconds")
    burn: tuple[Burn, ...] = Field(WORKBOOK, min_length=1, max_length=10)
    minimum_bad: int = Field(3, ge=1, le=10**9, description="fewer bad events in the long window: no alert")
    probability: float = Field(
        1e-3, gt=0, le=1, description="of so many bad events by chance at half the rate, at most"
    )
    window: Duration = Field(5 * MINUTE_US, description="how often is judged")
    minimum_samples: int = Field(1, ge=1, le=10**9)
    baseline: Baseline = Baseline(minimum_windows=1, minimum_samples=1)
    hysteresis: Hysteresis = Hysteresis(open=1, of=1, recover=1)
    needs_every_window: ClassVar[bool] = True
    is_test: ClassVar[bool] = False

    @model_validator(mode="after")
    def _says_what_is_bad(self) -> Self:
        said = [name for name in ("bad", "good", "slower_than_ms") if getattr(self, name) is not None]
        if len(said) > 1:
            raise ValueError(f"{' and '.join(said)} exclude each other")
        for one in self.burn:
            for length in (one.long, one.short):
                if length % self.window:
                    text = format_duration(length)
                    raise ValueError(
                        f"burn: {text} is no multiple of the window {format_duration(self.window)}"
                    )
        most = 1 / (1 - self.objective)
        for one in self.burn:
            if one.rate >= most:
                raise ValueError(
                    f"burn: a rate of {one.rate:g} is never reached; if all events are bad it is {most:.4g}"
                )
        if max(one.long for one in self.burn) > self.period:
            raise ValueError("burn: a window is longer than period")
        # Frozen for others: how far back is looked follows from the longest window alone.
        object.__setattr__(self, "baseline", self.baseline.model_copy(update={"preceding": self.reach()}))
        return self

    def reach(self) -> int:
        """Return how far before a judged window is looked: the longest window, and what an alert needs to end."""
        longest = max(HOUR_US, *(one.long for one in self.burn))
        return ceil_to(longest, self.window) + (self.hysteresis.recover + _SPARE_WINDOWS) * self.window

    @property
    def bad_terms(self) -> Terms:
        """What makes an event bad where it is neither slowness nor the lack of something good."""
        return self.bad or {"event.outcome": "failure"}

    def judged_as(self) -> tuple[Rule, ...]:
        """Return one rule per severity, so that what has to wake somebody is not hidden behind what can wait."""
        severities = dict.fromkeys(one.severity or self.severity for one in self.burn)
        found = []
        for severity in severities:
            burn = tuple(one for one in self.burn if (one.severity or self.severity) == severity)
            name = f"{self.id}.{severity}" if len(severities) > 1 else self.id
            one = self.model_copy(update={"id": name, "name": self.title, "severity": severity, "burn": burn})
            baseline = self.baseline.model_copy(update={"preceding": one.reach()})
            found.append(one.model_copy(update={"baseline": baseline}))
        return tuple(found)

    def _own_fields(self) -> list[tuple[str, str]]:
        if self.slower_than_ms is not None:
            return [("field", self.field)]
        key = "good" if self.good is not None else "bad"
        return [(key, name) for name in (self.good or self.bad_terms)]
