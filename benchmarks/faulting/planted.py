"""What is planted, and what comes out of making one series: tables of a rule's group, and faults with their power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from benchmarks.faulting.course import BUCKET_US, Random
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Flags, Floats, Ints, Table

SHORTEST_US: Final = 30 * MINUTE_US
LONGEST_US: Final = 8 * HOUR_US
APART_US: Final = 12 * HOUR_US
"""Least time between two faults of one series: the first is to be over before the next."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One fault.

    Attributes:
        rule_id, series: whose group it hits; `group` as an alert names it.
        kind: what goes wrong; `size` how much of it, in the kind's own unit.
        start_us, end_us: when; the series is as before afterwards.
        power: of the exact test on the first whole bucket, 0..1.
        is_visible: the change, without any noise, reaches the rule's minimum effect.
        labelled_us: when enough labels of the first whole bucket had come; None where there are no labels.
    """

    rule_id: str
    series: str
    group: Mapping[str, str]
    kind: str
    size: float
    start_us: int
    end_us: int
    power: float = 0.0
    is_visible: bool = True
    labelled_us: int | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """When the labels of each bucket came: numbers by buckets of lateness, rows as the times."""

    times: Ints
    predictions: Floats
    good: Floats
    bad: Floats


@dataclass(frozen=True, slots=True)
class Made:
    """One series: a group (or one per version) of one rule.

    Attributes:
        tables: what Elasticsearch would have summed up, per group.
        metric: the number per bucket that a person would chart; NaN where there is none.
        counted: events per bucket that a rule on numbers of documents would count.
        labels: how late labels came; None where the rule waits for none.
    """

    rule_id: str
    name: str
    times: Ints
    tables: Mapping[Group, Table]
    faults: tuple[Planted, ...]
    metric: Floats
    counted: Floats
    labels: Mapping[Group, Labels] = field(default_factory=dict)


def moments(chance: Random, times: Ints, per_day: float) -> list[tuple[int, int]]:
    """Draw when a series is faulty: after its first day, of 30 minutes to 8 hours, and some hours apart."""
    found: list[tuple[int, int]] = []
    moment = int(times[0]) + DAY_US + chance.exponential(DAY_US / per_day) if per_day else np.inf
    end = int(times[-1]) + BUCKET_US
    while moment < end - HOUR_US:
        length = float(np.exp(chance.uniform(np.log(SHORTEST_US), np.log(LONGEST_US))))
        found.append((int(moment), min(end, int(moment + length))))
        moment += length + APART_US + chance.exponential(DAY_US / per_day)
    return found


def overlap(times: Ints, start_us: int, end_us: int) -> Floats:
    """Return which part of each bucket is faulty, 0..1."""
    inside = np.minimum(times + BUCKET_US, end_us) - np.maximum(times, start_us)
    part: Floats = np.clip(inside / BUCKET_US, 0.0, 1.0)
    return part


def first_whole(times: Ints, start_us: int) -> int:
    """Return the row of the first bucket that is faulty from its beginning."""
    return min(len(times) - 1, int(np.searchsorted(times, start_us)))


def log_uniform(chance: Random, low: float, high: float) -> float:
    """Draw a number whose logarithm is evenly spread."""
    return float(np.exp(chance.uniform(np.log(low), np.log(high))))


def table(times: Ints, columns: Sequence[tuple[str, Floats]], *, is_dense: bool = False) -> Table:
    """Return a table of named columns; rows without anything are left out unless it is dense."""
    names = tuple(name for name, _ in columns)
    values = np.column_stack([values for _, values in columns]).astype(np.float64)
    blocks: dict[str, slice] = {}
    for place, name in enumerate(names):
        block = name.rpartition("/")[0] or name
        blocks[block] = slice(blocks[block].start if block in blocks else place, place + 1)
    some = values.sum(axis=1) > 0
    kept: Flags = np.ones(len(times), dtype=np.bool_) if is_dense else some
    if is_dense and len(times):
        kept[: int(np.argmax(some))] = False
    return Table(times[kept], values[kept], blocks, names)


def coarsened(fine: Table, window_us: int) -> Table:
    """Return the table with the rows of each longer window added up."""
    if window_us == BUCKET_US or not len(fine):
        return fine
    starts, rows = np.unique(fine.times // window_us * window_us, return_inverse=True)
    values = np.zeros((len(starts), fine.values.shape[1]))
    np.add.at(values, rows, fine.values)
    return Table(starts, values, fine.blocks, fine.names)
