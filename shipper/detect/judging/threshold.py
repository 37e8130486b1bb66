"""From a score to a verdict: significance and effect, at a level that follows from one budget.

The budget is a number F of false alarms per day for the whole rule set. With R active rules, a rule whose
window has length W (so 86400 s / W windows a day) and G groups tested at a time gives each of its tests the level

    level = F / R x W / 86400 s / G

Under a perfectly calibrated null the expected number of windows past that level is then F per day over
all rules. A window past it is only *weak* evidence: an alert opens on weak evidence when it repeats (2 of
3 windows by default), at once only when the level is passed by a factor of 1000 (*strong*), and in
either case only when the effect is past the rule's minimum. So the budget is an upper bound that leaves
room for what calibration never gets quite right. Where a window is also judged together with the ones
before it, all its looks share the level (`shipper.detect.judging.judge`).
"""

from __future__ import annotations

from enum import Enum

from shipper.detect.detectors.base import Score
from shipper.detect.event_time.window import DAY_US
from shipper.detect.judging.caution import APPROXIMATE
from shipper.detect.statistics.probability import significance


class Verdict(Enum):
    """What a window is, in one letter for storage.

    UNCLEAR: past the minimum effect but not significant, or ordinary by itself but not together with the
    anomalous ones shortly before it; it neither opens an alert nor ends one. UNKNOWN: not enough data.
    """

    ORDINARY = "o"
    WEAK = "w"
    STRONG = "s"
    UNCLEAR = "c"
    UNKNOWN = "u"

    @property
    def is_anomalous(self) -> bool:
        """Whether the window is past the level and the minimum effect."""
        return self in (Verdict.WEAK, Verdict.STRONG)


def level_of(false_alarms_per_day: float, rules: int, window_us: int, groups: float) -> float:
    """Return the significance level of one test; see the module's formula. Never above 0.05."""
    share = false_alarms_per_day / max(1, rules)
    return min(0.05, share * window_us / DAY_US / max(1, groups))


def verdict_of(score: Score, level: float, strong_factor: float = APPROXIMATE.strong) -> Verdict:
    """Return what the score means at this level."""
    if score.value is None:
        return Verdict.UNKNOWN
    if not score.is_effective:
        return Verdict.ORDINARY
    if score.value < significance(level):
        return Verdict.UNCLEAR
    return Verdict.STRONG if score.value >= significance(level / strong_factor) else Verdict.WEAK
