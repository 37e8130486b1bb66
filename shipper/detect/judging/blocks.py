"""Windows of the past taken together, so that they are as large as what is judged."""

from __future__ import annotations

import numpy as np

from shipper.detect.fetching.table import Floats, Ints
from shipper.detect.statistics.middle import median


def block_starts(sizes: Floats, judged: float, fewest: int) -> Ints | None:
    """Return where the blocks of windows begin; None where each window is as good as a block.

    Args:
        sizes: events per window, in order of time.
        judged: events that one block shall have about.
        fewest: blocks that must be left to tell anything; where there would be fewer, they are smaller.
    """
    usual = median(sizes) if len(sizes) else 0.0
    together = min(len(sizes) // fewest, round(judged / usual)) if usual > 0 else 1
    if together < 2:
        return None
    starts = np.arange(len(sizes) % together, len(sizes), together)
    starts[0] = 0  # the oldest block takes what is left over
    return starts
