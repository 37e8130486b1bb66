"""From a rule to the detector that judges it."""

from __future__ import annotations

from shipper.detect.detectors.base import Detector, Enough
from shipper.detect.detectors.drift import Drift
from shipper.detect.detectors.error_rate import ErrorRate
from shipper.detect.detectors.feature_share import FeatureShare
from shipper.detect.detectors.latency import Latency
from shipper.detect.detectors.metric_mean import MetricMean
from shipper.detect.detectors.metric_share import MetricShare
from shipper.detect.detectors.new_error import NewError
from shipper.detect.detectors.new_values import NewValues
from shipper.detect.detectors.series import SeriesChange
from shipper.detect.detectors.silence import Silence
from shipper.detect.fetching.measures import is_share
from shipper.detect.judging.quality_detectors import quality_detector
from shipper.detect.judging.standing import standing_detector
from shipper.detect.judging.training_detectors import training_detector
from shipper.detect.rules.data_rule import WORDS, DataRule
from shipper.detect.rules.error_rule import NewErrorRule
from shipper.detect.rules.quality_rule import QualityRule
from shipper.detect.rules.rule import DriftRule, ErrorRateRule, LatencyRule, MetricRule, Rule, SilenceRule
from shipper.detect.rules.series_rule import SeriesRule

_NS_PER_MS = 1e6


def detector_for(rule: Rule) -> Detector:
    """Return the detector of a rule.

    Raises:
        TypeError: there is none for its kind.
    """
    enough = Enough(rule.minimum_samples, rule.baseline.minimum_samples, rule.baseline.minimum_windows)
    if isinstance(rule, ErrorRateRule):
        return ErrorRate(rule.effect.ratio, rule.effect.difference, enough)
    if isinstance(rule, LatencyRule):
        difference_ns = rule.effect.difference_ms * _NS_PER_MS
        return Latency(rule.percentile, rule.effect.ratio, difference_ns, enough)
    if isinstance(rule, DriftRule):
        return Drift(rule.effect.share, enough, rule.effect.psi, rule.probability, rule.against != "rolling")
    if isinstance(rule, SilenceRule):
        samples_free = Enough(0, rule.baseline.minimum_samples, rule.baseline.minimum_windows)
        return Silence(probability=rule.probability, enough=samples_free)
    if isinstance(rule, MetricRule):
        return _metric(rule, enough)
    return _of_data_or_series(rule, enough)


def _of_data_or_series(rule: Rule, enough: Enough) -> Detector:
    if isinstance(rule, SeriesRule):
        return SeriesChange(rule.statistic, rule.direction, rule.effect.change, enough)
    if isinstance(rule, QualityRule):
        return quality_detector(rule, enough)
    if isinstance(rule, NewErrorRule):
        return NewError(rule.minimum_count, enough)
    if (found := training_detector(rule)) is not None:
        return found
    if (found := standing_detector(rule)) is not None:
        return found
    if not isinstance(rule, DataRule):
        raise TypeError(f"no detector judges rules of kind {rule.kind}")
    return _of_data(rule, enough)


def _of_data(rule: DataRule, enough: Enough) -> Detector:
    words = WORDS[rule.check]
    if rule.check in ("new_category", "schema"):
        return NewValues(rule.effect.share, words, rule.check == "schema", enough)
    return FeatureShare(rule.effect.share, words, rule.limit, rule.check == "constant", enough)


def _metric(rule: MetricRule, enough: Enough) -> Detector:
    higher = rule.better == "higher"
    if is_share(rule):
        coverage = rule.coverage.minimum if rule.coverage is not None else 0.0
        return MetricShare(
            goal=rule.goal,
            minimum_change=rule.effect.change,
            minimum_coverage=coverage,
            higher_is_better=higher,
            comparisons=rule.compare,
            enough=enough,
        )
    return MetricMean(
        goal=rule.goal,
        minimum_change=rule.effect.change,
        higher_is_better=higher,
        comparisons=rule.compare,
        enough=enough,
    )
