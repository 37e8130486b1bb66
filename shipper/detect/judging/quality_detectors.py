"""From a rule about quality to the detector that judges it."""

from __future__ import annotations

from shipper.detect.detectors.base import Detector, Enough
from shipper.detect.detectors.quality_area import QualityArea
from shipper.detect.detectors.quality_mean import QualityMean
from shipper.detect.detectors.quality_share import QualityShare
from shipper.detect.rules.quality_rule import QualityRule
from shipper.detect.statistics.confusion import stored


def quality_detector(rule: QualityRule, enough: Enough) -> Detector:
    """Return the detector of the rule's measure."""
    minimum = rule.coverage.minimum if rule.coverage is not None else 0.0
    positive = stored(rule.positive) if rule.positive is not None else None
    if rule.measure == "auc" and positive is not None:
        return QualityArea(positive, rule.goal, rule.compare, rule.effect, minimum, enough)
    if rule.measure == "cost" or rule.average == "macro":
        return QualityMean(rule.measure, rule.costs, rule.goal, rule.compare, rule.effect, minimum, enough)
    return QualityShare(rule.measure, positive, rule.goal, rule.compare, rule.effect, minimum, enough)
