"""What detection found: a value of its own, before it becomes an alert with a life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Fact = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What a person needs to know of the rule; `severity` is numeric, 10 debug .. 50 critical."""

    id: str
    name: str
    category: str
    severity: int = 40
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the last anomalous window showed; numbers in `unit` (share, ns, psi, events, or empty).

    `score` is minus log10 of the probability under the baseline, `effect` is as the rule's kind says.
    """

    window_start_us: int
    window_end_us: int
    observed: float
    expected: float
    threshold: float
    unit: str
    score: float
    effect: float
    count: int
    facts: Mapping[str, Fact]
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A stretch of anomalous windows of one rule and group.

    Attributes:
        group: what it is about, by field; an absent field has the value None.
        start_us: start of the first anomalous window.
        detected_us: end of the window that brought certainty.
        windows: number of anomalous windows.
        ended_us: since when it is ordinary again; None while it lasts.
        recovered_us: end of the window that brought certainty of that; None while it lasts.
        measured: the last anomalous window, None where it was judged by an earlier run.
    """

    rule: RuleFacts
    group: Mapping[str, str | None]
    start_us: int
    detected_us: int
    windows: int
    ended_us: int | None = None
    recovered_us: int | None = None
    measured: Measured | None = None
