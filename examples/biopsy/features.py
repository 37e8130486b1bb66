"""From the texts of a request to the numbers that the model takes."""

from __future__ import annotations

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


def prepare(request: Mapping[str, str], wait: Callable[[float], None]) -> dict[str, float]:
    """Return the features of one request; `wait(seconds)` passes the time of calls to other services."""
    wait(LOOKUP_S)
    return {name: float(request[name]) for name in NAMES}
