"""From merged evidence to a significance that a budget of false alarms can count on.

The views' probabilities hold for noise whose neighbours do not depend on each other. On autocorrelated noise with heavy
tails the top of the evidence comes more often, so it is read off a line that lies above what ten kinds of
made-up noise gave: normal, Student's t with 3 degrees of freedom, both autocorrelated with 0.7 to 0.99, with a
season, with a trend, lognormal, counts. 24,000 rows each after a past of 1,500; docs/reference/series.md has
the table. Beyond evidence of 4 the line is an extrapolation.
"""

from __future__ import annotations

from typing import Final

_SLOPE: Final = 0.6
_OFFSET: Final = 0.6


def significance_of(evidence: float) -> float:
    """Return minus log10 of the probability, at most, that ordinary noise gives such merged evidence."""
    return max(0.0, min(evidence, _SLOPE * evidence + _OFFSET))
