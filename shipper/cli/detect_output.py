"""How the detection commands show runs and alerts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from shipper.alert.alert import Alert, State
from shipper.alert.document import to_document
from shipper.alert.wording import group_text, moment_text, number, suspects_text
from shipper.detect.event_time.window import iso
from shipper.detect.rules.kinds import KINDS
from shipper.detect.statistics.probability import MAX_SCORE

if TYPE_CHECKING:
    from shipper.detect.report import RuleReport, RunReport

_SEVERITY_STYLES = {20: "cyan", 30: "yellow", 40: "red", 50: "bold red"}


def as_document(report: RunReport) -> dict[str, Any]:
    """Return a run's report for scripts; moments as ISO 8601."""
    return {
        "watermark": iso(report.watermark_us),
        "lag_s": round(report.lag_us / 1e6, 3),
        "duration_s": round(report.duration_s, 3),
        "windows": report.windows,
        "rules": [_rule_document(rule) for rule in report.rules],
        "alerts": [{"action": one.action, **to_document(one.alert)} for one in report.alerts],
    }


def print_report(report: RunReport) -> None:
    """Print what a run judged, what it lacks, and its alerts."""
    for rule in report.rules:
        for note in rule.notes:
            typer.echo(f"shipper: rule {rule.rule_id}: {note}.", err=True)
    typer.echo(one_line(report))
    resting = [f"{rule.resting} of {rule.rule_id}" for rule in report.rules if rule.resting]
    if resting:
        typer.echo(f"Windows that rested for maintenance or warm-up: {', '.join(resting)}.")
    waiting = [
        f"{one.group}: {one.have} of {one.need} {one.missing} ({rule.rule_id})"
        for rule in report.rules
        for one in rule.waiting
    ]
    if waiting:
        typer.echo("Not enough data yet for " + "; ".join(waiting) + ".")
    if report.alerts:
        print_alerts(
            [one.alert for one in report.alerts], {one.alert.id: one.action for one in report.alerts}
        )


def one_line(report: RunReport) -> str:
    """Return a run in one line."""
    anomalous = sum(rule.anomalous for rule in report.rules)
    late = max((rule.late_events for rule in report.rules), default=0)
    counts: dict[str, int] = {}
    for one in report.changed:
        counts[one.action] = counts.get(one.action, 0) + 1
    told = ", ".join(f"{count} {action}" for action, count in sorted(counts.items())) or "none changed"
    return (
        f"Judged {report.windows} windows up to {moment_text(report.watermark_us)} in {report.duration_s:.1f} s: "
        f"{anomalous} anomalous; alerts: {told}" + (f"; {late} late events" if late else "") + "."
    )


def print_alerts(alerts: Iterable[Alert], actions: Mapping[str, str] | None = None) -> None:
    """Print alerts as a table, one line each."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("alert", no_wrap=True)
    for heading in (
        "state",
        "rule",
        "about",
        "since (UTC)",
        "found after",
        "observed",
        "expected",
        "suspects",
    ):
        table.add_column(heading, overflow="fold")
    for alert in alerts:
        action = (actions or {}).get(alert.id, "")
        state = alert.state.value + (f" ({action})" if action and action != alert.state.value else "")
        style = _SEVERITY_STYLES.get(alert.rule.severity, "") if alert.state is not State.RECOVERED else "dim"
        unit = alert.measured.unit
        table.add_row(
            alert.id[:8],
            state,
            Text(alert.rule.id, style=style),
            ", ".join(alert.group.values()) or "everything",
            moment_text(alert.start_us).removesuffix(" UTC"),
            f"{(alert.detected_us - alert.start_us) / 60e6:.0f} min",
            number(alert.measured.observed, unit),
            number(alert.measured.expected, unit),
            suspects_text(alert),
        )
    Console().print(table)


def print_alert(alert: Alert) -> None:
    """Print everything that is known of one alert."""
    document = to_document(alert)
    unit, measured = alert.measured.unit, alert.measured
    is_test = alert.rule.category not in KINDS or KINDS[alert.rule.category].is_test
    rows = [
        ("alert", alert.id),
        ("state", alert.state.value + (f" ({alert.reason})" if alert.reason else "")),
        ("note", alert.note),
        ("silenced until", moment_text(alert.silenced_until_us) if alert.silenced_until_us else ""),
        ("what", document["message"]),
        ("rule", f"{alert.rule.id} ({alert.rule.category})"),
        ("owner", alert.rule.owner),
        ("about", group_text(alert.group)),
        ("start", moment_text(alert.start_us)),
        ("found", moment_text(alert.detected_us)),
        ("end", moment_text(alert.ended_us) if alert.ended_us is not None else "lasts"),
        (
            "last window",
            f"{moment_text(measured.window_start_us)} to {moment_text(measured.window_end_us)}, {measured.count} events",
        ),
        ("observed", number(measured.observed, unit)),
        ("expected", number(measured.expected, unit)),
        ("ordinary up to", number(measured.threshold, unit)),
        ("windows", str(alert.windows)),
        ("probability", f"{_probability(measured.score)} if nothing were wrong" if is_test else ""),
        *(
            (f"suspect {place}", f"{one.kind} {one.value}: {one.reason}")
            for place, one in enumerate(alert.evidence.suspects, 1)
        ),
        *(
            (name.replace("_", " "), _text(value))
            for name, value in (*measured.facts.items(), *alert.evidence.facts.items())
        ),
        ("sample events", " ".join(alert.evidence.samples)),
        ("commit", alert.commit),
        ("model version", document.get("ml", {}).get("model", {}).get("version", "")),
        ("incident", alert.incident),
        ("link", alert.evidence.url),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        if value:
            typer.echo(f"{name:<{width}}  {value}")


def _probability(score: float) -> str:
    return f"below 10^-{score:.0f}" if score >= MAX_SCORE else f"10^-{score:.1f}"


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _rule_document(rule: RuleReport) -> dict[str, Any]:
    content = asdict(rule)
    content["from"], content["to"] = iso(content.pop("from_us")), iso(content.pop("to_us"))
    return content
