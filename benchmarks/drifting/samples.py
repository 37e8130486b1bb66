"""Made-up features of many shapes: pairs of samples, unchanged or shifted, from one seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Make = Callable[[np.random.Generator, int], Values]


def _zero_inflated(chance: np.random.Generator, size: int) -> Values:
    return np.where(chance.random(size) < 0.9, 0.0, chance.lognormal(0, 1, size))


def _bimodal(chance: np.random.Generator, size: int) -> Values:
    return np.where(chance.random(size) < 0.3, chance.normal(-3, 1, size), chance.normal(2, 0.5, size))


NUMERIC: Final[Mapping[str, Make]] = {
    "normal": lambda chance, size: chance.normal(0, 1, size),
    "uniform": lambda chance, size: chance.random(size),
    "log-normal": lambda chance, size: chance.lognormal(0, 1.5, size),
    "Student t, 3 degrees": lambda chance, size: chance.standard_t(3, size),
    "Cauchy": lambda chance, size: chance.standard_cauchy(size),
    "bimodal": _bimodal,
    "rounded (ties)": lambda chance, size: np.round(chance.normal(0, 2, size)),
    "counts (Poisson 0.7)": lambda chance, size: chance.poisson(0.7, size).astype(float),
    "90 % zeros": _zero_inflated,
    "0 or 1, 2 % ones": lambda chance, size: (chance.random(size) < 0.02).astype(float),
    "constant": lambda _, size: np.full(size, 7.0),
}
"""Shapes of numeric features."""

CATEGORIES: Final = (5, 20, 100, 500)


def categorical(count: int, law: str) -> Make:
    """Return a maker of categories 0 .. count - 1, equally likely (`even`) or by Zipf's law (`rare ones`)."""
    weights = np.ones(count) if law == "even" else 1 / np.arange(1, count + 1) ** 1.2
    edges = np.cumsum(weights / weights.sum())

    def make(chance: np.random.Generator, size: int) -> Values:
        return np.searchsorted(edges[:-1], chance.random(size)).astype(float)

    return make


def sizes(largest: int) -> list[tuple[int, int]]:
    """Return the sizes of reference and current sample that are tried, unequal ones among them."""
    tried = [
        (100, 100), (100, 1000), (1000, 100), (1000, 1000), (10_000, 100), (5_000, 500), (10_000, 1_000),
        (10_000, 10_000), (100, 100_000), (100_000, 1_000), (100_000, 100_000), (1_000_000, 100),
        (1_000_000, 10_000), (1_000_000, 1_000_000),
    ]  # fmt: skip
    return [pair for pair in tried if max(pair) <= largest]
