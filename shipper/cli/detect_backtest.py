"""`shipper detect backtest`: what rules would have said of the past, and what that was worth."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shipper.detect.backtest import Measure, Raised
    from shipper.detect.rules.rule import RuleSet

_WORSE = 1


@dataclass(frozen=True, slots=True)
class Tried:
    """One rules file with what it raised and what that was worth."""

    name: str
    raised: tuple[Raised, ...]
    measure: Measure


@dataclass(frozen=True, slots=True)
class Demands:
    """What a rules file has to reach; None: whatever it reaches."""

    recall: float | None = None
    precision: float | None = None
    per_week: float | None = None


def backtest(  # noqa: PLR0913, PLR0917 - each is an option that a user types
    rules: Annotated[
        str, typer.Argument(metavar="RULES", help="Rules file; `default` for the rules that ship.")
    ],
    start: Annotated[str, typer.Option("--from", help="Judge from here (ISO 8601, UTC).")],
    end: Annotated[str, typer.Option("--to", help="Judge up to here.")],
    truth: Annotated[
        Path | None, typer.Option("--truth", help="CSV or YAML of what was wrong: start, end, group, name.")
    ] = None,
    against: Annotated[
        str, typer.Option("--against", metavar="RULES", help="Another rules file, to compare with.")
    ] = "",
    miss: Annotated[
        float, typer.Option("--cost-of-miss", min=0, help="Of a fault that is not found.")
    ] = 10.0,
    noise: Annotated[
        float, typer.Option("--cost-of-noise", min=0, help="Of an alert that is about no fault.")
    ] = 1.0,
    tolerance: Annotated[
        str, typer.Option("--tolerance", help="An alert up to so long after a fault is about it.")
    ] = "30m",
    min_recall: Annotated[
        float | None, typer.Option("--min-recall", min=0, max=1, help="Exit code 1 below it.")
    ] = None,
    min_precision: Annotated[
        float | None, typer.Option("--min-precision", min=0, max=1, help="Exit code 1 below it.")
    ] = None,
    max_per_week: Annotated[
        float | None, typer.Option("--max-per-week", min=0, help="Exit code 1 with more alerts a week.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all alerts.")] = False,
) -> None:
    """Try rules on the past: recall, precision, delay, alerts per week, cost; nothing is written.

    Exit code 1, for a pull request: a demand is not met, or the rules cost more than those they are compared with.
    """
    from shipper.alert.wording import moment_text
    from shipper.config import load_settings
    from shipper.detect.backtest import Price, measured, with_events
    from shipper.detect.backtest import backtest as judged
    from shipper.detect.truth import load_truth
    from shipper.elastic.client import connect

    settings, span = load_settings(), _span(start, end)
    price = Price(miss, noise, _length(tolerance))
    sets = [(name, _rules(name)) for name in (rules, against) if name]
    faults = load_truth(truth) if truth is not None else None
    tried = []
    with connect(settings.elasticsearch) as client:
        asked, span = span, with_events(client, settings.namespace, span)
        if span != asked:
            typer.echo(
                f"shipper: the first event is of {moment_text(span[0])}; counted from there.", err=True
            )
        for name, loaded in sets:
            with _progress(name) as on_progress:
                raised = judged(loaded, client, settings.namespace, span, on_progress)
            tried.append(Tried(name, raised, measured(raised, span, faults, price)))
    demands = Demands(min_recall, min_precision, max_per_week)
    worse = shortcomings(tried[0], tried[1] if len(tried) > 1 else None, demands)
    if as_json:
        found = {"results": [as_document(one) for one in tried], "shortcomings": worse}
        typer.echo(json.dumps(found, ensure_ascii=False))
    else:
        print_tried(tried)
        for sentence in worse:
            typer.echo(f"shipper: {sentence}", err=True)
    if worse:
        raise typer.Exit(_WORSE)


def shortcomings(tried: Tried, other: Tried | None, demands: Demands) -> list[str]:
    """Return why the rules should not be taken, a sentence each; none: they may be."""
    measure, found = tried.measure, []
    for name, value, least in (
        ("recall", measure.recall, demands.recall),
        ("precision", measure.precision, demands.precision),
    ):
        if least is not None and measure.faults is None:
            found.append(f"There is no {name} without --truth.")
        elif least is not None and value is not None and value < least:
            found.append(f"The {name} of {tried.name} is {value:.3f}, less than {least:g}.")
    if demands.per_week is not None and measure.per_week > demands.per_week:
        found.append(
            f"{tried.name} raises {measure.per_week:.1f} alerts a week, more than {demands.per_week:g}."
        )
    before = other.measure.cost if other is not None else None
    if other is not None and before is not None and measure.cost is not None and measure.cost > before:
        found.append(f"{tried.name} costs {measure.cost:g}, more than the {before:g} of {other.name}.")
    return found


def as_document(tried: Tried) -> dict[str, Any]:
    """Return a result for scripts; moments as ISO 8601, delays in seconds."""
    from shipper.detect.event_time.window import iso

    measure = asdict(tried.measure)
    missed = [
        {"start": iso(one.start_us), "end": iso(one.end_us), "group": dict(one.group), "name": one.name}
        for one in tried.measure.missed
    ]
    delay, slowest = measure.pop("delay_us"), measure.pop("slowest_us")
    return {
        "rules": tried.name,
        **measure,
        "cost": tried.measure.cost,
        "delay_s": None if delay is None else delay / 1e6,
        "slowest_s": None if slowest is None else slowest / 1e6,
        "missed": missed,
        "raised": [
            {
                "rule": one.rule_id,
                "group": one.group,
                "start": iso(one.start_us),
                "detected": iso(one.detected_us),
                "ended": iso(one.ended_us) if one.ended_us is not None else None,
            }
            for one in tried.raised
        ],
    }


def print_tried(tried: list[Tried]) -> None:
    """Print the results side by side, and the faults that the first rules missed."""
    from rich.console import Console
    from rich.table import Table

    from shipper.alert.wording import group_text, moment_text

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for one in tried:
        table.add_column(one.name, justify="right", overflow="fold")
    for row in zip(*(_rows(one.measure) for one in tried), strict=True):
        table.add_row(row[0][0], *(value for _, value in row))
    Console().print(table)
    for fault in tried[0].measure.missed:
        typer.echo(
            f"Missed: {fault.name or 'a fault'} from {moment_text(fault.start_us)} to {moment_text(fault.end_us)}"
            f" ({group_text(fault.group)})"
        )


def _rows(measure: Measure) -> Iterator[tuple[str, str]]:
    def shown(value: float | None, form: str) -> str:
        return "unknown" if value is None else format(value, form)

    def minutes(value: float | None) -> str:
        return "unknown" if value is None else f"{value / 60e6:.0f} min"

    yield "alerts", str(measure.alerts)
    yield "alerts per week", f"{measure.per_week:.1f}"
    yield "about a fault", shown(measure.right, "d")
    yield "noise", shown(measure.noise, "d")
    yield "faults", shown(measure.faults, "d")
    yield "found", shown(measure.found, "d")
    yield "recall", shown(measure.recall, ".3f")
    yield "precision", shown(measure.precision, ".3f")
    yield "delay, median", minutes(measure.delay_us)
    yield "delay, longest", minutes(measure.slowest_us)
    yield "cost of misses", shown(measure.cost_of_misses, "g")
    yield "cost of noise", shown(measure.cost_of_noise, "g")
    yield "cost", shown(measure.cost, "g")


def _span(start: str, end: str) -> tuple[int, int]:
    from shipper.cli.detect import moment_of
    from shipper.errors import ConfigurationError

    start_us, end_us = moment_of("--from", start), moment_of("--to", end)
    if start_us is None or end_us is None or end_us <= start_us:
        raise ConfigurationError(f"--to {end} does not lie after --from {start}.")
    return start_us, end_us


def _length(text: str) -> int:
    from shipper.detect.event_time.window import parse_duration
    from shipper.errors import ConfigurationError

    try:
        return parse_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"--tolerance: {error}.") from error


def _rules(name: str) -> RuleSet:
    from shipper.detect.rules.rule_file import load_rules
    from shipper.ecs.fields import FIELDS

    return load_rules(None if name == "default" else Path(name), FIELDS)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far the judging is, on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)
