"""Other detectors on the same rows, with their own defaults: those that are installed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Final

import numpy as np

from benchmarks.nab_streams.corpus import Stream
from shipper.detect.fetching.table import Floats
from shipper.detect.series.alarms import alarms

_WINDOW: Final = 6400
_STEP: Final = 150


def windowed_gaussian(stream: Stream) -> Floats:
    """The simplest of NAB's own: how far a value is out of the normal curve of those before it."""
    scores, history = np.zeros(len(stream.values)), np.zeros(0)
    mean, deviation = 0.0, 1.0
    for row, value in enumerate(np.nan_to_num(stream.values)):
        if len(history):
            scores[row] = 1 - math.erfc(abs(value - mean) / deviation / math.sqrt(2))
        history = np.append(history, value)[-_WINDOW:]
        if row % _STEP == 0 or len(history) < _WINDOW:
            mean, deviation = float(history.mean()), float(history.std()) or 1e-6
    return scores


def half_space_trees(stream: Stream) -> Floats:
    """River's half-space trees on the value, scaled to 0..1 by the extremes so far."""
    from river import anomaly, preprocessing  # noqa: PLC0415 - optional

    scaler, trees = preprocessing.MinMaxScaler(), anomaly.HalfSpaceTrees(seed=1)
    scores = np.zeros(len(stream.values))
    for row, value in enumerate(np.nan_to_num(stream.values)):
        seen = {"value": float(value)}
        scaler.learn_one(seen)
        scaled = scaler.transform_one(seen)
        scores[row] = trees.score_one(scaled)
        trees.learn_one(scaled)
    return scores


def told_once(found: Mapping[str, Floats], threshold: float) -> dict[str, Floats]:
    """Return a peer's scores with our quiet rows after each alarm at this threshold: 1 where one is told, else 0."""
    told = {}
    for name, scores in found.items():
        told[name] = np.zeros(len(scores))
        told[name][alarms(scores, threshold)] = 1.0
    return told


def available() -> Mapping[str, Callable[[Stream], Floats] | str]:
    """Return each peer, or why it is left out."""
    missing = "river is not installed"
    return {
        "windowed Gaussian": windowed_gaussian,
        "river HalfSpaceTrees": half_space_trees if find_spec("river") else missing,
    }
