"""Pairs of binned samples drawn as counts, without drawing the values: a million events cost no more than a thousand.

Each draw has the distribution that binning drawn values would have, exactly:

- a continuous feature: bins are cut at sample quantiles, and ranks do not know the shape, so all continuous shapes are
  one. The quantiles of N uniform values are sums of exponential spacings; how many values of the reference lie
  between two of them is then certain, and which of its windows those fall into is a draw without replacement; the
  judged sample is multinomial with the spacings as probabilities. (A quantile between two neighbours is interpolated
  on the uniform scale; another shape would put it elsewhere in that gap, which holds one value in N.)
- a discrete feature, or a categorical one: each window is multinomial; quantiles follow from the counts.
- zeros and a continuous rest: the number of zeros is binomial, the rest is as above.

Not drawn is what Elasticsearch adds: its quantiles are those of a t-digest, up to about 1 % off in rank at the middle. They are
edges alone; whatever they are, reference and judged sample are counted by the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np

from benchmarks.drifting.samples import CATEGORIES
from shipper.detect.fetching.bins import QUANTILES, edges_of
from shipper.detect.fetching.table import Floats, Ints

Random = np.random.Generator


class Counts(NamedTuple):
    """Events by window of the reference and bin, and of the judged sample by bin."""

    history: Floats
    current: Floats


Draw = Callable[[Random, int, int, int], Counts]
"""Draws a pair: sizes of the reference and of the judged sample, windows of the reference."""


def continuous(zeros: float = 0.0) -> Draw:
    """Return a maker of features with a density, a part of which may be zero instead."""

    def draw(chance: Random, reference: int, current: int, windows: int) -> Counts:
        none = int(chance.binomial(reference, zeros)) if zeros else 0
        values, ranks, parts = _quantiles(chance, reference, none)
        edges = edges_of(list(values), reference)
        below = [_below(edge, values, ranks, parts, none) for edge in edges]
        pool = np.diff([0, *below, reference])
        likely = [0.0 if edge <= 0 else zeros + (1 - zeros) * min(1.0, edge) for edge in edges]
        now = chance.multinomial(current, np.maximum(0.0, np.diff([0.0, *likely, 1.0])))
        return Counts(_dealt(chance, pool, _sizes(reference, windows)), now.astype(float))

    return draw


def discrete(values: Floats, shares: Floats) -> Draw:
    """Return a maker of a numeric feature that takes some values only."""

    def draw(chance: Random, reference: int, current: int, windows: int) -> Counts:
        rows = chance.multinomial(_sizes(reference, windows), shares)
        cumulated = np.cumsum(rows.sum(axis=0))
        at = np.array(QUANTILES) / 100 * (reference - 1)
        low = values[np.searchsorted(cumulated, np.floor(at), side="right")]
        high = values[np.searchsorted(cumulated, np.minimum(np.floor(at) + 1, reference - 1), side="right")]
        edges = np.array(edges_of(list(low + (at - np.floor(at)) * (high - low)), reference))
        place = np.searchsorted(edges, values, side="right")
        into = np.eye(len(edges) + 1)[place]
        return Counts(rows @ into, chance.multinomial(current, shares) @ into)

    return draw


def categories(shares: Floats) -> Draw:
    """Return a maker of categories; those that neither sample has are not listed."""

    def draw(chance: Random, reference: int, current: int, windows: int) -> Counts:
        rows = chance.multinomial(_sizes(reference, windows), shares)
        now = chance.multinomial(current, shares)
        seen = rows.sum(axis=0) + now > 0
        return Counts(rows[:, seen].astype(float), now[seen].astype(float))

    return draw


def _sizes(total: int, windows: int) -> Ints:
    """Return how many of the values fall into each of the equal windows."""
    sizes: Ints = np.full(windows, total // windows, dtype=np.int64)
    sizes[: total % windows] += 1
    return sizes


def _quantiles(chance: Random, size: int, none: int) -> tuple[Floats, Ints, Floats]:
    """Return the sample's quantiles, the ranks (from 0) just below them, and how far they lie beyond those."""
    at = np.array(QUANTILES) / 100 * (size - 1)
    ranks = np.floor(at).astype(np.int64)
    wanted = np.unique(np.concatenate((ranks, np.minimum(ranks + 1, size - 1))))
    wanted = wanted[wanted >= none]
    steps = np.diff([none - 1, *wanted, size])
    spacings = chance.standard_gamma(steps)
    found = dict(zip(wanted.tolist(), (np.cumsum(spacings) / spacings.sum()).tolist(), strict=False))
    parts = at - ranks
    low = np.array([found.get(int(rank), 0.0) for rank in ranks])
    high = np.array([found.get(int(min(rank + 1, size - 1)), 0.0) for rank in ranks])
    return low + parts * (high - low), ranks, parts


def _below(edge: float, values: Floats, ranks: Ints, parts: Floats, none: int) -> int:
    """Return how many values of the reference lie below an edge."""
    if edge <= 0:
        return 0
    where = np.flatnonzero(values == edge)
    if not len(where):  # just above a value that many share, which only zero is
        return none
    return int(ranks[where[0]]) + (1 if parts[where[0]] > 0 else 0)


def _dealt(chance: Random, pool: Ints, sizes: Ints) -> Floats:
    """Deal the values of the bins to the windows."""
    left, rows = pool.copy(), []
    for size in sizes[:-1]:
        rows.append(chance.multivariate_hypergeometric(left, size, method="marginals"))
        left = left - rows[-1]
    return np.array([*rows, left], dtype=np.float64)


def _rounded_normal(spread: float) -> Draw:
    values = np.arange(-12.0, 13.0)
    cumulated = [0.5 * (1 + math.erf((value + 0.5) / spread / math.sqrt(2))) for value in values]
    return discrete(values, np.diff([0.0, *cumulated[:-1], 1.0]))


def _poisson(mean: float) -> Draw:
    shares = np.array([math.exp(-mean) * mean**count / math.factorial(count) for count in range(20)])
    return discrete(np.arange(20.0), shares / shares.sum())


def _zipf(count: int) -> Floats:
    weights: Floats = 1 / np.arange(1, count + 1) ** 1.2
    return weights / weights.sum()


SHAPES: Final[Mapping[str, Draw]] = {
    "continuous, whatever shape": continuous(),
    "90 % zeros": continuous(0.9),
    "rounded (ties)": _rounded_normal(2.0),
    "counts (Poisson 0.7)": _poisson(0.7),
    "0 or 1, 2 % ones": discrete(np.array([0.0, 1.0]), np.array([0.98, 0.02])),
    "constant": discrete(np.array([7.0]), np.array([1.0])),
    **{f"{count} even categories": categories(np.full(count, 1 / count)) for count in CATEGORIES},
    **{f"{count} rare categories": categories(_zipf(count)) for count in CATEGORIES},
}
"""Shapes of features; those with `categories` in their name are categorical."""
