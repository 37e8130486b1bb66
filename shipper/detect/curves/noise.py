"""How much a curve wanders without going anywhere, and how sure a difference of its parts is.

Source: von Neumann, Distribution of the ratio of the mean square successive difference to the variance (1941), for noise
by differences, which a trend does not inflate; Lomax, Business failures: another example of the analysis of failure data (1954),
for the tail that an exponential excess has when its mean is known from few numbers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats
from shipper.detect.statistics.probability import student_tail

_OUTLIER: Final = 3.0
_ENOUGH: Final = 12
_USUALLY_TIED: Final = 0.2
"""Correlation of neighbouring blocks that is believed where there are too few to tell."""
_USUAL_WEIGHT: Final = 20
"""As many bends count as that belief."""
_TIED: Final = np.linspace(0.0, 0.8, 81)
_RATIOS: Final = (1 + _TIED) * (3 - _TIED**2) / (3 - _TIED)
"""Mean square of bends at twice the distance over that at one, by the correlation of neighbours."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A curve in blocks of equal numbers of points, the newest block ending at the newest point.

    Attributes:
        means: of the points of each block.
        spread: standard deviation of a block's mean, as it counts in a mean over many: correlation is in it.
        degrees: degrees of freedom of the spread.
        size: points of each block.
    """

    means: Floats
    spread: float
    degrees: float
    size: int = 1

    def sureness(self, difference: float, first: int, second: int) -> float:
        """Return P(a difference of the means of so many blocks as large as this), if there is none."""
        error = self.spread * math.sqrt(1 / first + 1 / second)
        if error <= 0:
            return 0.0 if difference > 0 else 1.0
        return student_tail(difference / error, self.degrees)


def blocks_of(values: Floats, most: int) -> Blocks:
    """Cut a curve of at least 5 points into at most `most` blocks; the oldest points that fill none are left out."""
    size = max(1, len(values) // most)
    count = len(values) // size
    means = values[len(values) - count * size :].reshape(count, size).mean(axis=1)
    near = bends_of(means)
    # One spike bends three times; it is not the noise, but neither is noise without any outlier.
    near_square = _bounded_square(near)
    tied = (
        _tied(len(near), near_square, _bounded_square(bends_of(means, 2)))
        if count >= _ENOUGH
        else _USUALLY_TIED
    )
    # The standard deviation that a mean over many blocks tells: neighbours that go together count less than one each.
    single = (near_square or float((near**2).mean())) / (6 - 8 * tied + 2 * tied**2)
    spread = math.sqrt(single * (1 + tied) / (1 - tied))
    # Neighbouring bends share two blocks, so they say about half as much as as many that are independent.
    return Blocks(means, spread, max(2.0, (count - 2) / 2), size)


def bends_of(means: Floats, apart: int = 1) -> Floats:
    """Return the second differences of numbers so far apart; a straight line has none."""
    bends: Floats = means[: -2 * apart] - 2 * means[apart:-apart] + means[2 * apart :]
    return bends


def deviation_of(values: Floats) -> float:
    """Return the standard deviation of normal numbers around 0, by the median of their sizes."""
    return 1.4826 * float(np.median(np.abs(values)))


def _tied(count: int, near: float, far: float) -> float:
    """Return the correlation of neighbouring blocks, as an autoregression of first order, by how bends grow with distance.

    Few blocks cannot tell, so what is usual is believed beside them.

    Args:
        count: of the bends; `near`, `far`: their mean squares, at one and at twice the distance.
    """
    ratio = far / near if near > 0 else 1.0
    seen = float(np.interp(ratio, _RATIOS, _TIED))
    return (count * seen + _USUAL_WEIGHT * _USUALLY_TIED) / (count + _USUAL_WEIGHT)


def _bounded_square(bends: Floats) -> float:
    """Return the mean square of bends, bounded so that a few places where the curve itself bends do not count.

    0 where more than half of them are.
    """
    most = _OUTLIER * deviation_of(bends)
    return float((np.clip(bends, -most, most) ** 2).mean()) if most > 0 else 0.0


def beyond(
    number: float, past: Floats, share: float = 0.1, least: int = 10, prior: float = 0.0, believed: int = 0
) -> float:
    """Return about P(X >= number) for one more of the numbers of the past, with an exponential tail of unknown mean.

    Args:
        number: what is judged.
        past: numbers like it, in any order.
        share, least: how many of the largest make the tail.
        prior: mean excess that is believed beside what was seen.
        believed: as much as so many excesses; 0: it only adds to those of the past.
    """
    count = len(past)
    top = min(max(least, int(count * share)), count - 1)
    if top < 1:
        return 1.0
    ordered = np.sort(past)
    floor = float(ordered[count - top - 1])
    if number <= floor:
        return float((np.count_nonzero(past >= number) + 1) / (count + 1))
    excess = ordered[count - top :] - floor
    # Where something is believed, what did not exceed anything says nothing of how large an excess is.
    top = int(np.count_nonzero(excess)) if believed else top
    total = float(excess.sum()) + prior * (believed or top)
    if total <= 0:
        return 1.0 / (count + 1)
    return float((top + 1) / (count + 1) * (1 + (number - floor) / total) ** -(top + believed))
