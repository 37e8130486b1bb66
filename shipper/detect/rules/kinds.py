"""Every kind of rule by its name: the one place where a kind is made known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.detect.rules.data_rule import DataRule
from shipper.detect.rules.error_rule import NewErrorRule
from shipper.detect.rules.message_rule import MessageRule
from shipper.detect.rules.quality_rule import QualityRule
from shipper.detect.rules.regression_rule import RegressionRule
from shipper.detect.rules.resource_rule import ResourceRule
from shipper.detect.rules.rule import DriftRule, ErrorRateRule, LatencyRule, MetricRule, Rule, SilenceRule
from shipper.detect.rules.series_rule import SeriesRule
from shipper.detect.rules.slo_rule import SloRule
from shipper.detect.rules.training_rule import TrainingRule

KINDS: Final[Mapping[str, type[Rule]]] = {
    "error_rate": ErrorRateRule,
    "latency": LatencyRule,
    "metric": MetricRule,
    "quality": QualityRule,
    "drift": DriftRule,
    "silence": SilenceRule,
    "slo": SloRule,
    "message": MessageRule,
    "new_error": NewErrorRule,
    "regression": RegressionRule,
    "series": SeriesRule,
    "data": DataRule,
    "training": TrainingRule,
    "resource": ResourceRule,
}
"""Rule models by kind."""
