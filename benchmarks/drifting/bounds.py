"""Exact bounds of a share that was counted, Clopper and Pearson's, one-sided 95 %."""

from __future__ import annotations

from collections.abc import Callable

from shipper.detect.statistics.probability import binomial_tail


def upper_bound(count: int, tests: int) -> float:
    """Return the largest share under which so few, or fewer, are not improbable; 1 without tests."""
    if count >= tests:
        return 1.0
    return _root(lambda share: 1 - binomial_tail(count + 1, tests, share) > 0.05)


def lower_bound(count: int, tests: int) -> float:
    """Return the smallest share under which so many, or more, are not improbable; 0 without any."""
    if count <= 0:
        return 0.0
    return _root(lambda share: binomial_tail(count, tests, share) < 0.05)


def _root(is_below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return high
