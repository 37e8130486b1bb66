"""`shipper errors`: which errors there are, and declaring one resolved, so that its return is told as a regression."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.detect.fetching.recent_errors import SeenError
    from shipper.detect.fetching.resolved import Act, ResolvedBook, ResolvedError
    from shipper.elastic.client import ElasticClient

app = typer.Typer(no_args_is_help=True, help="List errors, declare one resolved or open again.")

Fingerprint = Annotated[
    str,
    typer.Argument(metavar="FINGERPRINT", help="As `errors list` or an alert shows it, or how it starts."),
]
Since = Annotated[str, typer.Option("--since", help="Errors seen since then: 24h, 7d or a moment.")]
Dataset = Annotated[str, typer.Option("--dataset", help="Where to look.")]
Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; goes into the audit trail.")]
_BAD = {"log.level": ("error", "critical")}
_SHOWN = 90
_SHORTEST = 4


@app.command("list")
def list_command(
    since: Since = "24h",
    dataset: Dataset = "ml.app",
    everything: Annotated[
        bool, typer.Option("--all", help="Resolved ones too that were not seen since.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List errors by fingerprint, the last seen first: how often, where, and whether somebody resolved them."""
    from shipper.detect.fetching.resolved import ResolvedBook

    with _connected() as (settings, client):
        seen = _seen(settings, client, since, dataset)
        resolved = {one.fingerprint: one for one in ResolvedBook(client, settings.namespace).all()}
    known = {one.fingerprint for one in seen}
    others = [one for one in resolved.values() if everything and one.fingerprint not in known]
    if as_json:
        rows = [_document(one, resolved.get(one.fingerprint)) for one in seen]
        rows += [_document(None, one) for one in others]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not seen and not others:
        typer.echo(f"No error has been seen since {since}.")
        return
    _print(seen, resolved, others)


@app.command("resolve")
def resolve(
    fingerprint: Fingerprint,
    in_version: Annotated[
        str,
        typer.Option(
            metavar="VERSION", help="Only sightings in this version or a younger one are regressions."
        ),
    ] = "",
    why: Why = "",
    since: Since = "30d",
    dataset: Dataset = "ml.app",
) -> None:
    """Declare an error resolved: if it occurs again, an alert says who resolved it, when and in which version.

    The rule of kind `regression` tells it; it is among the rules that ship.
    """
    from shipper.detect.fetching.resolved import ResolvedBook, ResolvedError

    with _connected() as (settings, client):
        book = ResolvedBook(client, settings.namespace)
        seen = _one(_seen(settings, client, since, dataset, fingerprint), fingerprint, since)
        error = ResolvedError(seen.fingerprint, seen.error, seen.is_exception, ())
        after = _act(settings, client, book, error, "resolve", in_version, why)
    act = after.acts[-1]
    where = f" in version {in_version}" if in_version else ""
    typer.echo(f"Error {after.fingerprint} ({_short(after.error)}) is resolved{where}, by {act.by}.")


@app.command("reopen")
def reopen(fingerprint: Fingerprint, why: Why = "") -> None:
    """Take back that an error is resolved: its return is no regression any more."""
    from shipper.detect.fetching.resolved import ResolvedBook
    from shipper.errors import ConfigurationError

    with _connected() as (settings, client):
        book = ResolvedBook(client, settings.namespace)
        found = [one for one in book.all() if one.is_resolved and one.fingerprint.startswith(fingerprint)]
        if len(found) != 1:
            said = "No resolved error has" if not found else f"{len(found)} resolved errors have"
            raise ConfigurationError(
                f"{said} a fingerprint that starts with {fingerprint}; see `shipper errors list --all`."
            )
        after = _act(settings, client, book, found[0], "reopen", "", why)
    typer.echo(f"Error {after.fingerprint} ({_short(after.error)}) is open again.")


@contextmanager
def _connected() -> Iterator[tuple[Settings, ElasticClient]]:
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        yield settings, client


