"""Dead letters as rows for people and scripts: what they tell, redacted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shipper.index.letters import StoredLetter

_DETAIL_SHOWN = 100
_COLUMNS = {
    "place": "place",
    "at": "refused at",
    "state": "state",
    "hop": "hop",
    "reason": "reason",
    "dataset": "dataset",
    "event_id": "event id",
    "detail": "detail",
}


def summary(stored: StoredLetter, redact: Callable[[bytes], str]) -> dict[str, Any]:
    """Return what a letter tells besides the record itself.

    Args:
        redact: the detail may quote the record.
    """
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
        "detail": redact(letter.detail.encode("utf-8", "replace")),
        "event_id": letter.event_id,
        "dataset": letter.dataset,
        "index": letter.index,
        "position": letter.position,
        "bytes": letter.size_bytes,
        "is_cut": letter.is_cut,
        "letter_id": stored.letter_id,
    }


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print one line per letter; control characters are left out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from shipper.cli.log_line import printable

    if not rows:
        return
    table = Table(*_COLUMNS.values(), box=None)
    for row in rows:
        cells = [str(row.get(key, "")) for key in _COLUMNS]
        if len(cells[-1]) > _DETAIL_SHOWN:
            cells[-1] = f"{cells[-1][:_DETAIL_SHOWN]}…"
        table.add_row(*(Text(printable(cell)) for cell in cells))
    Console(highlight=False, soft_wrap=True).print(table)
