"""Findings and alerts for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shipper.alert.alert import Alert, Context, Evidence, Suspect
from shipper.alert.finding import Finding, Measured, RuleFacts
from shipper.alert.lifecycle import reconcile

MINUTE_US = 60_000_000
START_US = 1_790_000_100_000_000
RULE = RuleFacts("errors", "Too many fail", "error_rate", 40, "team-a")
GROUP: dict[str, str | None] = {"service.name": "api", "ml.model.version": None}
MEASURED = Measured(
    window_start_us=START_US,
    window_end_us=START_US + 15 * MINUTE_US,
    observed=0.25,
    expected=0.01,
    threshold=0.04,
    unit="share",
    score=12.5,
    effect=25.0,
    count=80,
    facts={"bad_events": 20},
)
EVIDENCE = Evidence(
    samples=("p-1", "p-2"),
    suspects=(Suspect("commit", "c" * 40, "first seen then"), Suspect("feature", "age", "moved")),
    context=Context("api", "m", "2", "c" * 40),
    facts={"events": 80, "error_types": ("ValueError (19)",)},
    url="https://kibana/app",
)


def finding(**changes: Any) -> Finding:
    """A finding that lasts, with any part changed."""
    plain = Finding(RULE, GROUP, START_US, START_US + 15 * MINUTE_US, 1, measured=MEASURED)
    return replace(plain, **changes)


def alert(**changes: Any) -> Alert:
    """An open alert, with any part changed."""
    (change,) = reconcile([finding()], [], (START_US, START_US + 1), lambda _: EVIDENCE)
    return replace(change.after, **changes)
