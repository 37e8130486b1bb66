"""What the demo prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from shipper.demo.hops import Books
from shipper.demo.verdict import SeenAlert, Verdict


def print_books(console: Console, books: Books) -> None:
    """Print the count at each hop."""
    table = Table(title="Every record's way", title_justify="left")
    for heading in ("hop", "records", "different", "expected", ""):
        table.add_column(
            heading, justify="right" if heading in ("records", "different", "expected") else "left"
        )
    for hop in books.hops:
        mark = "[green]balances[/]" if hop.balances else "[red]does not balance[/]"
        table.add_row(hop.name, f"{hop.records:,}", f"{hop.distinct:,}", hop.expected, mark)
    console.print(table)
    for problem in books.problems:
        console.print(f"[red]{problem}[/]")


def print_alerts(
    console: Console, alerts: Sequence[SeenAlert], documents: Iterable[Mapping[str, Any]]
) -> None:
    """Print the alerts with what a person needs to find the cause."""
    table = Table(title=f"{len(alerts)} alerts", title_justify="left")
    for heading in ("start", "rule", "message", "observed", "expected", "suspect commit", "sample"):
        table.add_column(heading, justify="right" if heading in ("observed", "expected") else "left")
    for alert, document in zip(alerts, documents, strict=True):
        facts = document["alert"]
        samples = facts.get("samples") or [""]
        table.add_row(
            _clock(alert.start_us),
            alert.rule,
            alert.message,
            f"{facts['observed']:.4g}",
            f"{facts['expected']:.4g}",
            alert.commit[:10],
            samples[0],
        )
    console.print(table)


def print_search(console: Console, title: str, command: str, rows: Sequence[str]) -> None:
    """Print an example search and its first results."""
    console.print(f"[bold]{title}[/]  [dim]{command}[/]", highlight=False)
    for row in rows or ["(nothing)"]:
        console.print(f"  {row}", highlight=False, overflow="ellipsis", no_wrap=True, markup=False)


def print_verdict(console: Console, verdict: Verdict) -> None:
    """Print what was planted beside what was found."""
    table = Table(title="Planted and found", title_justify="left")
    for heading in ("planted by the faulty commit", "rule", "found", "after (simulated)", "names the commit"):
        table.add_column(heading)
    for finding in verdict.findings:
        if finding.alert is None or finding.delay_s is None:
            table.add_row(finding.consequence, finding.category, "[red]missed[/]", "", "")
            continue
        table.add_row(
            finding.consequence,
            finding.alert.rule,
            "[green]yes[/]",
            f"{finding.delay_s / 60:.0f} min",
            "[green]yes[/]" if finding.names_commit else "[red]no[/]",
        )
    console.print(table)
    for alert in verdict.false_alerts:
        console.print(f"[red]false alert[/] {_clock(alert.start_us)} {alert.rule}: {alert.message}")
    if not verdict.false_alerts:
        console.print("No false alert was raised.")


def verdict_json(books: Books, verdict: Verdict, panels_empty: Sequence[str]) -> dict[str, Any]:
    """Return the result of the demo for a script."""
    return {
        "balance": books.balance,
        "problems": list(books.problems),
        "hops": [
            {"hop": hop.name, "records": hop.records, "distinct": hop.distinct, "balances": hop.balances}
            for hop in books.hops
        ],
        "planted": [
            {
                "category": finding.category,
                "found": finding.alert is not None,
                "delay_s": finding.delay_s,
                "names_commit": finding.names_commit,
            }
            for finding in verdict.findings
        ],
        "false_alerts": [
            {"rule": alert.rule, "message": alert.message, "start_us": alert.start_us}
            for alert in verdict.false_alerts
        ],
        "empty_panels": list(panels_empty),
        "passed": books.balance and verdict.passed and not panels_empty,
    }


def _clock(timestamp_us: int) -> str:
    return datetime.fromtimestamp(timestamp_us / 1e6, UTC).strftime("%d %b %H:%M")
