"""Sums over the newest rows; causal."""

from __future__ import annotations

import numpy as np

from shipper.detect.fetching.table import Floats


def rolling_mean(values: Floats, rows: int) -> Floats:
    """Return for each row the mean of the newest `rows` values, itself included; of fewer at the beginning.

    Each mean is summed by itself, not carried on, so that a huge value leaves no rounding behind and a
    series that is cut at its front has the same means from `rows` rows on.
    """
    padded = np.concatenate([np.zeros(max(0, rows - 1)), values])
    if not len(values):
        return values.astype(np.float64)
    sums = np.lib.stride_tricks.sliding_window_view(padded, rows).sum(axis=1)
    means: Floats = sums / np.minimum(np.arange(1, len(values) + 1), rows)
    return means
