"""What the demo prints."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shipper.demo.hops import Books
from shipper.demo.outcome import Outcome
from shipper.demo.verdict import SeenAlert, Verdict
from shipper.stack import EmbeddedStack


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


def print_alerts(console: Console, alerts: Sequence[tuple[SeenAlert, Mapping[str, Any]]]) -> None:
    """Print the alerts with what a person needs to find the cause."""
    table = Table(title=f"{len(alerts)} alerts", title_justify="left")
    for heading in ("start", "rule", "message", "observed", "expected", "suspect commit", "sample"):
        table.add_column(heading, justify="right" if heading in ("observed", "expected") else "left")
    for alert, document in alerts:
        facts = document["alert"]
        samples = facts.get("samples") or [""]
        table.add_row(
            _clock(alert.start_us),
            alert.rule,
            alert.message,
            _amount(facts["observed"], facts["unit"]),
            _amount(facts["expected"], facts["unit"]),
            alert.commit[:10],
            samples[0],
        )
    console.print(table)


def print_search(console: Console, title: str, command: str, answer: str) -> None:
    """Print an example search and its results, of each the first line: stack traces would hide the rest."""
    rows = [line for line in answer.splitlines() if line[:2].isdigit()]
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


def print_outcome(console: Console, outcome: Outcome, stack: EmbeddedStack) -> None:
    """Print everything that a person who ran the demo wants to see."""
    truth = outcome.truth
    console.print(
        f"\n{truth.requests:,} requests and {truth.findings:,} findings of 30 simulated hours; "
        f"{truth.broker_restarts} broker restart, {len(truth.killed)} kill -9.\n"
    )
    print_books(console, outcome.books)
    console.print()
    print_alerts(console, outcome.alerts)
    console.print("\n[bold]Three searches[/]")
    for title, command, answer in outcome.searches:
        print_search(console, title, command, answer)
    console.print()
    print_verdict(console, outcome.verdict)
    asked = f"{outcome.panels} searches of Kibana's boards were asked"
    if outcome.failing_panels:
        console.print(f"{asked}; [red]{len(outcome.failing_panels)} answered nothing:[/]")
        for panel in outcome.failing_panels:
            console.print(f"  {panel}", markup=False)
    else:
        console.print(f"{asked}; none failed, none is empty.")
    result = "[green]All is as planted[/]" if outcome.passed else "[red]Not all is as planted[/]"
    console.print(f"\n{result}, seed {outcome.plan.seed}, {outcome.took_s:.0f} s.")
    _print_way_on(console, outcome.config_file, stack)


def _print_way_on(console: Console, config_file: Path, stack: EmbeddedStack) -> None:
    # Inside a virtual environment that is not active, the bare name would not be found.
    program = "shipper" if shutil.which("shipper") else str(Path(sys.executable).parent / "shipper")
    command = f"{program} --config {config_file}"
    console.print(
        f"\nThe servers are up: Kafka {stack.kafka_bootstrap}, Elasticsearch {stack.elasticsearch_url}\n"
        f"Look around:  {command} logs tail\n"
        f"              {command} alerts list\n"
        f"              {command} doctor\n"
        f"Stop them:    {program} stack down   (or: make stop)",
        soft_wrap=True,
    )


def verdict_json(outcome: Outcome) -> dict[str, Any]:
    """Return the result of the demo for a script."""
    books, verdict = outcome.books, outcome.verdict
    return {
        "passed": outcome.passed,
        "seed": outcome.plan.seed,
        "took_s": round(outcome.took_s, 1),
        "requests": outcome.truth.requests,
        "findings": outcome.truth.findings,
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
        "failing_panels": list(outcome.failing_panels),
    }


def _amount(value: float, unit: str) -> str:
    """A number with its unit; durations in milliseconds, shares in percent."""
    if unit == "ns":
        return f"{value / 1e6:.0f} ms"
    if unit == "share":
        return f"{value:.1%}"
    return f"{value:.3g} {unit}".strip()


def _clock(timestamp_us: int) -> str:
    return datetime.fromtimestamp(timestamp_us / 1e6, UTC).strftime("%d %b %H:%M")
