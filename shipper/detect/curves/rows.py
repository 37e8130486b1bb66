"""The table of one run: from sums by window to a row for each window that is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Table
from shipper.detect.rules.training_rule import TrainingRule


def run_table(rule: TrainingRule, rows: Sequence[tuple[int, Mapping[str, float]]], end_us: int) -> Table:
    """Return a run's table: a row for each window from its first event to its end, and some after it.

    A run that neither says anything nor ended has rows until it is given up. After an end, and after giving up, a few
    rows say that it is over, so that its alerts end.
    """
    rows = [(start, one) for start, one in rows if start < end_us]
    told = [(start, bool(one.get(layout.ENDED))) for start, one in rows if one.get(layout.EVENTS)]
    found: list[int] = []
    over: list[bool] = []
    for (start, ended), following in zip(told, [*(start for start, _ in told[1:]), end_us], strict=True):
        over_from = start + rule.window + (0 if ended else rule.gives_up_us)
        stop = min(following, over_from + rule.lasting * rule.window)
        now = range(start, max(stop, start + rule.window), rule.window)
        found += now
        over += [moment >= over_from for moment in now]
    times = np.array(found, dtype=np.int64)
    names = _names(rows)
    place_of = {name: place for place, name in enumerate(names)}
    values = np.zeros((len(times), len(names)))
    for start, numbers in rows:
        row = int(np.searchsorted(times, start))
        if row < len(times) and times[row] == start:
            for name, number in numbers.items():
                if name in place_of:
                    values[row, place_of[name]] = number
    values[:, place_of[layout.OVER]] = over
    finite = np.where(np.isfinite(values), values, 0.0)
    return Table(times, finite, _blocks(names), names)


def _names(rows: Sequence[tuple[int, Mapping[str, float]]]) -> tuple[str, ...]:
    """Return the columns of a run: plain ones, those with a part for each part of a window, those by name."""
    seen = dict.fromkeys(name for _, numbers in rows for name in numbers)
    wide = [name.rpartition("/")[0] for name in seen if name.rpartition("/")[2].isdecimal()]
    series = {block.rpartition(".")[0] for block in wide if "." in block} & {*layout.SERIES, layout.SEEN}
    stats = {layout.SEEN: ("n", "from", "to")}
    blocks = [f"{name}.{stat}" for name in sorted(series) for stat in stats.get(name, layout.STATS)]
    by_name = sorted(
        name
        for name in seen
        if name.partition("/")[0]
        in (layout.NONFINITE, layout.NONFINITE_AT, layout.NONFINITE_STEP, layout.SAME)
    )
    plain = [name for name in seen if "/" not in name and name != layout.ENDED]
    return (*dict.fromkeys([layout.EVENTS, layout.OVER, *plain]), *layout.columns(tuple(blocks)), *by_name)


def _blocks(names: Sequence[str]) -> dict[str, slice]:
    blocks: dict[str, slice] = {}
    for place, name in enumerate(names):
        block = name.rpartition("/")[0] or name
        blocks[block] = slice(blocks[block].start if block in blocks else place, place + 1)
    return blocks


def kind_of(table: Table) -> str:
    """Return what a run shares with those that it is compared with, as its first window with any of it says."""
    counts, names = table.block(layout.SAME), table.parts(layout.SAME)
    if not counts.any():
        return ""
    first = counts[int(np.flatnonzero(counts.any(axis=1))[0])]
    return names[int(np.argmax(first))]


def same_kind(group: Group, tables: Mapping[Group, Table]) -> list[Table]:
    """Return the tables of other runs that this one is compared with."""
    kind = kind_of(tables[group])
    return [table for other, table in tables.items() if other != group and kind_of(table) == kind]
