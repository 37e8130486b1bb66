"""From scores to alarms: told once, then quiet for a while."""

from __future__ import annotations

from typing import Final

import numpy as np

from shipper.detect.fetching.table import Floats, Ints

THRESHOLD: Final = 2.5
"""The merged evidence from which on one series looked at by itself is told of."""
QUIET_ROWS: Final = 60
"""Rows after an alarm in which the same trouble is not told of again."""


def alarms(scores: Floats, threshold: float = THRESHOLD, quiet_rows: int = QUIET_ROWS) -> Ints:
    """Return the rows at which an alarm is told: the score is reached, and none was told in `quiet_rows` before."""
    told: list[int] = []
    for row in np.flatnonzero(scores >= threshold):
        if not told or row - told[-1] >= quiet_rows:
            told.append(int(row))
    return np.array(told, dtype=np.int64)
