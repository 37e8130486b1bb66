"""The series of one group: a row of sums per window. pandas builds it, detectors read plain arrays.

A column's name is `block` or `block/part`, where a part has no slash; parts of one block stand together
(the bins of a histogram).
Every column is a sum over events, so rows can be added up: the sum of a
few rows is what one longer window would have shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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


def from_frame(frame: pd.DataFrame) -> Table:
    """Return the table of a frame whose index holds window starts, in whatever order.

    The index is either integers (microseconds) or timestamps (those without a zone are UTC). Rows of the
    same time are added up, what is not a finite number counts as 0, columns keep their order with the
    parts of a block brought together.
    """
    raw = frame.to_numpy(dtype=np.float64, na_value=np.nan).reshape(len(frame), len(frame.columns))
    columns = [str(name) for name in frame.columns]
    order = {block: place for place, block in enumerate(dict.fromkeys(map(_block, columns)))}
    places = sorted(range(len(columns)), key=lambda place: order[_block(columns[place])])
    names = [columns[place] for place in places]
    times, rows = np.unique(_microseconds(frame.index), return_inverse=True)
    values = np.zeros((len(times), len(names)))
    np.add.at(values, rows, np.where(np.isfinite(raw), raw, 0.0)[:, places])
    blocks: dict[str, slice] = {}
    for position, name in enumerate(names):
        start = blocks[_block(name)].start if _block(name) in blocks else position
        blocks[_block(name)] = slice(start, position + 1)
    return Table(times, values, blocks, tuple(names))


def dense(frame: pd.DataFrame, length_us: int, end_us: int) -> pd.DataFrame:
    """Return the frame (integer index) with a row of zeros for each window without events, up to `end_us`."""
    if frame.empty:
        return frame
    starts = range(int(frame.index.min()), end_us - length_us + 1, length_us)
    return frame.reindex(pd.Index(starts, dtype="int64"), fill_value=0.0)


def frame_of(cells: Sequence[tuple[int, Mapping[str, float]]]) -> pd.DataFrame:
    """Return a frame of (window start, numbers by column) pairs; absent numbers are 0."""
    index = pd.Index([start for start, _ in cells], dtype="int64")
    return pd.DataFrame([dict(numbers) for _, numbers in cells], index=index).fillna(0.0)


def _block(name: str) -> str:
    return name.rpartition("/")[0] or name


def _microseconds(index: pd.Index) -> Ints:
    if isinstance(index, pd.DatetimeIndex):
        utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
        return utc.as_unit("us").asi8
    return index.to_numpy(dtype=np.int64)
