"""`shipper dlq`: records that were refused for good: list, show, put on the topic again, purge."""

from __future__ import annotations

import json
import sys
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from shipper.cli.dlq_acts import purge, replay
from shipper.cli.dlq_options import DatasetName, Hop, Reason, Since, open_mirror, selection
from shipper.cli.dlq_view import print_table, summary

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.index.letters import StoredLetter
    from shipper.index.mirror import Mirrored

app = typer.Typer(no_args_is_help=True, help="Dead letters: records that were refused for good, kept whole.")
app.command()(replay)
app.command()(purge)

_STATES_AT_ONCE = 500


@app.command("list")
def list_letters(
    reason: Reason = "",
    hop: Hop = "",
    dataset: DatasetName = "",
    since: Since = "",
    size: Annotated[int, typer.Option("--size", "-n", min=1, max=100_000, help="The newest so many.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One letter per line, without payload.")] = False,
) -> None:
    """List dead letters, newest last, one per record, and count them by hop and reason."""
    from shipper.config import load_settings
    from shipper.index.letters import read_dead_letters
    from shipper.redaction import redactor, shown

    settings = load_settings()
    chosen = selection(reason, hop, dataset, since, ())
    hiding = redactor(settings.redact)
    kinds: dict[str, tuple[str, str]] = {}
    newest: OrderedDict[str, StoredLetter] = OrderedDict()
    for stored in read_dead_letters(settings.kafka):
        if chosen.takes(stored):
            _take(stored, kinds, newest, size)
    counts = Counter(kinds.values())
    states = _states_if_possible(settings, newest.values())
    rows = [
        {
            **summary(stored, lambda text: shown(text, hiding)),
            "state": states.get(stored.letter_id, "unknown"),
        }
        for stored in newest.values()
    ]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    print_table(rows)
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
    """Show one dead letter whole: reason, where it came from, and the record itself, redacted."""
    from shipper.cli.log_line import printable
    from shipper.config import load_settings
    from shipper.errors import ConfigurationError
    from shipper.index.letters import Selection, read_dead_letters
    from shipper.redaction import redactor, shown

    settings = load_settings()
    selection = Selection(ids=frozenset([which]))
    found: StoredLetter | None = None
    for stored in read_dead_letters(settings.kafka):
        if selection.takes(stored):
            found = stored  # the last one: the latest refusal of a record
    if found is None:
        raise ConfigurationError(f"There is no dead letter {which}; `shipper dlq list` shows their places.")
    payload = found.letter.payload if found.letter is not None else b""
    if raw:
        sys.stdout.buffer.write(payload)
        sys.stdout.buffer.flush()
        return
    hiding = redactor(settings.redact)
    state = _states_if_possible(settings, [found]).get(found.letter_id, "unknown")
    for key, value in {**summary(found, lambda text: shown(text, hiding)), "state": state}.items():
        typer.echo(printable(f"{key:12} {value}"))
    typer.echo(printable(shown(payload, hiding, indent=2)))


def _states_if_possible(settings: Settings, letters: Iterable[StoredLetter]) -> dict[str, str]:
    """Return open, replayed or purged by letter id; nothing, and a word to the user, while nobody can tell."""
    from shipper.errors import StoreError

    wanted = [stored for stored in letters if stored.letter is not None]
    found: dict[str, Mirrored] = {}
    try:
        with open_mirror(settings) as (_, mirror):
            for start in range(0, len(wanted), _STATES_AT_ONCE):
                found |= mirror.states(wanted[start : start + _STATES_AT_ONCE])
    except (StoreError, ModuleNotFoundError) as error:
        typer.echo(f"shipper: what became of the letters is not known: {error}", err=True)
        return {}
    return {stored.letter_id: "open" for stored in wanted} | {name: one.state for name, one in found.items()}


def _take(
    stored: StoredLetter,
    kinds: dict[str, tuple[str, str]],
    newest: OrderedDict[str, StoredLetter],
    size: int,
) -> None:
    """Count a letter under its record, and keep it whole while it is among the newest."""
    letter = stored.letter
    kinds[stored.letter_id] = ("unknown", "unreadable") if letter is None else (letter.hop, letter.reason)
    newest[stored.letter_id] = stored
    newest.move_to_end(stored.letter_id)
    if len(newest) > size:
        newest.popitem(last=False)
