"""`shipper doctor`: each hop of a record's way, and what to do where it is not well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipper.cli.doctor_checks import Check

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """Look at every hop, from this machine to Elasticsearch; exit 1 where something fails."""
    found: list[Check] = []
    for check in _checks():
        found.append(check)
        if not as_json:
            _print(check)
    failed = sum(check.state == "fail" for check in found)
    warned = sum(check.state == "warn" for check in found)
    if as_json:
        typer.echo(json.dumps({"ok": not failed, "checks": [asdict(check) for check in found]}, indent=2))
    else:
        typer.echo(f"{len(found)} checks, {warned} warnings, {failed} failures.")
    if failed:
        raise typer.Exit(1)


def _checks() -> Iterator[Check]:
    from shipper.cli.doctor_checks import Check, host_checks, kafka_checks, spool_checks
    from shipper.clock import SystemClock
    from shipper.config import config_file, load_settings
    from shipper.errors import ConfigurationError

    yield from host_checks()
    try:
        path = config_file()
        settings = load_settings()
    except ConfigurationError as error:
        yield Check("configuration", "fail", str(error), "correct it; the other checks need it")
        return
    yield Check("configuration", "ok", str(path.resolve()) if path else "no file; environment and defaults")
    yield from spool_checks(settings.spool, SystemClock().now_us())
    yield from kafka_checks(settings.kafka, settings.index)
    try:
        from shipper.cli.doctor_store import elasticsearch_checks
    except ModuleNotFoundError:
        yield Check(
            "elasticsearch",
            "warn",
            "its client is not installed, so it was not looked at",
            "pip install 'shipper[index]'; a machine that only logs does not need it",
        )
        return
    yield from elasticsearch_checks(settings.elasticsearch, settings.namespace, SystemClock())


def _print(check: Check) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text()
    line.append(f"{check.state:5}", style=_STYLES[check.state])
    line.append(f"{check.name}: ", style="bold")
    line.append(check.found)
    if check.advice:
        line.append(f"\n     → {check.advice}", style="cyan")
    Console(highlight=False).print(line, soft_wrap=True)
