"""`shipper detect`: judge what has arrived, once or for ever, and write alerts."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shipper.cli.detect_backtest import backtest
from shipper.cli.detect_explain import explain
from shipper.cli.detect_past import backfill

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.detect.job import RunOptions
    from shipper.detect.pulse import OwnPulse
    from shipper.detect.report import RunReport
    from shipper.detect.rules.rule import RuleSet
    from shipper.errors import ShipperError

app = typer.Typer(no_args_is_help=True, help="Find what is unusual, window by window, and write alerts.")

app.command("backfill")(backfill)
app.command("explain")(explain)
app.command("backtest")(backtest)

_END_OF_TIME_US = 8_000_000_000_000_000  # the year 2223: dates of Elasticsearch in nanoseconds end in 2262
RulesOption = Annotated[
    Path | None, typer.Option("--rules", help="Rules file; default: detect.rules, else those that ship.")
]


@app.command("run")
def run_command(
    start: Annotated[
        str, typer.Option("--from", help="Judge from here (ISO 8601, UTC); default: the checkpoint.")
    ] = "",
    end: Annotated[
        str, typer.Option("--to", help="Judge up to here; default: as far as events are complete.")
    ] = "",
    rules: RulesOption = None,
    once: Annotated[bool, typer.Option("--once", help="Judge what is due, then end (the default).")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Judge every window that is due, in order, and write alerts; running it again changes nothing."""
    del once  # says in scripts what `run` does anyway
    from shipper.cli.detect_output import as_document, print_report
    from shipper.cli.rules_trail import tell_changed_rules
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.detect.job import run
    from shipper.detect.pulse import OwnPulse
    from shipper.elastic.client import connect
    from shipper.errors import ConfigurationError, ShipperError

    settings = load_settings()
    loaded = load(rules, settings)
    start_us, end_us = moment_of("--from", start), moment_of("--to", end)
    if start_us is not None and end_us is not None and end_us <= start_us:
        raise ConfigurationError(f"--to {end} does not lie after --from {start}.")
    with connect(settings.elasticsearch) as client:
        tell_changed_rules(settings, client, loaded, rules or settings.detect.rules)
        options, pulse = options_of(settings), OwnPulse(client, settings.namespace, SystemClock())
        try:
            report = run(loaded, client, SystemClock(), start_us, end_us, options=options)
        except ShipperError as error:
            pulse.failed(error)
            raise
        if (
            start_us is None and end_us is None
        ):  # else what was judged says nothing of how far behind the job is
            pulse.succeeded(report)
    if as_json:
        typer.echo(json.dumps(as_document(report), ensure_ascii=False))
    else:
        print_report(report)


@app.command("schedule")
def schedule(
    every: Annotated[
        str, typer.Option("--every", help="From start to start, for example 60s or 5m.")
    ] = "60s",
    rules: RulesOption = None,
    metrics: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus there, at /metrics.")
    ] = "",
) -> None:
    """Judge again and again until stopped; of several such jobs one works and the others stand by."""
    from shipper.cli.metrics import detect_metrics_served
    from shipper.cli.rules_trail import tell_changed_rules
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.detect.event_time.window import SECOND_US, parse_duration
    from shipper.detect.job import run
    from shipper.detect.pulse import OwnPulse
    from shipper.detect.schedule import keep_running
    from shipper.elastic.client import connect
    from shipper.errors import ConfigurationError

    settings = load_settings()
    loaded = load(rules, settings)
    try:
        every_s = parse_duration(every) / SECOND_US
    except ValueError as error:
        raise ConfigurationError(f"--every: {error}.") from error
    options, clock, stop = options_of(settings), SystemClock(), threading.Event()
    with _stopped_by_signals(stop), connect(settings.elasticsearch) as client, ExitStack() as served:
        pulse = OwnPulse(client, settings.namespace, clock, every_s)
        served.enter_context(detect_metrics_served(metrics, pulse.status))

        def judge() -> RunReport:
            tell_changed_rules(settings, client, loaded, rules or settings.detect.rules)
            return run(loaded, client, clock, options=options)

        keep_running(
            judge,
            clock,
            stop,
            every_s=every_s,
            on_report=partial(_report, pulse),
            on_trouble=partial(_trouble, pulse),
        )


def _report(pulse: OwnPulse, report: RunReport) -> None:
    from shipper.cli.detect_output import one_line

    pulse.succeeded(report)
    typer.echo(one_line(report))


def _trouble(pulse: OwnPulse, error: ShipperError) -> None:
    pulse.failed(error)
    typer.echo(f"shipper: {error}", err=True)


def load(path: Path | None, settings: Settings) -> RuleSet:
    """Return the rules of a file, of the configuration, or those that ship, in this order."""
    from shipper.detect.rules.rule_file import load_rules
    from shipper.ecs.fields import FIELDS

    return load_rules(path if path is not None else settings.detect.rules, FIELDS)


def options_of(settings: Settings) -> RunOptions:
    """Return what a run needs of the settings."""
    from shipper.detect.job import RunOptions
    from shipper.detect.lease import new_holder

    return RunOptions(
        namespace=settings.namespace,
        allowed_lateness_s=settings.detect.allowed_lateness_s,
        max_catch_up_h=settings.detect.max_catch_up_hours,
        kibana_url=settings.alert.kibana_url,
        holder=new_holder(),
    )


def moment_of(option: str, text: str) -> int | None:
    """Return the microseconds of what a person wrote, None for nothing.

    Raises:
        ConfigurationError: it is no moment.
    """
    from shipper.detect.event_time.window import parse_iso
    from shipper.errors import ConfigurationError

    if not text:
        return None
    try:
        moment = parse_iso(text)
    except ValueError:
        moment = -1
    if not 0 <= moment < _END_OF_TIME_US:
        raise ConfigurationError(f"{option}: {text!r} is not a moment such as 2026-11-21T10:00:00Z.")
    return moment


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and Ctrl-C, and give the old handlers back."""
    before = {
        number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
