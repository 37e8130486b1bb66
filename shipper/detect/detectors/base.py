"""The one contract of all detectors: series in, score out. High means anomalous.

A detector is pure: it sees the windows that are ordinary (the baseline, all of them in the past of the
judged window), the judged window, and the significance level; it returns a `Score`. "Not enough data" is
a score whose `value` is None, with what there is and what it takes. Every detector states in its docstring
its idea, its source, its cost and when it fails, and passes `tests/unit/detect/test_battery.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol

from shipper.detect.fetching.table import Table

Fact = str | int | float | bool | tuple[str, ...]
"""What may stand in the further facts of a score."""

FEW_EVENTS = "events in the window"
FEW_LABELS = "labels in the window"
"""What is missing where the window itself is too small; together with those before it, it may be large enough."""

_NO_FACTS: Mapping[str, Fact] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Score:
    """The judgement of one window by one detector.

    Attributes:
        value: minus log10 of the probability of what was seen (or worse) if nothing is wrong; None while
            there is not enough data.
        effect: size of the change in the unit that the rule's minimum effect uses; None without a value.
        is_effective: the effect reaches the rule's minimum in the bad direction.
        observed, expected, threshold: what was seen, what was expected, where ordinary ends; same unit.
        count: events behind `observed`.
        have, need: data present and required; equal or more once there is a value.
        reach: windows just before the judged one that the evidence includes.
        missing: what the two count, for example "baseline windows"; empty once there is a value.
        facts: further findings for a person, for example the worst features.
        suspects: features (or other parts of the input) that stand out, the worst first.
    """

    value: float | None
    effect: float | None = None
    is_effective: bool = False
    observed: float | None = None
    expected: float | None = None
    threshold: float | None = None
    count: int = 0
    have: int = 0
    need: int = 0
    reach: int = 0
    missing: str = ""
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NO_FACTS)
    suspects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """What a window is compared with.

    Attributes:
        baseline: ordinary windows of the same group, all before the judged one.
        previous: ordinary windows of the previous version of the same model, or None.
    """

    baseline: Table
    previous: Table | None = None


class Detector(Protocol):
    """Judges one window against a reference."""

    unit: ClassVar[str]
    """Unit of observed, expected and threshold: share, ns, psi, events, or empty."""
    can_pool: ClassVar[bool]
    """Whether the sum of a few windows may be judged as one, so that weak evidence adds up."""

    def score(self, current: Table, reference: Reference, level: float) -> Score:
        """Judge `current`, one row of sums.

        Args:
            current: the judged window.
            reference: what is ordinary.
            level: probability of a false positive that this one test may have, 0 < level < 1; it sets the
                `threshold` that is reported, the verdict itself is the caller's.
        """


class FixedStandard:
    """Marks detectors that compare with what a rule says, not with what was ordinary.

    Their reference holds every window before the judged one, the anomalous ones too.
    """


def not_enough(have: float, need: float, missing: str) -> Score:
    """Return the score that says what is lacking: `have` of `need` of `missing`."""
    return Score(None, have=int(have), need=int(need), missing=missing)


@dataclass(frozen=True, slots=True)
class Enough:
    """How much data a judgement takes.

    Attributes:
        samples: events in the judged window.
        baseline_samples: events in the baseline.
        baseline_windows: baseline windows that have at least one event.
    """

    samples: int = 20
    baseline_samples: int = 100
    baseline_windows: int = 4

    def lacking(self, samples: float, baseline_samples: float, baseline_windows: int) -> Score | None:
        """Return the score that names the first shortage, or None when there is enough."""
        if samples < self.samples:
            return not_enough(samples, self.samples, FEW_EVENTS)
        if baseline_windows < self.baseline_windows:
            return not_enough(baseline_windows, self.baseline_windows, "baseline windows")
        if baseline_samples < self.baseline_samples:
            return not_enough(baseline_samples, self.baseline_samples, "baseline events")
        return None
