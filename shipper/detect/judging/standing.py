"""Kinds that compare with what the rule says instead of what was ordinary: slo, message, regression.

What each asks, its detector, and what its evidence is, in one place for the files that know all kinds.
"""

from __future__ import annotations

from collections.abc import Mapping

from shipper.alert.finding import Fact
from shipper.detect.detectors.base import Detector
from shipper.detect.detectors.regression import Regression
from shipper.detect.fetching.error_cells import new_error_condition
from shipper.detect.fetching.message_cells import meant_conditions, message_query, occurrences
from shipper.detect.fetching.query import Cells, Condition, Group, cells, group_conditions
from shipper.detect.fetching.regression_cells import regression_cells
from shipper.detect.fetching.slo_cells import bad_conditions, slo_cells, slo_detector
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.message_rule import MessageRule
from shipper.detect.rules.regression_rule import RegressionRule
from shipper.detect.rules.rule import Rule
from shipper.detect.rules.slo_rule import SloRule

StandingRule = SloRule | MessageRule | RegressionRule


def standing_detector(rule: Rule) -> Detector | None:
    """Return the detector of a rule of one of these kinds, None for another."""
    if isinstance(rule, SloRule):
        return slo_detector(rule)
    if isinstance(rule, MessageRule):
        return occurrences(rule)
    return Regression() if isinstance(rule, RegressionRule) else None


def standing_cells(rule: StandingRule, namespace: str, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the sums of the windows of [start, end), of which the first `baseline.preceding` are not judged."""
    if isinstance(rule, SloRule):
        return (yield from slo_cells(rule, namespace, start_us, end_us))
    if isinstance(rule, RegressionRule):
        return (yield from regression_cells(rule, namespace, start_us, end_us))
    return (yield from cells(message_query(rule, namespace), start_us, end_us))


def standing_bad(
    rule: StandingRule, facts: Mapping[str, Fact]
) -> tuple[tuple[Condition, ...], tuple[str, str] | None]:
    """Return what makes an event one of those that the finding is about, and by what the worst come first."""
    if isinstance(rule, SloRule):
        return bad_conditions(rule), (rule.field, "desc") if rule.slower_than_ms is not None else None
    if isinstance(rule, RegressionRule):
        return new_error_condition(rule.bad, facts), None
    # What did not come has no events; those that came instead are shown.
    return (meant_conditions(rule) if rule.most is not None else ()), None


def group_of(rule: Rule, group: Group, facts: Mapping[str, Fact]) -> list[Condition]:
    """Return the conditions that an event belongs to the group of a finding."""
    if isinstance(rule, RegressionRule) and "template" in facts:
        # The fingerprint of a message is in no document.
        return group_conditions(rule.group_by[:-1], group[:-1])
    return group_conditions(rule.group_by, group)
