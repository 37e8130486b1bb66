"""Small ordinary and faulty training runs for each detector of them, window by window, for the common battery."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from shipper.detect.curves import layout
from shipper.detect.curves.watched import Watched
from shipper.detect.rules.training_rule import PARTS

WINDOWS = 60
FAULT_FROM = 48
PER_WINDOW = 4
WINDOW_S = 900.0
POINTS = WINDOWS * PER_WINDOW
WATCHED = Watched()

Floats = npt.NDArray[np.float64]


def windows_of(series: Mapping[str, Floats], **plain: object) -> pd.DataFrame:
    """The windows of a run with `PER_WINDOW` points each of every series (one value per point), steps ascending."""
    columns: dict[str, object] = {layout.EVENTS: np.full(WINDOWS, float(PER_WINDOW)), **plain}
    for name, values in series.items():
        cells = np.zeros((5, WINDOWS, PARTS))
        for place in range(PER_WINDOW):
            part, at = place * PARTS // PER_WINDOW, np.arange(place, POINTS, PER_WINDOW)
            seen = values[place::PER_WINDOW]
            cells[:, :, part] = [np.ones(WINDOWS), seen, seen, seen, 100.0 * at]
        for block, wide in zip(layout.stats(name), cells, strict=True):
            columns |= {f"{block}/{part}": wide[:, part] for part in range(PARTS)}
    return pd.DataFrame(columns)


def falling(chance: np.random.Generator, noise: float = 0.03, to: float = 0.5) -> Floats:
    """A loss that falls by a power law, with lognormal noise."""
    steps = np.arange(POINTS)
    loss: Floats = (2.5 * (1 + steps / 8) ** -to) * np.exp(chance.normal(0, noise, POINTS))
    return loss


def _late(faulty: bool) -> Floats:
    """Points since the fault began; 0 before it."""
    since = np.arange(POINTS, dtype=np.float64) - FAULT_FROM * PER_WINDOW + 1
    return np.clip(since, 0, None) * faulty


def spiking(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """From the fault on the second point of each window is five times what it should be."""
    loss = falling(chance)
    loss[(np.arange(POINTS) % PER_WINDOW == 1) & (_late(faulty) > 0)] *= 5
    return windows_of({layout.STEP: loss})


def not_finite(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """From the fault on each window has events whose loss is NaN."""
    bad = np.where((np.arange(WINDOWS) >= FAULT_FROM) & faulty, 3.0, 0.0)
    return pd.DataFrame(
        {
            layout.EVENTS: 5.0 + chance.poisson(20, WINDOWS),
            f"{layout.NONFINITE}/loss": bad,
            f"{layout.NONFINITE_STEP}/loss": bad * 100,
        }
    )


def flat(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """A loss that stands still from the middle on, so that the last half of the run is flat when the fault begins."""
    loss = falling(chance, noise=0.002)
    if faulty:
        begin = FAULT_FROM * PER_WINDOW // 2 + 16
        loss[begin:] = loss[begin] * np.exp(chance.normal(0, 0.002, POINTS - begin))
    return windows_of({layout.STEP: loss})


def diverging(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """From the fault on the loss nearly doubles with each point."""
    return windows_of({layout.STEP: falling(chance) * np.exp(0.6 * _late(faulty))})


def overfitted(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """From the fault on the loss on validation data grows while that on training data goes on falling."""
    train, valid = falling(chance, noise=0.01), 1.1 * falling(chance)
    return windows_of({layout.STEP: train, layout.VALIDATION: valid * np.exp(0.2 * _late(faulty))})


def silent(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """A step about every 45 seconds; nothing from the fault on."""
    well = ~((np.arange(WINDOWS) >= FAULT_FROM) & faulty)
    begin = np.arange(PARTS) * WINDOW_S / PARTS + chance.uniform(0, 20, (WINDOWS, PARTS))
    count = np.where(well, 1.0, 0.0)
    columns: dict[str, object] = {layout.EVENTS: count * PARTS, layout.STARTS: np.eye(1, WINDOWS)[0]}
    for part in range(PARTS):
        columns[f"{layout.SEEN}.n/{part}"] = count
    for stat in ("from", "to"):
        columns |= {f"{layout.SEEN}.{stat}/{part}": count * begin[:, part] for part in range(PARTS)}
    return pd.DataFrame(columns)


def slow(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """From the fault on a step takes twice as long."""
    steps = 40.0 + chance.poisson(10, WINDOWS)
    pace = 2e8 * np.exp(chance.normal(0, 0.03, WINDOWS))
    pace[(np.arange(WINDOWS) >= FAULT_FROM) & faulty] *= 2
    return pd.DataFrame(
        {layout.EVENTS: steps, f"{layout.DURATION}.n": steps, f"{layout.DURATION}.sum": steps * pace}
    )


def out_of_band(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """A norm around 1, of which each window has two values; above 5 from the fault on."""
    norm = np.exp(chance.normal(0, 0.2, POINTS)) * np.where(_late(faulty) > 0, 20.0, 1.0)
    frame = windows_of({layout.STEP: norm})
    for block in layout.stats(layout.STEP):
        frame[[f"{block}/{part}" for part in range(PARTS // 2, PARTS)]] = 0.0
    return frame
