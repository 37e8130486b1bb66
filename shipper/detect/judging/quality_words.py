"""How measures of quality are told: what is measured, and what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

AGAINST: Final[Mapping[str, str]] = {
    "goal": "the goal is {}",
    "previous_version": "the previous version had {} (cohorts of predictions)",
    "baseline": "it was {} before (cohorts of predictions)",
}
"""What the second number is."""

_WORDS: Final[Mapping[str, str]] = {"f1": "F1", "auc": "AUC", "cost": "mean cost of a prediction"}


def about(measure: str, name: str = "", classes: int = 0) -> str:
    """Return `precision of fraud`, `mean recall of 4 classes` or `accuracy`."""
    word = _WORDS.get(measure, measure.replace("_", "-", 1).replace("_", " "))
    if classes:
        return f"mean {word} of {classes} classes"
    return f"{word} of {name}" if name else word


def percent(value: float) -> str:
    """Return a share in percent with one digit."""
    return f"{value:.1%}"
