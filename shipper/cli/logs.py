"""`shipper logs`: stored documents in the terminal."""

from __future__ import annotations

import difflib
import json
import sys
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from shipper.clock import Clock
    from shipper.elastic.client import ElasticClient
    from shipper.index.find import Search
    from shipper.index.follow import Follower

app = typer.Typer(
    no_args_is_help=True,
    help='Find and follow stored documents. QUERY: level:error AND service:scorer, words, "phrases".',
)

_FOLLOW_INTERVAL_S = 1.0

Query = Annotated[
    list[str] | None, typer.Argument(help="What to find; none: everything.", show_default=False)
]
Since = Annotated[str, typer.Option(help="An age (15m, 2h, 3d) or a time (2026-11-21T10:00, UTC).")]
Until = Annotated[str, typer.Option(help="Likewise; the end, not included.")]
Dataset = Annotated[str, typer.Option(help="For example ml.inference; none: all.")]
Level = Annotated[str, typer.Option(help="This level and above.")]
Service = Annotated[str, typer.Option(help="service.name")]
Model = Annotated[str, typer.Option(help="ml.model.name")]
Commit = Annotated[str, typer.Option(help="The beginning of a commit.")]
Trace = Annotated[bool, typer.Option("--trace", help="Show stack traces whole.")]
AsJson = Annotated[bool, typer.Option("--json", help="One document per line.")]


@app.command()
def search(  # noqa: PLR0913, PLR0917  # the options of a command
    query: Query = None,
    since: Since = "",
    until: Until = "",
    dataset: Dataset = "",
    level: Level = "",
    service: Service = "",
    model: Model = "",
    commit: Commit = "",
    size: Annotated[int, typer.Option("--size", "-n", min=1, max=10_000, help="The newest so many.")] = 50,
    trace: Trace = False,
    as_json: AsJson = False,
) -> None:
    """Print the newest documents that match, newest last."""
    wanted = _search(query, since, until, dataset, level, service, model, commit)
    client, namespace = _connect()
    with client:
        from shipper.index.find import newest

        hits = newest(client, wanted, namespace, size)
    _print(hits, trace=trace, as_json=as_json)
    if not hits:
        print("shipper: nothing matches.", file=sys.stderr)


@app.command()
def tail(  # noqa: PLR0913, PLR0917  # the options of a command
    query: Query = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what arrives, until Ctrl-C.")
    ] = False,
    dataset: Dataset = "",
    level: Level = "",
    service: Service = "",
    model: Model = "",
    commit: Commit = "",
    size: Annotated[
        int, typer.Option("--size", "-n", min=0, max=10_000, help="The last so many first.")
    ] = 20,
    trace: Trace = False,
    as_json: AsJson = False,
) -> None:
    """Print the last documents, and with -f those that arrive, each once."""
    wanted = _search(query, "", "", dataset, level, service, model, commit)
    client, namespace = _connect()
    from shipper.clock import SystemClock
    from shipper.index.find import newest
    from shipper.index.follow import Follower

    clock = SystemClock()
    with client:
        # What is visible before the first lines are read is not new; what becomes visible after, is.
        follower = Follower(client, wanted.indices(namespace), wanted.query(), now_us=clock.now_us())
        if follow:
            follower.look()
        hits = newest(client, wanted, namespace, size) if size else []
        _print(hits, trace=trace, as_json=as_json)
        follower.skip(hits)
        if follow:
            _follow(follower, clock, trace=trace, as_json=as_json)


def _follow(follower: Follower, clock: Clock, *, trace: bool, as_json: bool) -> None:
    """Print what arrives until interrupted."""
    from shipper.errors import StoreUnavailable

    never = threading.Event()
    is_away = False
    while not clock.wait(never, _FOLLOW_INTERVAL_S):
        try:
            hits = follower.look()
        except StoreUnavailable as error:
            if not is_away:
                print(f"shipper: waiting: {error}", file=sys.stderr)
            is_away = True
            continue
        is_away = False
        _print(hits, trace=trace, as_json=as_json)


def _search(
    query: list[str] | None,
    since: str,
    until: str,
    dataset: str,
    level: str,
    service: str,
    model: str,
    commit: str,
) -> Search:
    from shipper.clock import SystemClock
    from shipper.index.find import Search, moment_us

    now_us = SystemClock().now_us()
    text = " ".join(query or ())
    _check_fields(text)
    _check_dataset(dataset)
    return Search(
        text=text,
        since_us=moment_us(since, now_us) if since else None,
        until_us=moment_us(until, now_us) if until else None,
        dataset=dataset,
        min_level=level,
        service=service,
        model=model,
        commit=commit,
    )


def _check_fields(text: str) -> None:
    """A field that no document can have finds nothing: that is a typing error, so say so."""
    from shipper.ecs.fields import FIELDS
    from shipper.errors import ConfigurationError
    from shipper.index.find import SHORT_NAMES, field_names

    open_objects = tuple(
        f"{name}." for name, spec in FIELDS.items() if spec.type in ("flattened", "doubles", "keywords")
    )
    for name in field_names(text):
        if name in FIELDS or name.startswith(open_objects) or "*" in name:
            continue
        near = difflib.get_close_matches(name, [*FIELDS, *SHORT_NAMES], n=1)
        hint = f"did you mean {near[0]}?" if near else "extras of the application lie under labels."
        raise ConfigurationError(f"No document has a field {name}; {hint}")


def _check_dataset(dataset: str) -> None:
    from shipper.datasets import DATASETS
    from shipper.errors import ConfigurationError

    if dataset and dataset not in DATASETS:
        raise ConfigurationError(f"There is no dataset {dataset}; there are {', '.join(DATASETS)}.")


def _connect() -> tuple[ElasticClient, str]:
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    return connect(settings.elasticsearch), settings.namespace


def _print(hits: Iterable[Mapping[str, Any]], *, trace: bool, as_json: bool) -> None:
    if as_json:
        for hit in hits:
            typer.echo(json.dumps(hit["_source"], ensure_ascii=False))
        return
    from shipper.cli.log_line import log_line

    console = _console()
    for hit in hits:
        console.print(log_line(hit["_source"], with_trace=trace), soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False)
