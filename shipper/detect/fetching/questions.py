"""What to ask for the evidence of a finding: what its rule calls bad, and which events are the worst."""

from __future__ import annotations

from collections.abc import Mapping

from shipper.alert.evidence import Question
from shipper.alert.finding import Fact, Finding
from shipper.alert.suspects import Interval
from shipper.datasets import index_pattern
from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.bins import Bins, bin_condition
from shipper.detect.fetching.catalog import short_name
from shipper.detect.fetching.data_checks import bad_condition
from shipper.detect.fetching.error_cells import new_error_condition
from shipper.detect.fetching.measures import is_share
from shipper.detect.fetching.quality_cells import bad_condition as quality_condition
from shipper.detect.fetching.query import Condition, Group, terms_conditions
from shipper.detect.fetching.training_evidence import is_before, training_bad
from shipper.detect.judging.standing import StandingRule, group_of, standing_bad
from shipper.detect.rules.data_rule import DataRule
from shipper.detect.rules.error_rule import NewErrorRule
from shipper.detect.rules.quality_rule import LABEL, QualityRule
from shipper.detect.rules.resource_rule import ResourceRule
from shipper.detect.rules.rule import ErrorRateRule, FeatureRule, LatencyRule, MetricRule, Rule, SilenceRule
from shipper.detect.rules.series_rule import SeriesRule
from shipper.detect.rules.training_rule import TrainingRule
from shipper.detect.state import RuleState

_LOOK_BACK_US = 7 * DAY_US


def question_for(rule: Rule, finding: Finding, state: RuleState, namespace: str) -> Question:
    """Return the question for the evidence of a finding that opens an alert."""
    group: Group = tuple(finding.group[name] for name in rule.group_by)
    facts = finding.measured.facts if finding.measured is not None else {}
    if isinstance(rule, TrainingRule):
        bad, worst_first = training_bad(rule, facts)
    else:
        bad, worst_first = _bad(rule, finding, state, group)
    new_from = finding.start_us - max(2 * rule.window, HOUR_US)
    return Question(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=(*terms_conditions(rule.filter), *group_of(rule, group, facts)),
        bad=bad,
        worst_first=worst_first,
        interval=Interval(finding.start_us, finding.detected_us, new_from),
        look_back_us=min(rule.baseline.preceding, _LOOK_BACK_US),
        samples_before=isinstance(rule, SilenceRule)
        or (isinstance(rule, TrainingRule) and is_before(rule, facts)),
        group=finding.group,
        features=finding.measured.features if finding.measured is not None else (),
    )


def _bad(
    rule: Rule, finding: Finding, state: RuleState, group: Group
) -> tuple[tuple[Condition, ...], tuple[str, str] | None]:
    facts = finding.measured.facts if finding.measured is not None else {}
    if isinstance(rule, ErrorRateRule):
        return tuple(terms_conditions(rule.bad)), None
    if isinstance(rule, LatencyRule):
        return ({"range": {rule.field: {"gte": facts.get("slow_from_ns", 0)}}},), (rule.field, "desc")
    if isinstance(rule, MetricRule | QualityRule):
        return _of_metric(rule) if isinstance(rule, MetricRule) else _of_quality(rule, facts)
    if isinstance(rule, StandingRule):
        return standing_bad(rule, facts)
    if isinstance(rule, FeatureRule):
        return _of_feature(rule, state.fitted.get(group, {}), facts), None
    of_error = new_error_condition(rule.bad, facts) if isinstance(rule, NewErrorRule) else ()
    return of_error, _outermost(rule, finding)


def _outermost(rule: Rule, finding: Finding) -> tuple[str, str] | None:
    if not isinstance(rule, SeriesRule | ResourceRule) or not rule.field or finding.measured is None:
        return None
    return rule.field, "desc" if finding.measured.observed >= finding.measured.expected else "asc"


def _of_metric(rule: MetricRule) -> tuple[tuple[Condition, ...], tuple[str, str] | None]:
    if is_share(rule):
        return ({"term": {rule.field: rule.better == "lower"}},), None
    return (), (rule.field, "asc" if rule.better == "higher" else "desc")


def _of_quality(
    rule: QualityRule, facts: Mapping[str, Fact]
) -> tuple[tuple[Condition, ...], tuple[str, str] | None]:
    """Return the mistake that grew most; for the area under the ROC curve the cases with the lowest scores."""
    if rule.measure == "auc":
        return ({"term": {LABEL: rule.positive}},), (rule.score, "asc")
    if "actual" not in facts:
        return (), None
    return quality_condition(rule, str(facts["actual"]), str(facts["predicted"])), None


def _of_feature(
    rule: FeatureRule, fitted: dict[str, Bins], facts: Mapping[str, Fact]
) -> tuple[Condition, ...]:
    if isinstance(rule, DataRule):
        return bad_condition(rule, facts)
    return _grown_bin(fitted, str(facts.get("feature")), str(facts.get("grown_bin")))


def _grown_bin(fitted: dict[str, Bins], feature: str, part: str) -> tuple[Condition, ...]:
    for field, bins in fitted.items():
        if short_name(field) == feature and part:
            return (bin_condition(field, bins, part),)
    return ()
