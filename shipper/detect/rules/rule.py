"""What a rule may say: one frozen model per kind, validated on construction, unknown keys refused.

Reading a file of them, with lines and guesses, is `shipper.detect.rules.rule_file`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from shipper.datasets import DATASETS
from shipper.detect.event_time.window import DAY_US, MINUTE_US, parse_duration
from shipper.detect.rules.effects import ChangeEffect, DriftEffect, LatencyEffect, RatioEffect
from shipper.detect.rules.maintenance import Maintenance

_MODEL: Final = ConfigDict(frozen=True, extra="forbid")
_SHORTEST_US: Final = 10_000_000
Scalar = str | bool | int | float
Terms = Mapping[str, Scalar | tuple[Scalar, ...]]
"""Field: the value, or one of the values, that an event must have."""

SEVERITIES: Final[Mapping[str, int]] = {"info": 20, "warning": 30, "error": 40, "critical": 50}


def _duration(value: object) -> object:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int) and value >= _SHORTEST_US:  # from our own code, which counts microseconds
        return value
    raise ValueError("write a length of time of at least 10s with its unit, such as 90s, 15m, 6h or 2d")


Duration = Annotated[int, BeforeValidator(_duration), Field(ge=_SHORTEST_US, le=400 * DAY_US)]
"""Microseconds, written as `90s`, `15m`, `6h` or `2d`."""


def _dataset(value: object) -> object:
    if isinstance(value, str) and value not in DATASETS:
        raise ValueError(f"there is no dataset {value!r}; there are {', '.join(DATASETS)}")
    return value


DatasetName = Annotated[str, BeforeValidator(_dataset)]


class Baseline(BaseModel):
    """What is ordinary: the windows before the judged one, without those that were anomalous."""

    model_config = _MODEL
    preceding: Duration = Field(DAY_US, description="how far it reaches back")
    minimum_windows: int = Field(4, ge=1, le=10_000, description="fewer windows with events: not enough data")
    minimum_samples: int = Field(100, ge=1, le=10**9, description="fewer events: not enough data")


class Hysteresis(BaseModel):
    """When an alert opens on weak evidence, and when it ends. Strong evidence opens at once."""

    model_config = _MODEL
    open: int = Field(2, ge=1, le=50, description="anomalous windows ...")
    of: int = Field(3, ge=1, le=50, description="... of this many windows")
    recover: int = Field(3, ge=1, le=1000, description="ordinary windows in a row")

    @model_validator(mode="after")
    def _open_fits(self) -> Self:
        if self.open > self.of:
            raise ValueError(f"open ({self.open}) cannot be more than of ({self.of})")
        return self


class Rule(BaseModel):
    """What all kinds of rules have in common."""

    model_config = _MODEL
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")
    name: str = Field("", max_length=200, description="the rule in words; default: its id")
    enabled: bool = True
    dataset: DatasetName = "ml.inference"
    filter: Terms = Field(default_factory=dict, description="events that the rule looks at")
    group_by: tuple[str, ...] = Field((), max_length=5, description="one judgement per combination of values")
    window: Duration = 15 * MINUTE_US
    baseline: Baseline = Baseline()
    minimum_samples: int = Field(20, ge=1, le=10**9, description="fewer events in a window: not enough data")
    severity: Literal["info", "warning", "error", "critical"] = "error"
    owner: str = Field("", max_length=200, description="whom to tell")
    hysteresis: Hysteresis = Hysteresis()
    maintenance: tuple[Maintenance, ...] = Field((), description="when this rule judges nothing")
    warm_up: Duration | None = Field(None, description="judge nothing for so long after a deployment")

    kind: str
    needs_every_window: ClassVar[bool] = False
    """Whether windows without events are judged too."""
    is_test: ClassVar[bool] = True
    """Whether its verdicts are tests, which share the budget of false alarms; else it compares with what it says."""

    @model_validator(mode="after")
    def _baseline_holds_windows(self) -> Self:
        if self.baseline.preceding < self.baseline.minimum_windows * self.window:
            raise ValueError("baseline.preceding is shorter than baseline.minimum_windows windows")
        return self

    @property
    def title(self) -> str:
        """The rule in words."""
        return self.name or self.id

    @property
    def time_field(self) -> str:
        """The field by whose time events fall into windows."""
        return "@timestamp"

    @property
    def shares_budget(self) -> bool:
        """Whether chance alone may raise an alert of it, which the budget of false alarms covers."""
        return self.is_test

    @property
    def digest(self) -> str:
        """Changes when the rule judges differently; what is only told (name, owner), and when it rests, is left out."""
        told = {"name", "owner", "severity", "enabled", "maintenance", "warm_up"}
        return hashlib.sha256(self.model_dump_json(exclude=told).encode()).hexdigest()[:16]

    def judged_as(self) -> tuple[Rule, ...]:
        """Return the rules that are judged in its place; itself but for kinds that are several in one."""
        return (self,)

    def fields(self) -> list[tuple[str, str]]:
        """Return (key, field) of every field of documents that the rule names."""
        named = [("filter", name) for name in self.filter] + [("group_by", name) for name in self.group_by]
        named += [("maintenance", name) for one in self.maintenance for name in one.group]
        return [*named, *self._own_fields()]

    def _own_fields(self) -> list[tuple[str, str]]:
        return []


class ErrorRateRule(Rule):
    """Too many of the events are bad."""

    kind: Literal["error_rate"] = "error_rate"
    bad: Terms = Field({"event.outcome": "failure"}, min_length=1, description="which events are bad")
    effect: RatioEffect = RatioEffect()

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("bad", name) for name in self.bad]


class LatencyRule(Rule):
    """A percentile of a duration in nanoseconds grew."""

    kind: Literal["latency"] = "latency"
    field: str = "event.duration"
    percentile: float = Field(95.0, ge=50, le=99.9)
    effect: LatencyEffect = LatencyEffect()

    def _own_fields(self) -> list[tuple[str, str]]:
        return [("field", self.field)]


class Coverage(BaseModel):
    """How many of the predictions must have their label before a window is judged."""

    model_config = _MODEL
    dataset: DatasetName = "ml.inference"
    filter: Terms = Field(default_factory=lambda: {"event.outcome": "success"})
    minimum: float = Field(0.8, ge=0, le=1, description="times the share that older windows reached")


class MetricRule(Rule):
    """A measure of quality became worse."""

    kind: Literal["metric"] = "metric"
    dataset: DatasetName = "ml.feedback"
    field: str = Field("ml.prediction.correct", description="a boolean (its share of true) or a number")
    better: Literal["higher", "lower"] = "higher"
    time: Literal["@timestamp", "ml.prediction.time"] = "@timestamp"
    goal: float | None = None
    compare: tuple[Literal["goal", "previous_version", "baseline"], ...] = Field(
        ("goal", "previous_version", "baseline"), min_length=1
    )
    coverage: Coverage | None = None
    effect: ChangeEffect = ChangeEffect()
    window: Duration = 60 * MINUTE_US
    baseline: Baseline = Baseline(preceding=7 * DAY_US)

    @property
    def time_field(self) -> str:
        """Cohorts of prediction time where the rule says so."""
        return self.time

    def _own_fields(self) -> list[tuple[str, str]]:
        wanted = [("coverage.filter", name) for name in (self.coverage.filter if self.coverage else {})]
        return [("field", self.field), *wanted]


class FeatureRule(Rule):
    """What rules about features have in common."""

    of: Literal["features", "predictions", "labels"] = "features"
    features: tuple[str, ...] | Literal["all", "all numeric", "all categorical"] = "all"
    except_features: tuple[str, ...] = Field((), description="left out of `all`")
    training_data: str = Field(
        "", description="name of the profiled data set; default: the model's own profile"
    )

    @model_validator(mode="after")
    def _some_feature(self) -> Self:
        if not self.features:
            raise ValueError("features names none; write a list, `all`, `all numeric` or `all categorical`")
        return self


class DriftRule(FeatureRule):
    """Features are distributed differently."""

    kind: Literal["drift"] = "drift"
    effect: DriftEffect = DriftEffect()
    probability: float = Field(1e-3, gt=0, le=0.05, description="of a window by chance, at most")
    against: Literal["rolling", "fixed", "training"] = "rolling"
    window: Duration = 60 * MINUTE_US
    minimum_samples: int = Field(100, ge=1, le=10**9)
    baseline: Baseline = Baseline(minimum_windows=3, minimum_samples=100)


class SilenceRule(Rule):
    """What always sends something sends nothing."""

    kind: Literal["silence"] = "silence"
    probability: float = Field(1e-5, gt=0, le=0.01, description="of such a silence by chance")
    baseline: Baseline = Baseline(minimum_windows=24)
    needs_every_window: ClassVar[bool] = True


_BUDGET: Final = re.compile(r"([0-9]*\.?[0-9]+)\s*/\s*(day|week)")


def _per_day(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _BUDGET.fullmatch(value.strip())
    if match is None:
        raise ValueError(f"{value!r} is not a budget such as 1/day or 2/week")
    return float(match[1]) / (7 if match[2] == "week" else 1)


class RuleSet(BaseModel):
    """All rules, which share one budget of false alarms."""

    model_config = _MODEL
    version: Literal[1] = 1
    false_alarms: Annotated[float, BeforeValidator(_per_day), Field(gt=0, le=1000)] = Field(
        1.0, description="per day, over all rules, windows and groups; written as 1/day or 2/week"
    )
    maintenance: tuple[Maintenance, ...] = Field((), description="when no rule judges anything")
    rules: tuple[Any, ...] = ()

    @property
    def active(self) -> tuple[Rule, ...]:
        """The enabled rules in the order of the file, each with the maintenance of all."""
        enabled = [rule for rule in self.rules if isinstance(rule, Rule) and rule.enabled]
        judged = (one for rule in enabled for one in rule.judged_as())
        if not self.maintenance:
            return tuple(judged)
        return tuple(
            rule.model_copy(update={"maintenance": self.maintenance + rule.maintenance}) for rule in judged
        )

    @property
    def tests(self) -> int:
        """Number of active rules that share the budget."""
        return sum(rule.shares_budget for rule in self.active)
