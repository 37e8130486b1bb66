"""`shipper detect backfill`: a stretch of the past judged as if it had run then."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.clock import Clock
    from shipper.detect.report import RunReport

_PATIENCE_S: Final = 120.0
_PAUSE_S: Final = 2.0

Rules = Annotated[
    Path | None, typer.Option("--rules", help="Rules file; default: detect.rules, else those that ship.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def backfill(
    start: Annotated[str, typer.Argument(metavar="FROM", help="Judge from here (ISO 8601, UTC).")],
    end: Annotated[str, typer.Argument(metavar="TO", help="Judge up to here.")],
    rules: Rules = None,
    as_json: AsJson = False,
) -> None:
    """Judge a stretch of the past as if it had run then; a second time changes nothing.

    Alerts have the times that they would have had. Where the checkpoint lies in the stretch it moves to its end,
    elsewhere it stays where it is.
    """
    from shipper.cli.detect import load, moment_of, options_of
    from shipper.cli.detect_output import as_document, print_report
    from shipper.cli.rules_trail import tell_changed_rules
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.detect.job import run
    from shipper.elastic.client import connect
    from shipper.errors import ConfigurationError

    settings, clock = load_settings(), SystemClock()
    loaded = load(rules, settings)
    start_us, end_us = moment_of("FROM", start), moment_of("TO", end)
    if start_us is None or end_us is None or end_us <= start_us:
        raise ConfigurationError(f"TO {end} does not lie after FROM {start}.")
    with connect(settings.elasticsearch) as client:
        tell_changed_rules(settings, client, loaded, rules or settings.detect.rules)
        options = options_of(settings)
        report = when_free(
            lambda: run(loaded, client, clock, start_us, end_us, options=options), clock, _PATIENCE_S
        )
    if as_json:
        typer.echo(json.dumps(as_document(report), ensure_ascii=False))
    else:
        print_report(report)


def when_free(judge: Callable[[], RunReport], clock: Clock, patience_s: float) -> RunReport:
    """Judge as soon as no other job has the lease: a scheduler has it for seconds at a time.

    Raises:
        LeaseHeld: another job had it all the time.
    """
    from shipper.detect.lease import LeaseHeld

    deadline, told = clock.monotonic_s() + patience_s, False
    while True:
        try:
            return judge()
        except LeaseHeld as error:
            if clock.monotonic_s() >= deadline:
                raise
            if not told:
                typer.echo(f"shipper: waiting for another detection job ({error.holder}).", err=True)
                told = True
            clock.wait(threading.Event(), _PAUSE_S)
