"""From a rule about training runs, or about a resource, to the detector that judges it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shipper.detect.curves.watched import Watched
from shipper.detect.detectors.base import Detector, Enough
from shipper.detect.detectors.capacity import Capacity
from shipper.detect.detectors.divergence import Divergence
from shipper.detect.detectors.fitting import Fitting
from shipper.detect.detectors.loss_spike import LossSpike
from shipper.detect.detectors.metric_band import MetricBand
from shipper.detect.detectors.nonfinite import NonFinite
from shipper.detect.detectors.plateau import Plateau
from shipper.detect.detectors.stalled import Stalled
from shipper.detect.detectors.step_time import StepTime
from shipper.detect.event_time.window import SECOND_US
from shipper.detect.rules.resource_rule import ResourceRule
from shipper.detect.rules.rule import Rule
from shipper.detect.rules.training_rule import TrainingRule

_METRICS: Final = "ml.metrics."


def training_detector(rule: Rule) -> Detector | None:
    """Return the detector of a check on runs or of a resource, None for a rule of another kind."""
    if isinstance(rule, ResourceRule):
        enough = Enough(rule.minimum_samples, rule.baseline.minimum_samples, rule.baseline.minimum_windows)
        return Capacity(rule.band, rule.full, rule.horizon, rule.window, enough)
    if not isinstance(rule, TrainingRule):
        return None
    watched = Watched(
        name=rule.field.removeprefix(_METRICS),
        window_us=rule.window,
        baseline_us=rule.baseline.preceding,
        split=rule.split,
        higher_is_better=rule.better == "higher",
        points=rule.points,
        runs=rule.runs,
        change=rule.effect.change,
    )
    made: dict[str, Callable[[], Detector]] = {
        "loss_spike": lambda: LossSpike(watched),
        "nonfinite": lambda: NonFinite(watched),
        "plateau": lambda: Plateau(watched),
        "divergence": lambda: Divergence(watched),
        "overfitting": lambda: Fitting(watched),
        "underfitting": lambda: Fitting(watched, is_under=True),
        "stalled": lambda: Stalled(watched, least_s=rule.silence / SECOND_US),
        "killed": lambda: Stalled(watched, is_killed=True, least_s=rule.silence / SECOND_US),
        "slower": lambda: StepTime(watched),
        "out_of_band": lambda: MetricBand(watched, band=rule.band),
    }
    return made[rule.check]()
