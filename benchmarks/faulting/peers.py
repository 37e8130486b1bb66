"""What others make of the same series: a fixed |z| > 4, and ElastAlert 2's rules where an environment has it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.ours import Alert
from benchmarks.faulting.planted import Made
from shipper.detect.fetching.table import Floats, Ints

DAY_BUCKETS: Final = 288
QUIET_BUCKETS: Final = 12
"""Whoever alarms again within an hour is taken to have told the same thing."""


def fixed_z(made: Sequence[Made], limit: float = 4.0) -> Iterator[Alert]:
    """Alarm where the charted number is beyond `limit` standard deviations of the day before it."""
    for one in made:
        yield from _alerts(one, np.flatnonzero(beyond(one.metric, limit)))


def beyond(values: Floats, limit: float) -> Floats:
    """Return which values are further than `limit` deviations from the mean of the 288 before; NaN is none."""
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    sums = [np.concatenate([[0.0], np.cumsum(part)]) for part in (known, filled, filled**2)]
    rows = np.arange(len(values))
    first = np.maximum(0, rows - DAY_BUCKETS)
    count, total, squares = (part[rows] - part[first] for part in sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        found: Floats = known & (count >= DAY_BUCKETS // 4) & (np.abs(filled - mean) > limit * deviation)
    return found


def on_normal_noise(series: int, days: int, seed: int, limit: float = 4.0) -> int:
    """Return how often the fixed limit alarms on independent normal noise, where nothing ever happens."""
    chance = np.random.default_rng([seed, 4])
    return sum(
        len(_told(np.flatnonzero(beyond(chance.standard_normal(days * DAY_BUCKETS), limit))))
        for _ in range(series)
    )


def elastalert(python: Path, kind: str, made: Sequence[Made]) -> list[Alert]:
    """Return what ElastAlert 2's rule for such series tells.

    Raises:
        OSError, subprocess.SubprocessError, ValueError: it is not there, or its classes changed.
    """
    values = [one.counted if kind in ("count", "frequency", "arrivals") else one.metric for one in made]
    asked = [
        {
            "kind": kind,
            "step_s": BUCKET_US // 1_000_000,
            "values": [float(v) if np.isfinite(v) else None for v in some],
        }
        for some in values
    ]
    script = Path(__file__).with_name("elastalert_rules.py")
    answer = subprocess.run(
        [str(python), str(script)],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
        timeout=900,
    )
    rows = json.loads(answer.stdout)
    return [
        alert
        for one, told in zip(made, rows, strict=True)
        for alert in _alerts(one, np.array(told, dtype=np.int64))
    ]


def _alerts(one: Made, rows: Ints) -> Iterator[Alert]:
    field = "ml.model.name" if len(next(iter(one.tables))) > 1 else "service.name"
    for row in _told(rows):
        start = int(one.times[row])
        yield Alert(one.rule_id, {field: one.name}, start, start + BUCKET_US)


def _told(rows: Ints) -> list[int]:
    told: list[int] = []
    last = -QUIET_BUCKETS
    for row in rows.tolist():
        if row - last > QUIET_BUCKETS:
            told.append(row)
        last = row
    return told
