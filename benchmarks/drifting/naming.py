"""Many features, a few of which drift: which are named, and how many of those are wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from benchmarks.drifting.counted import SHAPES
from benchmarks.drifting.ours import Shipped
from shipper.detect.detectors.base import Reference
from shipper.detect.detectors.drift import MISSING, Drift
from shipper.detect.fetching.table import Table

FEATURES, DRIFTING, REFERENCE, CURRENT = 50, 5, 10_000, 1_000
_MIXED: Final = 0.15
"""Part of the values of a drifting feature that sit in one bin more than they did."""


def naming(shipped: Shipped, seed: int, windows: int) -> list[tuple[str, ...]]:
    """Return a table: by drifting features and level, alarms, drifting features named, and false ones of those named."""
    rows: list[tuple[str, ...]] = [
        (
            "drifting",
            "level",
            "windows",
            "alarms",
            "named of drifting",
            "named falsely",
            "false discovery rate",
            "promised",
        )
    ]
    loose = replace(shipped.detector, probability=0.05) if isinstance(shipped.detector, Drift) else None
    for drifting in (0, DRIFTING):
        for detector, level in ((shipped.detector, shipped.level), (loose, 0.05)):
            if detector is None:
                continue
            chance = np.random.default_rng([seed, drifting])
            alarms = right = wrong = 0
            rates = []
            for _ in range(windows):
                current, history = _window(shipped, chance, drifting)
                score = detector.score(current, Reference(history), level)
                alarms += bool(score.value is not None and score.is_effective and 10**-score.value <= level)
                false = sum(int(name[1:]) >= drifting for name in score.suspects)
                right, wrong = right + len(score.suspects) - false, wrong + false
                rates.append(false / max(1, len(score.suspects)))
            rows.append(
                (f"{drifting} of {FEATURES}", f"{level:.2g}", f"{windows:,}", f"{alarms / windows:.1%}",
                 f"{right / windows / drifting:.1%}" if drifting else "", f"{wrong}", f"{np.mean(rates):.2%}",
                 f"{min(level, detector.probability):.2%}" if isinstance(detector, Drift) else "")
            )  # fmt: skip
    return rows


def _window(shipped: Shipped, chance: np.random.Generator, drifting: int) -> tuple[Table, Table]:
    """Return the judged window and the history of all features, numeric and categorical ones by turns."""
    draws = [
        SHAPES[name]
        for name in ("continuous, whatever shape", "90 % zeros", "rounded (ties)", "counts (Poisson 0.7)")
    ]
    names, blocks, rows, now = ["events"], {"events": slice(0, 1)}, [], []
    for feature in range(FEATURES):
        counts = draws[feature % len(draws)](chance, REFERENCE, CURRENT, shipped.windows)
        current = counts.current.copy()
        if feature < drifting:
            moved = chance.binomial(current.astype(np.int64), _MIXED)
            current -= moved
            current[-1] += moved.sum()
        width = len(current)
        blocks[f"x{feature}"] = slice(len(names), len(names) + width + 1)
        names += [f"x{feature}/{place}" for place in range(width)] + [f"x{feature}/{MISSING}"]
        rows.append(np.hstack((counts.history, np.zeros((len(counts.history), 1)))))
        now.append(np.append(current, 0.0))
    events = np.full((len(rows[0]), 1), 1.0) * rows[0].sum(axis=1, keepdims=True)
    history = Table(
        np.arange(len(events), dtype=np.int64) * 3_600_000_000,
        np.hstack((events, *rows)),
        blocks,
        tuple(names),
    )
    current_row = np.concatenate(([float(CURRENT)], *now))[None, :]
    return Table(np.array([10**15], dtype=np.int64), current_row, blocks, tuple(names)), history
