"""Confusion matrices as columns of a table: how often each true class was predicted as each class.

The columns that all measures of quality share:

- `cells/<true><US><predicted>`: labelled predictions, at the number of events that they are worth (see
  `shipper.detect.fetching.bin_counts`);
- `labels` and `labelled/<predicted>`, `predictions` and `asked/<predicted>`: predictions that have their label, and all,
  with their weights as they are: what coverage is the ratio of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats, Table

OTHERS: Final = "(others)"
"""All classes but the one that a rule is about, or those that an answer had no room for."""

_BETWEEN: Final = "\x1f"
_SLASH: Final = "\u2215"


def column(block: str, *classes: str) -> str:
    """Return the name of a column about one class, or about a true and a predicted one."""
    return f"{block}/{_BETWEEN.join(map(stored, classes))}"


def stored(name: str) -> str:
    """Return a class as columns name it."""
    return name.replace("/", _SLASH)


def shown(name: str) -> str:
    """Return a class as it is in documents."""
    return name.replace(_SLASH, "/")


def classes_of(tables: Iterable[Table]) -> tuple[str, ...]:
    """Return all classes that were seen as true or predicted, in order."""
    found = {name for table in tables for part in table.parts("cells") for name in part.split(_BETWEEN)}
    return tuple(sorted(found))


def confusion(table: Table, classes: tuple[str, ...]) -> Floats:
    """Return the counts by row, true class and predicted class."""
    found = np.zeros((len(table), len(classes), len(classes)))
    place = {name: number for number, name in enumerate(classes)}
    for part, counts in zip(table.parts("cells"), table.block("cells").T, strict=True):
        true, _, predicted = part.partition(_BETWEEN)
        if true in place and predicted in place:
            found[:, place[true], place[predicted]] += counts
    return found


def by_class(table: Table, block: str, classes: tuple[str, ...]) -> Floats:
    """Return the columns of a block (`labelled` or `asked`) by row and class; 0 where one is absent."""
    found = np.zeros((len(table), len(classes)))
    for part, counts in zip(table.parts(block), table.block(block).T, strict=True):
        if part in classes:
            found[:, classes.index(part)] += counts
    return found
