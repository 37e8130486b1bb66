"""`shipper reconcile`: prove that nothing was lost or doubled, per producer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.config import Settings
    from shipper.index.books import ProducerBooks

_RANGES_SHOWN = 5


def reconcile(
    since: Annotated[str, typer.Option(help="Only producers active since: an age (2h, 3d) or a time.")] = "",
    show_all: Annotated[bool, typer.Option("--all", help="List balanced producers too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Balance the books of every producer: stored + dead letters = highest sequence, each exactly once.

    Exact when nothing is on its way any more. Exit 1 where the books do not balance, or records still wait
    in Kafka. Numbers whose documents retention has deleted count as missing: use --since.
    """
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect
    from shipper.index.books import balance
    from shipper.index.find import moment_us
    from shipper.index.letters import read_if_topic_exists

    settings = load_settings()
    since_us = moment_us(since, SystemClock().now_us()) if since else None
    in_kafka = _in_kafka(settings)
    dead = {
        stored.letter.event_id for stored in read_if_topic_exists(settings.kafka) if stored.letter is not None
    }
    with connect(settings.elasticsearch) as client:
        books = balance(client, settings.namespace, dead, since_us=since_us)
    is_balanced = in_kafka == 0 and all(book.is_balanced for book in books)
    if as_json:
        typer.echo(json.dumps(_document(books, in_kafka, is_balanced=is_balanced), indent=2))
    else:
        _print(books, in_kafka, show_all=show_all)
    if not is_balanced:
        raise typer.Exit(1)


def _in_kafka(settings: Settings) -> int:
    """Return how many records wait for our indexer; 0 where it has never run (Logstash does its work)."""
    from shipper.errors import TopicMissing
    from shipper.kafka.admin import Admin

    kafka = settings.kafka
    with Admin(kafka) as admin:
        try:
            if not admin.committed(settings.index.group, kafka.topic):
                return 0
            return admin.lag(settings.index.group, kafka.topic)
        except TopicMissing:
            return 0


def _document(books: Sequence[ProducerBooks], in_kafka: int, *, is_balanced: bool) -> dict[str, Any]:
    return {
        "balanced": is_balanced,
        "in_kafka": in_kafka,
        "producers": [
            {
                "producer_id": book.producer_id,
                "service": book.service,
                "last": book.last,
                "stored": book.stored,
                "dead_lettered": book.dead_lettered,
                "missing": [list(gap) for gap in book.missing],
                "doubled": list(book.doubled),
                "balanced": book.is_balanced,
            }
            for book in books
        ],
    }


def _print(books: Sequence[ProducerBooks], in_kafka: int, *, show_all: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = [book for book in books if show_all or not book.is_balanced]
    if shown:
        table = Table(box=None)
        for name in ("producer", "service", "highest", "stored", "dead letters", "missing", "doubled"):
            table.add_column(name, justify="left" if name in ("producer", "service") else "right")
        for book in shown:
            table.add_row(
                book.producer_id,
                book.service or "-",
                str(book.last),
                str(book.stored),
                str(book.dead_lettered),
                _ranges(book.missing),
                _ranges([(number, number) for number in book.doubled]),
            )
        Console(highlight=False, markup=False, soft_wrap=True).print(table)
    stored = sum(book.stored for book in books)
    dead = sum(book.dead_lettered for book in books)
    missing = sum(book.missing_count for book in books)
    doubled = sum(len(book.doubled) for book in books)
    typer.echo(
        f"{len(books)} producers: {stored} stored, {dead} dead letters, {missing} missing, {doubled} doubled, "
        f"{in_kafka} still in Kafka."
    )


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    if not ranges:
        return "0"
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_RANGES_SHOWN]]
    more = len(ranges) - _RANGES_SHOWN
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")
