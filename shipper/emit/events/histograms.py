"""How the values of a feature are distributed, small enough for a log record: what drift is later measured against."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

_PERCENTS: Final = (1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 99)
_FEWEST: Final = 10
MOST_VALUES: Final = 60
"""Frequent values that are listed; an event's arrays are cut at 64."""


def histogram(values: Any, *, is_numeric: bool) -> dict[str, object]:
    """Return the histogram of a feature under its name `histogram`; nothing for no values.

    Numbers (sorted, finite): `edges` at percentiles, and `counts` of what lies below the first, from each up to the next, and from
    the last on; a value that many share has a bin of its own. Texts: the most frequent `values` with their `counts`,
    and how many are `other`. Values that are all different are nobody's categories and stay at home.
    """
    if len(values) == 0:
        return {}
    return {"histogram": _of_numbers(values) if is_numeric else _of_texts(values)}


def _of_numbers(values: Any) -> dict[str, object]:
    size = len(values)
    usable = [percent for percent in _PERCENTS if min(percent, 100 - percent) * size >= 100 * _FEWEST] or [50]
    at = [float(values[min(size - 1, percent * size // 100)]) for percent in usable]
    shared = {value for value in at if at.count(value) > 1 or len(at) == 1}
    edges = sorted({*at, *(math.nextafter(value, math.inf) for value in shared)})
    below = [0, *(int(bisect_left(values, edge)) for edge in edges), size]
    return {"edges": edges, "counts": [high - low for low, high in pairwise(below)]}


def _of_texts(values: Sequence[str]) -> dict[str, object]:
    counted = Counter(values)
    if len(counted) > max(MOST_VALUES, len(values) // 2):
        return {"values": [], "counts": [], "other": len(values)}
    frequent = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]
    return {
        "values": [value for value, _ in frequent],
        "counts": [count for _, count in frequent],
        "other": len(values) - sum(count for _, count in frequent),
    }