def _seen(
    settings: Settings, client: ElasticClient, since: str, dataset: str, beginning: str = ""
) -> list[SeenError]:
    from shipper.clock import SystemClock
    from shipper.datasets import DATASETS
    from shipper.detect.fetching.recent_errors import recent_errors
    from shipper.errors import ConfigurationError
    from shipper.index.find import moment_us

    if dataset not in DATASETS:
        raise ConfigurationError(f"There is no dataset {dataset!r}; there are {', '.join(DATASETS)}.")
    now_us = SystemClock().now_us()
    span = moment_us(since, now_us), now_us + 1000
    return recent_errors(client, settings.namespace, dataset, _BAD, span, beginning)


def _one(found: list[SeenError], fingerprint: str, since: str) -> SeenError:
    from shipper.errors import ConfigurationError

    if len(fingerprint) < _SHORTEST:
        raise ConfigurationError(f"FINGERPRINT: write at least {_SHORTEST} characters of it.")
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigurationError(f"{len(found)} errors have a fingerprint that starts with {fingerprint}.")
    raise ConfigurationError(
        f"No error with fingerprint {fingerprint} was seen since {since}; see `shipper errors list`, "
        "or look back further with --since."
    )


def _act(
    settings: Settings,
    client: ElasticClient,
    book: ResolvedBook,
    error: ResolvedError,
    what: str,
    version: str,
    why: str,
) -> ResolvedError:
    from shipper.cli.audited import act_of, trail_of
    from shipper.clock import SystemClock
    from shipper.detect.fetching.resolved import Act
    from shipper.detect.state import ensure_state_index

    chosen = f"{error.fingerprint} {_short(error.error)}" + (f", in version {version}" if version else "")
    told = act_of(settings, f"error-{what}", chosen, why)
    ensure_state_index(client, settings.namespace)
    # First who wants it: an act that is not told is not done.
    trail_of(settings, client).tell(told, "change")
    act = Act(
        "resolve" if what == "resolve" else "reopen", SystemClock().now_us(), told.by, version, told.why
    )
    return book.act(error, act)


def _print(seen: list[SeenError], resolved: dict[str, ResolvedError], others: list[ResolvedError]) -> None:
    from rich.console import Console
    from rich.table import Table

    from shipper.alert.wording import moment_text
    from shipper.cli.log_line import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("fingerprint", no_wrap=True)
    for heading in ("error", "times", "last seen (UTC)", "services", "resolved"):
        table.add_column(heading, overflow="fold")
    for one in seen:
        state = _state(resolved.get(one.fingerprint), one.last_us)
        last = moment_text(one.last_us).removesuffix(" UTC")
        services = ", ".join(one.services)
        table.add_row(one.fingerprint, printable(_short(one.error)), str(one.count), last, services, state)
    for error in others:
        table.add_row(error.fingerprint, printable(_short(error.error)), "0", "", "", _state(error, 0))
    Console(markup=False).print(table)


def _state(error: ResolvedError | None, last_us: int) -> str:
    from shipper.alert.wording import moment_text

    if error is None or not error.is_resolved:
        return ""
    act: Act = error.acts[-1]
    version = f" in {act.version}" if act.version else ""
    back = "; seen since" if last_us > act.at_us else ""
    return f"by {act.by} on {moment_text(act.at_us)}{version}{back}"


def _document(seen: SeenError | None, resolved: ResolvedError | None) -> dict[str, object]:
    from dataclasses import asdict

    from shipper.detect.event_time.window import iso

    document: dict[str, object] = {}
    if seen is not None:
        document = asdict(seen)
        document["last_seen"] = iso(seen.last_us)
        del document["last_us"]
    elif resolved is not None:
        document = {"fingerprint": resolved.fingerprint, "error": resolved.error, "count": 0}
    if resolved is not None:
        document["is_resolved"] = resolved.is_resolved
        document["acts"] = [
            {"what": one.what, "at": iso(one.at_us), "by": one.by, "version": one.version, "why": one.why}
            for one in resolved.acts
        ]
    return document


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
