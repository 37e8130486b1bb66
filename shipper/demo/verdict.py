"""The alerts held against what the demo planted: found, how late, and what was raised falsely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shipper.demo.plan import Plan

FAULTY_FEATURE: Final = "mean texture"

PLANTED: Final[Mapping[str, str]] = {
    "error_rate": "missing textures make predictions fail",
    "latency": "retries of the lookup make answers slow",
    "metric": "wrongly scaled textures make answers wrong",
    "drift": "the texture is ten times smaller, or missing",
}
"""The consequences of the one faulty commit, by the category of rule that should see each."""


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """What the verdict needs of an alert document; times in microseconds since the epoch.

    Attributes:
        start_us: start of the first anomalous window.
        judged_us: end of the window that brought certainty.
    """

    alert_id: str
    category: str
    rule: str
    service: str
    features: tuple[str, ...]
    version: str
    commit: str
    start_us: int
    judged_us: int
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One planted consequence and the first alert that tells of it; `delay_s` in simulated seconds."""

    category: str
    consequence: str
    alert: SeenAlert | None
    delay_s: float | None
    names_commit: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything planted, and every alert that nothing planted explains."""

    findings: tuple[Finding, ...]
    false_alerts: tuple[SeenAlert, ...]

    @property
    def passed(self) -> bool:
        """Nothing missed, nothing false, and each alert names the faulty commit."""
        return not self.false_alerts and all(
            finding.alert is not None and finding.names_commit for finding in self.findings
        )


def judge(alerts: Iterable[SeenAlert], plan: Plan, fault_commit: str) -> Verdict:
    """Compare the alerts with the plan.

    An alert is true when its category is that of a planted consequence, its first window reaches into
    the fault, and it is about the faulty service; a drift alert must name the faulty feature and no other.
    """
    ordered = sorted(alerts, key=lambda alert: (alert.judged_us, alert.alert_id))
    true_alerts = [alert for alert in ordered if _is_true(alert, plan)]
    findings = []
    for category, consequence in PLANTED.items():
        first = next((alert for alert in true_alerts if alert.category == category), None)
        findings.append(
            Finding(
                category,
                consequence,
                first,
                None if first is None else (first.judged_us - plan.fault_us) / 1e6,
                first is not None and first.commit == fault_commit,
            )
        )
    false_alerts = tuple(alert for alert in ordered if alert not in true_alerts)
    return Verdict(tuple(findings), false_alerts)


def _is_true(alert: SeenAlert, plan: Plan) -> bool:
    # A window that begins before the fault and reaches into it has seen the fault.
    if alert.judged_us <= plan.fault_us or alert.category not in PLANTED:
        return False
    if alert.category == "drift":
        return bool(alert.features) and all(name.endswith(FAULTY_FEATURE) for name in alert.features)
    return True


def seen_alert(document: Mapping[str, Any]) -> SeenAlert:
    """Read an alert document of `alerts-ml-<namespace>`."""

    def microseconds(text: str) -> int:
        return round(datetime.fromisoformat(text).timestamp() * 1e6)

    def at(path: str) -> Any:
        value: Any = document
        for part in path.split("."):
            value = value.get(part, {}) if isinstance(value, Mapping) else {}
        return value or ""

    return SeenAlert(
        alert_id=str(at("alert.id")),
        category=str(at("rule.category")),
        rule=str(at("rule.id")),
        service=str(at("service.name")),
        features=tuple(at("alert.evidence.features") or ()),
        version=str(at("ml.model.version")),
        commit=str(at("git.commit")),
        start_us=microseconds(at("event.start")),
        judged_us=microseconds(at("event.created")),
        message=str(at("message")),
    )
