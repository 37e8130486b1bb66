"""What earlier runs of the same kind were like: one row for each that finished, at the time of its end."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.points import Points, chosen_points, points_of, train_points
from shipper.detect.fetching.table import Floats, Ints, Table

BINS: Final = 20
"""Parts of a run's length, by steps, of which each has a band of its own."""

_LAST: Final = 5
_UNKNOWN: Final = math.nan
_SAME_S: Final = 0.01

BEGAN, LENGTH, STEP_TIME, LONGEST_GAP = "began", "length", "step_time", "longest_gap"
FINAL_TRAIN, FINAL_VALIDATION, BAND = "final.train", "final.validation", "band"
_COLUMNS: Final = (BEGAN, LENGTH, STEP_TIME, LONGEST_GAP, FINAL_TRAIN, FINAL_VALIDATION)
_NAMES: Final = (*_COLUMNS, *(f"{BAND}/{place}" for place in range(BINS)))
_BLOCKS: Final = {name: slice(place, place + 1) for place, name in enumerate(_COLUMNS)} | {
    BAND: slice(len(_COLUMNS), len(_NAMES))
}


def finished_runs(tables: Iterable[Table], window_us: int, split: str) -> Table:
    """Return a row per run that was seen from its start to a good end, in order of the ends; NaN: not known.

    Columns: when it began (microseconds), its last step, mean nanoseconds of a step, the longest silence within it
    (seconds), what it ended with on both kinds of data, and the mean of the measure in each twentieth of its steps.
    """
    rows: list[tuple[int, list[float]]] = []
    for table in tables:
        starts = np.flatnonzero(table.column(layout.STARTS) > 0)
        ends = np.flatnonzero(table.column(layout.FINISHED) > 0)
        if len(starts) and len(ends) and starts[0] <= ends[-1]:
            rows.append((int(table.times[ends[-1]]), _row(table, int(starts[0]), window_us, split)))
    rows.sort()
    times: Ints = np.array([time for time, _ in rows], dtype=np.int64)
    values = np.array([row for _, row in rows], dtype=np.float64).reshape(len(rows), len(_NAMES))
    return Table(times, values, _BLOCKS, _NAMES)


def comparable(previous: Table | None, current: Table, baseline_us: int) -> Table:
    """Return the earlier runs that lie in the baseline of a window from their beginning on."""
    if previous is None:
        return Table(np.zeros(0, dtype=np.int64), np.zeros((0, len(_NAMES))), _BLOCKS, _NAMES)
    return previous.take(previous.column(BEGAN) >= float(current.times[0] - baseline_us))


def known_of(earlier: Table, name: str) -> Floats:
    """Return a number of the earlier runs that have it."""
    values = earlier.column(name)
    return values[np.isfinite(values)]


def final_level(points: Points) -> float | None:
    """Return what a run's last five points come to."""
    return float(points.means[-_LAST:].mean()) if len(points) else None


def step_time(table: Table) -> float | None:
    """Return the median over windows of the mean nanoseconds of a step (of an epoch where no step has any)."""
    for series in (layout.DURATION, layout.EPOCH_DURATION):
        count, total = table.column(f"{series}.n"), table.column(f"{series}.sum")
        some = (count > 0) & (total > 0)
        if some.any():
            return float(np.median(total[some] / count[some]))
    return None


def gaps(table: Table, window_us: int) -> tuple[Floats, Floats]:
    """Return how long a run was silent between its events: seconds, and how often each.

    Of events of one part of a window only their mean distance is known, which is less than the part is long.
    """
    count, first, last = (table.block(f"{layout.SEEN}.{stat}") for stat in ("n", "from", "to"))
    if not count.size or not count.shape == first.shape == last.shape:
        return np.zeros(0), np.zeros(0)
    rows, places = np.nonzero(count > 0)
    n = count[rows, places]
    begin = table.times[rows] / 1e6 + np.clip(first[rows, places], 0, window_us / 1e6)
    end = np.maximum(begin, table.times[rows] / 1e6 + np.clip(last[rows, places], 0, window_us / 1e6))
    inner = np.where(n > 1, (end - begin) / np.maximum(1, n - 1), 0.0)
    # Before it was started again a run was not silent, it was not there.
    started = table.column(layout.STARTS) > 0
    starts = table.times[started] / 1e6 + table.column(layout.START_AT)[started]
    goes_on = np.abs(begin[1:, None] - starts[None, :]).min(axis=1, initial=np.inf) > _SAME_S
    outer = np.maximum(0.0, begin[1:] - end[:-1])[goes_on]
    return (
        np.concatenate([outer, inner[n > 1]]),
        np.concatenate([np.ones(len(outer)), (n - 1)[n > 1]]),
    )


def _row(table: Table, start: int, window_us: int, split: str) -> list[float]:
    empty = table.take(slice(0, 0))
    points = chosen_points(table, empty, window_us, split)
    length = float(points.at.max()) if len(points) else _UNKNOWN
    band = np.full(BINS, _UNKNOWN)
    if len(points) and length > 0:
        places = np.minimum(BINS - 1, (points.at / length * BINS).astype(np.int64))
        weight = np.bincount(places, minlength=BINS)
        with np.errstate(invalid="ignore", divide="ignore"):
            band = np.bincount(places, points.means, minlength=BINS) / np.where(weight > 0, weight, np.nan)
    silent, _ = gaps(table, window_us)
    finals = (
        final_level(train_points(table, empty, window_us)),
        final_level(points_of(table, empty, layout.VALIDATION, window_us)),
    )
    known = (step_time(table), float(silent.max()) if len(silent) else None, *finals)
    return [
        float(table.times[start]),
        length,
        *(_UNKNOWN if one is None else one for one in known),
        *band,
    ]
