"""`shipper dlq`: records that were refused for good, with the reason."""

from __future__ import annotations

import json
import sys
from collections import Counter, deque
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from shipper.index.letters import StoredLetter

app = typer.Typer(no_args_is_help=True, help="Dead letters: records that were refused for good, kept whole.")

_DETAIL_SHOWN = 100


@app.command("list")
def list_letters(
    reason: Annotated[str, typer.Option(help="Only this reason, for example mapping, clock, json.")] = "",
    hop: Annotated[str, typer.Option(help="Only refused by this hop: ship, index, logstash.")] = "",
    size: Annotated[int, typer.Option("--size", "-n", min=1, max=100_000, help="The newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One letter per line, without payload.")] = False,
) -> None:
    """List dead letters, newest last, and count them by hop and reason."""
    from shipper.config import load_settings
    from shipper.index.letters import read_dead_letters

    counts: Counter[tuple[str, str]] = Counter()
    newest: deque[StoredLetter] = deque(maxlen=size)
    for stored in read_dead_letters(load_settings().kafka):
        letter = stored.letter
        where, why = (letter.hop, letter.reason) if letter is not None else ("unknown", "unreadable")
        if (reason and why != reason) or (hop and where != hop):
            continue
        counts[where, why] += 1
        newest.append(stored)
    if as_json:
        for stored in newest:
            typer.echo(json.dumps(_summary(stored), ensure_ascii=False))
        return
    _print_table(newest)
    for (where, why), count in counts.most_common():
        typer.echo(f"{count:8}  {where}: {why}")
    typer.echo(
        f"{counts.total()} dead letters; `shipper dlq show PLACE` shows one."
        if counts
        else "No dead letters."
    )


@app.command()
def show(
    which: Annotated[str, typer.Argument(help="Its place (0@17, see list) or its event id.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the original bytes and nothing else.")] = False,
) -> None:
    """Show one dead letter whole: reason, where it came from, and the record itself."""
    from shipper.config import load_settings
    from shipper.errors import ConfigurationError
    from shipper.index.letters import read_dead_letters

    found: StoredLetter | None = None
    for stored in read_dead_letters(load_settings().kafka):
        if stored.place == which or (stored.letter is not None and stored.letter.event_id == which):
            found = stored  # the last one: the latest refusal of an event
    if found is None:
        raise ConfigurationError(f"There is no dead letter {which}; `shipper dlq list` shows their places.")
    payload = found.letter.payload if found.letter is not None else b""
    if raw:
        sys.stdout.buffer.write(payload)
        sys.stdout.buffer.flush()
        return
    for key, value in _summary(found).items():
        typer.echo(f"{key:12} {value}")
    typer.echo(_readable(payload))


def _summary(stored: StoredLetter) -> dict[str, Any]:
    from shipper.index.moment import rfc3339

    letter = stored.letter
    if letter is None:
        return {
            "place": stored.place,
            "hop": "unknown",
            "reason": "unreadable",
            "detail": "not a dead letter",
        }
    return {
        "place": stored.place,
        "at": rfc3339(letter.at_us),
        "hop": letter.hop,
        "reason": letter.reason,
        "detail": letter.detail,
        "event_id": letter.event_id,
        "dataset": letter.dataset,
        "index": letter.index,
        "position": letter.position,
        "bytes": len(letter.payload),
        "is_cut": stored.is_cut,
    }


def _print_table(letters: deque[StoredLetter]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from shipper.cli.log_line import printable

    if not letters:
        return
    table = Table("place", "refused at", "hop", "reason", "dataset", "event id", "detail", box=None)
    for stored in letters:
        row = _summary(stored)
        cells = [str(row.get(key, "")) for key in ("place", "at", "hop", "reason", "dataset", "event_id")]
        detail = str(row["detail"])
        cells.append(detail if len(detail) <= _DETAIL_SHOWN else f"{detail[:_DETAIL_SHOWN]}…")
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console(highlight=False, soft_wrap=True).print(table)


def _readable(payload: bytes) -> str:
    """Return the record as indented JSON, or as text with what is no text escaped."""
    from shipper.cli.log_line import printable

    try:
        return printable(json.dumps(json.loads(payload), indent=2, ensure_ascii=False))
    except ValueError:
        return printable(payload.decode("utf-8", "backslashreplace"))
