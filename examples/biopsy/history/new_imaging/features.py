"""From the texts of a request to the numbers that the model takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

NAMES = (
    "mean radius",
    "mean texture",
    "mean perimeter",
    "mean area",
    "mean smoothness",
    "mean compactness",
    "mean concavity",
    "mean concave points",
    "mean symmetry",
    "mean fractal dimension",
)

LOOKUP_S = 0.012
"""Seconds of one call to the imaging service."""

RETRY_S = 0.080
"""Seconds until a slide that is not there yet is asked for again."""


def prepare(request: Mapping[str, str], wait: Callable[[float], None]) -> dict[str, float]:
    """Return the features of one request; `wait(seconds)` passes the time of calls to other services."""
    wait(LOOKUP_S)
    features = {name: float(request[name]) for name in NAMES}
    features["mean texture"] = texture_of_slide(int(request["slide"]), features["mean texture"], wait)
    return features


def texture_of_slide(slide: int, texture: float, wait: Callable[[float], None]) -> float:
    """Return the texture that the new imaging service measured; NaN while the slide is not digitised."""
    for attempt in range(3):
        if slide % 12 > 2 - attempt:
            return texture / 10  # the new service measures in tenths
        wait(RETRY_S)
    return math.nan
