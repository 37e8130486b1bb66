"""How far evidence has to go beyond the level before it is believed: little where tails are calibrated, far elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Caution:
    """What the judge asks of a detector's evidence.

    Attributes:
        looks: windows of each longer look, the judged one included.
        last_look: windows that are looked at together where all fewer are too small to be judged; 0: none.
        share: what the level is divided by for all looks.
        strong: how far past the level evidence must be to open an alert at once.
        pooled: how far past the level the evidence of a longer look must be, which opens at once.
        newest: windows before the judged one that are left out of a long baseline.
        needs_as_many: a longer look takes a baseline of as many windows: what a few hours did does not tell what many may do.
    """

    looks: tuple[int, ...]
    last_look: int
    share: float
    strong: float
    pooled: float
    newest: int
    needs_as_many: bool = False


APPROXIMATE: Final = Caution(looks=(4, 12), last_look=0, share=3.0, strong=1000.0, pooled=100.0, newest=11)
"""For tails that hold for independent windows: noise that wanders or bursts goes further."""

CALIBRATED: Final = Caution(looks=(4, 12, 48), last_look=144, share=2.0, strong=2.0, pooled=2.0, newest=12)
"""For tails that were learnt from how the baseline wanders (`Detector.is_calibrated`). Its looks overlap so much that one of
them alone would nearly do; `benchmarks/faults.py` counts what they raise together."""

OF_LABELS: Final = replace(CALIBRATED, looks=(4, 12, 24, 48), pooled=1.0)
"""For the same of labelled predictions, which come late and are few (`Detector.has_few_events`): a window alone says little, so the
longer looks decide. They share most labels with those of ten minutes before, so that false ones come in a row, which is
one alert: the level is not divided once more for them."""

LEARNT: Final = Caution(
    looks=(4, 12), last_look=48, share=2.0, strong=1000.0, pooled=100.0, newest=12, needs_as_many=True
)
"""For tails that were learnt likewise (`Detector.is_learnt`), but of several tests of many features, from a baseline that may
know one slope of the day only: each is calibrated to a factor of five or so at one in 10,000, and to less further out."""


def caution_of(detector: object) -> Caution:
    """Return how a detector's evidence is taken."""
    if getattr(detector, "is_learnt", False):
        return LEARNT
    if getattr(detector, "has_few_events", False):
        return OF_LABELS
    return CALIBRATED if getattr(detector, "is_calibrated", False) else APPROXIMATE
