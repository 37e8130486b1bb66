"""What one run did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shipper.alert.alert import Alert
from shipper.alert.lifecycle import WITHDRAWN, Change

Action = Literal["opened", "recovered", "reopened", "withdrawn", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A group whose newest window could not be judged, and what is lacking: `have` of `need` of `missing`."""

    group: str
    have: int
    need: int
    missing: str


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule in one run; moments in microseconds.

    Attributes:
        from_us, to_us: the judged span; equal where there was nothing to judge.
        windows: judged windows, over all groups.
        unknown: those of them without enough data.
        anomalous: those past level and effect.
        groups: groups with at least one event.
        late_events: events that had come after their windows were judged; those windows were judged again.
        level: significance level of the last window's tests.
        resting: windows that were not judged for maintenance or warm-up.
        waiting: groups that have not enough data now.
        notes: what an operator should know: gaps, a state begun anew, groups left out.
    """

    rule_id: str
    from_us: int
    to_us: int
    windows: int = 0
    unknown: int = 0
    anomalous: int = 0
    groups: int = 0
    late_events: int = 0
    level: float = 0.0
    waiting: tuple[Waiting, ...] = ()
    resting: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertReport:
    """An alert that the judged windows belong to, and what the run did with it."""

    alert: Alert
    action: Action


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run over all rules.

    Attributes:
        watermark_us: event time up to which was judged at most.
        lag_us: how far the watermark was behind the present.
        duration_s: how long the run took.
    """

    watermark_us: int
    lag_us: int
    duration_s: float
    rules: tuple[RuleReport, ...]
    alerts: tuple[AlertReport, ...]

    @property
    def changed(self) -> tuple[AlertReport, ...]:
        """Alerts that this run opened, changed or ended."""
        return tuple(one for one in self.alerts if one.action != "unchanged")

    @property
    def windows(self) -> int:
        """Judged windows over all rules and groups."""
        return sum(rule.windows for rule in self.rules)


def action_of(change: Change) -> Action:
    """Return what a change does to its alert."""
    after = change.after
    if change.before is None:
        return "opened"
    if not change.is_transition:
        return "updated"
    if after.state.is_active:
        return "reopened"
    return "withdrawn" if after.reason == WITHDRAWN else "recovered"
