"""Our detector as NAB asks it: one number per row of a stream, from this row and those before it."""

from __future__ import annotations

from typing import Final

import numpy as np

from benchmarks.nab_streams.corpus import Stream
from shipper.detect.fetching.table import Floats, Ints
from shipper.detect.series.alarms import THRESHOLD, alarms
from shipper.detect.series.scoring import score_rows
from shipper.detect.series.view import Series

COMMITTED: Final = 0.5
"""The default threshold on the scale of `anomaly_scores`."""


def anomaly_scores(stream: Stream) -> Floats:
    """Return a score in [0, 1) per row: 0 where no alarm is told, else above or at 0.5.

    The rows come in the order of the file. Where its clock stands still or goes back it is held: nothing
    of a later row may change an earlier one. NAB's probation is the scorer's business.
    """
    scores = np.zeros(len(stream.times))
    known = np.flatnonzero(np.isfinite(stream.values))
    series = Series(_held(stream.times[known]), stream.values[known])
    merged = score_rows(series)
    told = alarms(merged)
    scores[known[told]] = merged[told] / (merged[told] + THRESHOLD)
    return scores


def _held(times: Ints) -> Ints:
    """Return ascending times: each at least a microsecond after the one before."""
    steps = np.arange(len(times))
    return np.maximum.accumulate(times - steps) + steps
