"""`shipper reconcile`: prove that nothing was lost or doubled, per producer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.config import Settings
    from shipper.index.books import ProducerBooks, SpoolLook
    from shipper.index.ledger import Flow, KafkaLook

_RANGES_SHOWN = 20
_RECORDS_MAX = 5_000_000
_WIDTH = 240
_COLUMNS = (
    "producer",
    "service",
    "emitted",
    "indexed",
    "dead",
    "dropped",
    "in Kafka",
    "in spool",
    "missing",
    "doubled",
)


def reconcile(
    since: Annotated[str, typer.Option(help="Only producers active since: an age (2h, 3d) or a time.")] = "",
    show_all: Annotated[bool, typer.Option("--all", help="List balanced producers too.")] = False,
    at_rest: Annotated[
        bool, typer.Option("--at-rest", help="Exit 1 also while records are on their way.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Balance the books of every producer: emitted = indexed + dead + dropped + waiting, each record in one place.

    Looks at the spools of this host, Kafka, the dead letters and Elasticsearch, in this order; gaps are named by
    sequence number, and what could not be seen is said. Exit 1 where the books do not balance. Numbers whose
    documents retention has deleted count as missing: use --since.
    """
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect
    from shipper.index.find import moment_us
    from shipper.index.ledger import balance

    settings = load_settings()
    since_us = moment_us(since, SystemClock().now_us()) if since else None
    looked = _look(settings)
    with connect(settings.elasticsearch) as client:
        books = balance(client, settings.namespace, looked.flow, since_us=since_us)
    is_balanced = all(book.is_balanced for book in books)
    is_resting = looked.kafka.count == 0 and all(book.is_at_rest for book in books)
    notes = [*looked.notes, *_notes(books)]
    if as_json:
        document = _document(books, looked, notes, is_balanced=is_balanced, is_at_rest=is_resting)
        typer.echo(json.dumps(document, indent=2))
    else:
        _print(books, notes, show_all=show_all)
    if not is_balanced or (at_rest and not is_resting):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was seen before Elasticsearch, and what could not be."""

    flow: Flow
    kafka: KafkaLook
    notes: tuple[str, ...]


def _look(settings: Settings) -> _Looked:
    """Look in the direction in which records flow: so none is missed that moves on meanwhile."""
    from shipper.index.erase_topic import LOGSTASH_GROUP
    from shipper.index.ledger import Flow, dead_by_producer, look_at_kafka
    from shipper.index.letters import read_if_topic_exists

    notes: list[str] = []
    spools = _spools(settings, notes)
    kafka = look_at_kafka(
        settings.kafka, (settings.index.group, LOGSTASH_GROUP), settings.namespace, records_max=_RECORDS_MAX
    )
    if kafka.count and not kafka.readers:
        notes.append("No indexer has ever committed an offset, so everything on the topic counts as waiting.")
    if kafka.unread:
        notes.append(f"{kafka.unread} records on the topic were not looked at: they may show as missing.")
    dead = dead_by_producer(read_if_topic_exists(settings.kafka), settings.namespace)
    return _Looked(Flow(spools, kafka.waiting, dead), kafka, tuple(notes))


def _spools(settings: Settings, notes: list[str]) -> dict[str, SpoolLook]:
    from shipper.index.books import EVICTED, SpoolLook
    from shipper.index.ranges import Ranges
    from shipper.ship.destination import destination_name
    from shipper.spool.survey import survey

    root = settings.spool.directory
    here = destination_name(settings.ship, settings.kafka)
    found: dict[str, SpoolLook] = {}
    foreign = unknown = 0
    try:
        for folder in survey(root):
            if folder.meta.namespace != settings.namespace or folder.meta.destination not in ("", here):
                foreign += 1
                continue
            evicted = [(one.first, one.last) for one in folder.tombstones if one.reason == EVICTED]
            found[folder.meta.producer_id] = SpoolLook(
                folder.last,
                folder.is_alive,
                Ranges(folder.waiting),
                Ranges(evicted),
                folder.dropped or {},
            )
            unknown += folder.dropped is None
    except OSError as error:
        notes.append(f"The spools under {root} could not be read: {error.strerror or error}.")
    if unknown:
        notes.append(
            f"{unknown} spool folders do not tell what they refused: that is known by heartbeats alone."
        )
    if foreign:
        notes.append(f"{foreign} spool folders belong to another namespace or Kafka and were left out.")
    return found


def _notes(books: Sequence[ProducerBooks]) -> Iterator[str]:
    """Say what could not be seen, where it may explain a gap."""
    import socket

    here = socket.gethostname()
    hosts = Counter(
        book.host for book in books if book.missing and not book.is_spool_seen and book.host != here
    )
    for host, count in sorted(hosts.items()):
        where = f"on {host}" if host else "on a host that no document names"
        yield f"{count} producers with gaps run {where}: what waits in their spools there was not seen."
    if any(book.missing and not book.is_spool_seen and book.host == here for book in books):
        yield "Some producers with gaps ran on this host and have no folder under spool.directory any more."
    if any(book.dropped and not book.is_spool_seen and book.host != here for book in books):
        yield "Drops without a number, of processes that live on other hosts, are counted as of their last heartbeat."


def _document(
    books: Sequence[ProducerBooks],
    looked: _Looked,
    notes: Sequence[str],
    *,
    is_balanced: bool,
    is_at_rest: bool,
) -> dict[str, Any]:
    return {
        "balanced": is_balanced,
        "at_rest": is_at_rest,
        "in_kafka": looked.kafka.count,
        "not_seen": list(notes),
        "totals": _totals(books),
        "producers": [
            {
                "producer_id": book.producer_id,
                "service": book.service,
                "host": book.host,
                "emitted": book.emitted,
                "last": book.last,
                "stored": book.stored,
                "dead_lettered": book.dead_lettered,
                "dropped": dict(book.dropped),
                "in_kafka": book.in_kafka,
                "in_spool": book.in_spool,
                "missing": [list(gap) for gap in book.missing],
                "doubled": list(book.doubled),
                "moving": book.moving,
                "spool_seen": book.is_spool_seen,
                "balanced": book.is_balanced,
            }
            for book in books
        ],
    }


def _totals(books: Sequence[ProducerBooks]) -> dict[str, Any]:
    dropped: Counter[str] = Counter()
    for book in books:
        dropped.update(book.dropped)
    return {
        "emitted": sum(book.emitted for book in books),
        "stored": sum(book.stored for book in books),
        "dead_lettered": sum(book.dead_lettered for book in books),
        "dropped": dict(dropped),
        "waiting": sum(book.waiting for book in books),
        "missing": sum(book.missing_count for book in books),
        "doubled": sum(len(book.doubled) for book in books),
        "moving": sum(book.moving for book in books),
    }


def _print(books: Sequence[ProducerBooks], notes: Sequence[str], *, show_all: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = [book for book in books if show_all or not book.is_balanced]
    if shown:
        table = Table(box=None)
        for name in _COLUMNS:
            table.add_column(name, justify="left" if name in ("producer", "service") else "right")
        for book in shown:
            table.add_row(
                book.producer_id,
                book.service or "-",
                *(str(number) for number in (book.emitted, book.stored, book.dead_lettered)),
                _reasons(book.dropped),
                *(str(number) for number in (book.in_kafka, book.in_spool)),
                str(book.missing_count),
                str(len(book.doubled)),
            )
        console = Console(highlight=False, markup=False, soft_wrap=True)
        if not console.is_terminal:
            console.width = _WIDTH  # else a file or pipe would get the numbers cut to 80 columns
        console.print(table)
    for book in shown:
        _print_faults(book)
    totals = _totals(books)
    moving = f"; {totals['moving']} more were emitted meanwhile" if totals["moving"] else ""
    typer.echo(
        f"{len(books)} producers: {totals['emitted']} emitted = {totals['stored']} indexed "
        f"+ {totals['dead_lettered']} dead letters + {_reasons(totals['dropped'])} dropped "
        f"+ {totals['waiting']} waiting + {totals['missing']} missing; {totals['doubled']} doubled{moving}."
    )
    for note in notes:
        typer.echo(f"Note: {note}")


def _print_faults(book: ProducerBooks) -> None:
    for word, ranges in (
        ("missing", book.missing),
        ("doubled", [(number, number) for number in book.doubled]),
    ):
        if ranges:
            typer.echo(f"{book.producer_id}: {word} {_ranges(ranges)}")


def _reasons(dropped: Mapping[str, int]) -> str:
    if not dropped:
        return "0"
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
    return f"{sum(dropped.values())} ({told})"


def _ranges(ranges: Sequence[tuple[int, int]]) -> str:
    if not ranges:
        return "0"
    parts = [str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_RANGES_SHOWN]]
    more = len(ranges) - _RANGES_SHOWN
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")
