"""From a made-up run to the rows that Elasticsearch would answer, as `shipper.detect.fetching.training_cells` reads them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.curving.runs import Floats, Run
from shipper.detect.curves import layout
from shipper.detect.curves.rows import run_table
from shipper.detect.fetching.table import Table
from shipper.detect.rules.training_rule import PARTS, TrainingRule

_BEAT_S = 60.0
Rows = dict[int, dict[str, float]]


def table_of(run: Run, rule: TrainingRule, begin_us: int, end_us: int) -> Table:
    """Return the table of a run that began at a moment, as the job would make it."""
    rows: Rows = {}
    finite = run.nan_from if run.nan_from is not None else len(run.loss)
    measure = run.norm if rule.field.endswith("grad_norm") else run.loss
    steps_us, epochs_us = begin_us + run.step_s * 1e6, begin_us + run.epoch_s * 1e6
    series = [(layout.STEP, steps_us[:finite], measure[:finite], run.steps[:finite])]
    if not rule.field.endswith("grad_norm"):
        series += [
            (layout.EPOCH, epochs_us, run.train, run.epoch_steps),
            (layout.VALIDATION, epochs_us, run.valid, run.epoch_steps),
        ]
    if run.rate is not None:
        series.append((layout.RATE, steps_us, run.rate, np.zeros(len(run.rate))))
    for name, times, values, at in series:
        _put(rows, rule, name, times, values, at)
    _life(rows, rule, run, begin_us)
    if run.nan_from is not None:
        _nan(rows, rule, steps_us[finite:], run.steps[finite:])
    _seen(rows, rule, np.sort(np.concatenate([steps_us, epochs_us, *_marks(run, begin_us)])))
    _timed(rows, rule, steps_us, run.pace_ns)
    found = sorted((start, one) for start, one in rows.items() if start + rule.window <= end_us)
    return run_table(rule, found, end_us)


def _marks(run: Run, begin_us: int) -> list[Floats]:
    ends = () if run.end_s is None else (run.end_s,)
    return [begin_us + np.array(run.starts_s) * 1e6, begin_us + np.array(ends) * 1e6]


def _groups(times: Floats, width: int) -> tuple[list[int], list[slice]]:
    """Return the distinct multiples of a width that times fall into, and which of the sorted times do."""
    places = (times // width).astype(np.int64)
    distinct, firsts = np.unique(places, return_index=True)
    bounds = [*firsts.tolist(), len(times)]
    return (distinct * width).tolist(), [slice(a, b) for a, b in pairwise(bounds)]


def _put(rows: Rows, rule: TrainingRule, name: str, times: Floats, values: Floats, at: Floats) -> None:
    width = rule.window // PARTS
    for moment, which in zip(*_groups(times, width), strict=True):
        start = int(moment) // rule.window * rule.window
        part = (int(moment) - start) // width
        some = values[which]
        numbers = (len(some), some.sum(), some.max(), some.min(), at[which].max())
        row = rows.setdefault(start, {})
        for block, number in zip(layout.stats(name), numbers, strict=True):
            row[f"{block}/{part}"] = float(number)


def _seen(rows: Rows, rule: TrainingRule, times: Floats) -> None:
    width = rule.window // PARTS
    for moment, which in zip(*_groups(times, width), strict=True):
        start = int(moment) // rule.window * rule.window
        part, some, row = (int(moment) - start) // width, times[which], rows.setdefault(start, {})
        row[layout.EVENTS] = row.get(layout.EVENTS, 0.0) + len(some)
        row[f"{layout.SEEN}.n/{part}"] = float(len(some))
        row[f"{layout.SEEN}.from/{part}"] = (some[0] - start) / 1e6
        row[f"{layout.SEEN}.to/{part}"] = (some[-1] - start) / 1e6


def _life(rows: Rows, rule: TrainingRule, run: Run, begin_us: int) -> None:
    def row_at(second: float) -> tuple[dict[str, float], float]:
        moment = begin_us + round(second * 1e6)
        start = moment - moment % rule.window
        return rows.setdefault(start, {}), (moment - start) / 1e6

    for second in run.starts_s:
        row, offset = row_at(second)
        row[layout.STARTS], row[layout.START_AT] = row.get(layout.STARTS, 0.0) + 1, offset
        row[f"{layout.SAME}/made"] = 1.0
    if run.end_s is not None:
        row, _ = row_at(run.end_s)
        row[layout.FINISHED] = row[layout.ENDED] = 1.0
    if run.dead_s is not None:
        for second in np.arange(_BEAT_S, run.dead_s, _BEAT_S):
            row, offset = row_at(float(second))
            row[layout.BEATS], row[layout.BEAT_AT] = row.get(layout.BEATS, 0.0) + 1, offset
            row[layout.BEAT_S] = _BEAT_S


def _nan(rows: Rows, rule: TrainingRule, times: Floats, steps: Floats) -> None:
    for start, which in zip(*_groups(times, rule.window), strict=True):
        row = rows.setdefault(int(start), {})
        row[f"{layout.NONFINITE}/loss"] = float(len(times[which]))
        row[f"{layout.NONFINITE_STEP}/loss"] = float(steps[which].min()) + 1


def _timed(rows: Rows, rule: TrainingRule, times: Floats, pace_ns: Floats) -> None:
    for start, which in zip(*_groups(times, rule.window), strict=True):
        row = rows.setdefault(int(start), {})
        row[f"{layout.DURATION}.n"] = float(len(times[which]))
        row[f"{layout.DURATION}.sum"] = float(pace_ns[which].sum())
