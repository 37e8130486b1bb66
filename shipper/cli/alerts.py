"""`shipper alerts`: what is wrong, what is known of it, and saying that somebody looks after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipper.alert.writer import AlertBook
    from shipper.clock import Clock
    from shipper.config import Settings
    from shipper.elastic.client import ElasticClient

app = typer.Typer(no_args_is_help=True, help="List alerts, show one with its evidence, acknowledge one.")

Identity = Annotated[str, typer.Argument(metavar="ALERT", help="The alert's id or how it starts.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    everything: Annotated[bool, typer.Option("--all", help="Recovered ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alerts that are open or acknowledged, the oldest first."""
    from shipper.alert.alert import State
    from shipper.alert.document import to_document
    from shipper.cli.detect_output import print_alerts

    active = (State.OPEN, State.ACKNOWLEDGED)
    with _book() as book:
        alerts = book.all(tuple(State) if everything else active)
    if as_json:
        typer.echo(json.dumps([to_document(alert) for alert in alerts], ensure_ascii=False))
    elif alerts:
        print_alerts(alerts)
    else:
        typer.echo("There are no alerts." if everything else "No alert is open.")


@app.command("show")
def show(alert: Identity, as_json: AsJson = False) -> None:
    """Show all that is known of one alert: numbers, suspects, sample events."""
    from shipper.alert.document import to_document
    from shipper.cli.detect_output import print_alert

    with _book() as book:
        found = book.one(alert)
    if as_json:
        typer.echo(json.dumps(to_document(found), ensure_ascii=False))
    else:
        print_alert(found)


@app.command("ack")
def ack(
    alert: Identity,
    note: Annotated[str, typer.Option("--note", help="Who looks after it, what is known.")] = "",
) -> None:
    """Acknowledge an alert: somebody looks after it. It still recovers by itself when the cause is gone."""
    from shipper.alert.alert import State
    from shipper.cli.audited import act_of, trail_of
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        book = _book_of(client, settings, SystemClock())
        # First who wants it: an act that is not told is not done.
        trail_of(settings, client).tell(act_of(settings, "alert-ack", book.one(alert).id, note), "change")
        found = book.acknowledge(alert, note)
    if found.state is State.RECOVERED:
        typer.echo(f"Alert {found.id[:8]} has recovered already; nothing was changed.")
    else:
        typer.echo(f"Alert {found.id[:8]} is acknowledged.")


@contextmanager
def _book() -> Iterator[AlertBook]:
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        yield _book_of(client, settings, SystemClock())


def _book_of(client: ElasticClient, settings: Settings, clock: Clock) -> AlertBook:
    from shipper.alert.writer import AlertBook

    return AlertBook(client, settings.namespace, clock)
