"""From findings to changes of alerts: pure, so that a second look at the same findings changes nothing.

::

    (none) --found--> open --a person--> acknowledged
                       |  \\                 |
                       |   +--ordinary again-+--> recovered --late data: it was not over--> open

A finding belongs to the alert of its rule and group that it overlaps in time; the alert keeps its id and
its start, whatever late data say about where the anomaly really began. An alert whose finding is gone
after late data is recovered with the reason `withdrawn`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shipper.alert.alert import Alert, Evidence, State, alert_id
from shipper.alert.finding import Finding

WITHDRAWN: Final = "withdrawn: data that came late show nothing unusual"


@dataclass(frozen=True, slots=True)
class Change:
    """One alert as it was (None: new) and as it shall be, and when it changed, in event time."""

    before: Alert | None
    after: Alert
    at_us: int

    @property
    def is_transition(self) -> bool:
        """Whether the state changed; otherwise only what is known of it did."""
        return self.before is None or self.before.state is not self.after.state


def reconcile(
    findings: Iterable[Finding],
    existing: Sequence[Alert],
    judged: tuple[int, int],
    gather: Callable[[Finding], Evidence],
) -> Iterator[Change]:
    """Yield what has to change so that the alerts of one rule and group say what was found.

    Args:
        findings: what the group's windows show, in order of time.
        existing: its alerts.
        judged: the moments [from, to) that were judged now; alerts that start elsewhere are not withdrawn.
        gather: collects the evidence of a finding that has no alert yet.
    """
    unclaimed = sorted(existing, key=lambda alert: alert.start_us)
    for finding in findings:
        mine = next((alert for alert in unclaimed if _overlap(alert, finding)), None)
        if mine is not None:
            unclaimed.remove(mine)
            after = _updated(mine, finding)
            if after != mine:
                yield _numbered(mine, after, _moment_of(mine, after, finding))
        elif finding.measured is not None:
            new = _opened(finding, gather(finding))
            yield Change(None, new, finding.detected_us)
            closed = _updated(new, finding)
            if closed != new:
                yield _numbered(new, closed, _moment_of(new, closed, finding))
    for alert in unclaimed:
        if alert.state.is_active and judged[0] <= alert.start_us < judged[1]:
            gone = replace(alert, state=State.RECOVERED, ended_us=alert.start_us, reason=WITHDRAWN)
            yield _numbered(alert, gone, alert.detected_us)


def acknowledged(alert: Alert, note: str, at_us: int) -> Change | None:
    """Return the change that a person's acknowledgement makes, or None where there is nothing to change."""
    if not alert.state.is_active or (alert.state is State.ACKNOWLEDGED and alert.note == note):
        return None
    after = replace(alert, state=State.ACKNOWLEDGED, note=note, revision=alert.revision + 1)
    return Change(alert, after, at_us)


def silenced(alert: Alert, until_us: int | None, at_us: int) -> Change | None:
    """Return the change that a person's wish for silence makes, or None where there is nothing to change.

    The state stays what it is: the alert goes on being judged, and recovers when it is over.

    Args:
        until_us: until when; None: from now on it is heard again.
    """
    if not alert.state.is_active or alert.silenced_until_us == until_us:
        return None
    return Change(alert, replace(alert, silenced_until_us=until_us, revision=alert.revision + 1), at_us)


def _opened(finding: Finding, evidence: Evidence) -> Alert:
    if finding.measured is None:
        raise ValueError("an alert opens on what was measured")
    return Alert(
        id=alert_id(finding.rule.id, finding.group, finding.start_us),
        rule=finding.rule,
        group={name: value for name, value in finding.group.items() if value is not None},
        state=State.OPEN,
        start_us=finding.start_us,
        detected_us=finding.detected_us,
        windows=finding.windows,
        measured=finding.measured,
        evidence=evidence,
    )


def _updated(alert: Alert, finding: Finding) -> Alert:
    state, ended = alert.state, finding.ended_us
    if ended is not None:
        state = State.RECOVERED
    elif not state.is_active:
        state = State.OPEN
    return replace(
        alert,
        rule=finding.rule,
        state=state,
        windows=max(finding.windows, 1),
        measured=finding.measured or alert.measured,
        ended_us=ended,
        reason="" if state is not alert.state else alert.reason,
    )


def _numbered(before: Alert, after: Alert, at_us: int) -> Change:
    return Change(before, replace(after, revision=before.revision + 1), at_us)


def _moment_of(before: Alert, after: Alert, finding: Finding) -> int:
    if after.state is State.RECOVERED and before.state is not State.RECOVERED and finding.recovered_us:
        return finding.recovered_us
    return after.measured.window_end_us


def _overlap(alert: Alert, finding: Finding) -> bool:
    alert_end = alert.ended_us if alert.ended_us is not None else float("inf")
    finding_end = finding.ended_us if finding.ended_us is not None else float("inf")
    # A withdrawn alert has no length, but is found again by its start.
    return (alert.start_us < finding_end and finding.start_us < alert_end) or (
        alert.start_us == finding.start_us
    )
