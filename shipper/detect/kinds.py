"""Every kind of rule by its name: the one place where a kind is made known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.detect.data_rule import DataRule
from shipper.detect.error_rule import NewErrorRule
from shipper.detect.message_rule import MessageRule
from shipper.detect.quality_rule import QualityRule
from shipper.detect.regression_rule import RegressionRule
from shipper.detect.resource_rule import ResourceRule
from shipper.detect.rules import DriftRule, ErrorRateRule, LatencyRule, MetricRule, Rule, SilenceRule
from shipper.detect.series_rule import SeriesRule
from shipper.detect.slo_rule import SloRule
from shipper.detect.training_rule import TrainingRule

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
