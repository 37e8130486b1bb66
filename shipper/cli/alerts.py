"""`shipper alerts`: what is wrong, what is known of it, saying that somebody looks after it or wants to hear no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from shipper.cli.audited import Why

if TYPE_CHECKING:
    from shipper.alert.alert import Alert
    from shipper.alert.writer import AlertBook
    from shipper.clock import Clock
    from shipper.config import Settings
    from shipper.elastic.client import ElasticClient

app = typer.Typer(
    no_args_is_help=True, help="List alerts, show one with its evidence, acknowledge one or silence it."
)

_SILENCE_MAX_US = 30 * 86_400_000_000

Identity = Annotated[str, typer.Argument(metavar="ALERT", help="The alert's id or how it starts.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_command(
    everything: Annotated[bool, typer.Option("--all", help="Recovered and silenced ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the alerts that are open or acknowledged, the oldest first."""
    from shipper.alert.alert import State
    from shipper.alert.document import to_document
    from shipper.alert.wording import moment_text
    from shipper.cli.detect_output import print_alerts
    from shipper.clock import SystemClock

    active = (State.OPEN, State.ACKNOWLEDGED)
    with _book() as book:
        found = book.all(tuple(State) if everything else active)
    now_us = SystemClock().now_us()
    silent = {
        alert.id: f"silenced until {moment_text(alert.silenced_until_us or 0)}"
        for alert in found
        if alert.is_silenced(now_us)
    }
    alerts = found if everything else [alert for alert in found if alert.id not in silent]
    if as_json:
        typer.echo(json.dumps([to_document(alert) for alert in alerts], ensure_ascii=False))
        return
    if alerts:
        print_alerts(alerts, silent)
    else:
        typer.echo("There are no alerts." if everything else "No alert is open.")
    if silent and not everything:
        typer.echo(f"Silenced: {len(silent)}; --all shows them.")


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
    with _acting(alert, "alert-ack", note) as (book, named):
        found = book.acknowledge(named, note)
    _tell(found, "is acknowledged.")


@app.command("silence")
def silence(
    alert: Identity,
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="For so long: 30m, 2h, 3d.")],
    why: Why = "",
) -> None:
    """Hear no more of an alert for a while: `list` leaves it out. It is judged all the same, and recovers by itself."""
    from shipper.alert.wording import moment_text
    from shipper.clock import SystemClock
    from shipper.detect.event_time.window import parse_duration
    from shipper.errors import ConfigurationError

    try:
        length_us = parse_duration(length)
    except ValueError as error:
        raise ConfigurationError(f"--for {length}: {error}.") from error
    if not 0 < length_us <= _SILENCE_MAX_US:
        raise ConfigurationError(
            "An alert can be silent for 30 days at most, and not for less than a moment."
        )
    until_us = SystemClock().now_us() + length_us
    with _acting(alert, "alert-silence", why, f" until {moment_text(until_us)}") as (book, named):
        found = book.silence(named, until_us)
    _tell(found, f"is silent until {moment_text(until_us)}.")


@app.command("unsilence")
def unsilence(alert: Identity, why: Why = "") -> None:
    """Hear of an alert again."""
    with _acting(alert, "alert-unsilence", why) as (book, named):
        found = book.silence(named, None)
    _tell(found, "is heard again.")


@contextmanager
def _acting(alert: str, action: str, why: str, how: str = "") -> Iterator[tuple[AlertBook, str]]:
    """Say in the audit trail who does what to which alert; yield the alert's whole id, to do it then."""
    from shipper.cli.audited import act_of, trail_of
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        book = _book_of(client, settings, SystemClock())
        named = book.one(alert).id
        # First who wants it: an act that is not told is not done.
        trail_of(settings, client).tell(act_of(settings, action, f"{named}{how}", why), "change")
        yield book, named


def _tell(alert: Alert, what: str) -> None:
    from shipper.alert.alert import State

    if alert.state is State.RECOVERED:
        typer.echo(f"Alert {alert.id[:8]} has recovered already; nothing was changed.")
    else:
        typer.echo(f"Alert {alert.id[:8]} {what}")


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
