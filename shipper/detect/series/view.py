"""What a view of a series is: a causal number per row, and how improbable one is after others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np

from shipper.detect.fetching.table import Floats, Ints


@dataclass(frozen=True, slots=True)
class Series:
    """A number over time.

    Attributes:
        times: microseconds since the epoch, strictly ascending; steps may differ.
        values: one finite number per time.
    """

    times: Ints
    values: Floats

    def __len__(self) -> int:
        return len(self.times)

    @classmethod
    def of(cls, times: Ints, values: Floats) -> Self:
        """Return the series of pairs in any order: what is no finite number is left out, doubles are averaged."""
        moments, numbers = np.asarray(times, dtype=np.int64), np.asarray(values, dtype=np.float64)
        known = np.isfinite(numbers)
        unique, rows = np.unique(moments[known], return_inverse=True)
        counts = np.bincount(rows, minlength=len(unique))
        sums = np.bincount(rows, weights=numbers[known], minlength=len(unique))
        return cls(unique, sums / np.maximum(counts, 1))


class View(Protocol):
    """One way to look at a series. Every view states its idea, source, cost and when it fails."""

    name: ClassVar[str]
    stride: ClassVar[int]
    """Each number is compared with those of every so many rows before: nearer ones hold the same values."""

    def numbers(self, series: Series) -> Floats:
        """Return the view's number for each row, from this row and those before it; NaN: none yet."""

    def probability(self, number: float, past: Floats) -> float:
        """Return the probability of such a number, or a more unusual one, after those of the past."""
