"""The series of one group: a row of sums per window, as plain arrays. pandas is not needed for it (ADR 0021).

A column's name is `block` or `block/part`, where a part has no slash; parts of one block stand together
(the bins of a histogram).
Every column is a sum over events, so rows can be added up: the sum of a
few rows is what one longer window would have shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of sums in order of time.

    Attributes:
        times: start of each row's window in microseconds; strictly ascending.
        values: one row per window, one column per name; never NaN (absent counts are 0).
        blocks: columns of each block.
    """

    times: Ints
    values: Floats
    blocks: Mapping[str, slice]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.times)

    def column(self, block: str) -> Floats:
        """Return the only column of a block, one number per row; zeros where the block is unknown."""
        where = self.blocks.get(block)
        return np.zeros(len(self)) if where is None else self.values[:, where.start]

    def block(self, block: str) -> Floats:
        """Return all columns of a block, rows by parts; no columns where the block is unknown."""
        where = self.blocks.get(block)
        return np.zeros((len(self), 0)) if where is None else self.values[:, where]

    def parts(self, block: str) -> tuple[str, ...]:
        """Return the names of a block's parts in order."""
        where = self.blocks.get(block)
        return () if where is None else tuple(name.rpartition("/")[2] for name in self.names[where])

    def take(self, rows: slice | Flags) -> Table:
        """Return some of the rows."""
        return Table(self.times[rows], self.values[rows], self.blocks, self.names)

    def summed(self) -> Table:
        """Return one row, the sum of all, that stands at the time of the last."""
        return Table(self.times[-1:], self.values.sum(axis=0, keepdims=True), self.blocks, self.names)


def from_rows(rows: Sequence[tuple[int, Mapping[str, float]]], every_us: int = 0, until_us: int = 0) -> Table:
    """Return the table of (window start in microseconds, numbers by column) pairs, in whatever order.

    Rows of the same time are added up, what is absent or not a finite number counts as 0, columns keep the order in
    which they first appear with the parts of a block brought together.

    Args:
        rows: the windows that have events.
        every_us: length of a window, to have a row of zeros for each one without events; 0: for none.
        until_us: the windows up to here, where `every_us` is given.
    """
    columns = list(dict.fromkeys(name for _, numbers in rows for name in numbers))
    place = {name: number for number, name in enumerate(columns)}
    values = np.zeros((len(rows), len(columns)))
    for row, (_, numbers) in enumerate(rows):
        values[row, [place[name] for name in numbers]] = list(numbers.values())
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    if every_us and columns:
        windows = np.arange(starts.min(), until_us - every_us + 1, every_us)
        starts, values = (
            np.append(starts, windows),
            np.append(values, np.zeros((len(windows), len(columns))), 0),
        )
        inside = starts <= until_us - every_us
        starts, values = starts[inside], values[inside]
    return _table(starts, columns, values)


def from_frame(frame: pd.DataFrame) -> Table:
    """Return the table of a frame whose index holds window starts, in whatever order.

    The index is either integers (microseconds) or timestamps (those without a zone are UTC). Otherwise as `from_rows`.
    """
    raw = frame.to_numpy(dtype=np.float64, na_value=np.nan).reshape(len(frame), len(frame.columns))
    return _table(_microseconds(frame.index), [str(name) for name in frame.columns], raw)


def _table(starts: Ints, columns: Sequence[str], raw: Floats) -> Table:
    order = {block: place for place, block in enumerate(dict.fromkeys(map(_block, columns)))}
    places = sorted(range(len(columns)), key=lambda place: order[_block(columns[place])])
    names = [columns[place] for place in places]
    times, rows = np.unique(starts, return_inverse=True)
    values = np.zeros((len(times), len(names)))
    np.add.at(values, rows, np.where(np.isfinite(raw), raw, 0.0)[:, places])
    blocks: dict[str, slice] = {}
    for position, name in enumerate(names):
        start = blocks[_block(name)].start if _block(name) in blocks else position
        blocks[_block(name)] = slice(start, position + 1)
    return Table(times, values, blocks, tuple(names))


def _block(name: str) -> str:
    return name.rpartition("/")[0] or name


def _microseconds(index: pd.Index) -> Ints:
    import pandas as pd  # noqa: PLC0415 - half a second, and only who has a frame has it anyway

    if isinstance(index, pd.DatetimeIndex):
        utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
        return utc.as_unit("us").asi8
    return index.to_numpy(dtype=np.int64)
