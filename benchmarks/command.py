"""What the commands here have in common: numbers on the command line, and how tables are shown."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from benchmarks.table import markdown, plain


def positive(text: str) -> int:
    """Return the number that an option gives; 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def show(
    promises: Sequence[Sequence[str]], found: Sequence[Sequence[str]], head: Sequence[str], page: str
) -> None:
    """Print two tables and what they were measured with.

    Args:
        page: has places for `head`, `promises` and `found`, and is printed with the tables as Markdown in them; empty: as text.
    """
    if page:
        lines = "\n".join(f"- {line}" for line in head)
        print(page.format(head=lines, promises=markdown(promises), found=markdown(found)), end="")
    else:
        print("\n\n".join(plain(table) for table in (promises, found)) + "\n\n" + "\n".join(head))
