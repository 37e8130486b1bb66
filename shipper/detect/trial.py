"""One rule tried on what is stored: what it would tell, and what it lacks. Nothing is written.

The windows are judged by the code of the job from an empty state, a baseline before the stretch first.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shipper.alert.finding import Finding
from shipper.detect.backtest import parts_of
from shipper.detect.fetching.catalog import read_catalog
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.store import Store, drive
from shipper.detect.judging.threshold import Verdict
from shipper.detect.report import Waiting
from shipper.detect.rule_job import Judged, fetch, judge, waiting
from shipper.detect.rules.rule import FeatureRule, Rule
from shipper.detect.state import RuleState


@dataclass(slots=True)
class Trial:
    """What a rule made of a stretch.

    Attributes:
        windows, unknown, anomalous: windows judged, without enough data, past the rule.
        groups: groups that had events.
        findings: what would be alerts, in order of time; each as it was measured last.
        waiting: groups whose newest window lacks data.
        notes: what an operator should know.
    """

    rule: Rule
    windows: int = 0
    unknown: int = 0
    anomalous: int = 0
    groups: set[Group] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    waiting: tuple[Waiting, ...] = ()
    notes: list[str] = field(default_factory=list)

    def took(self, judged: Judged) -> None:
        """Count what was judged."""
        verdicts = [one.verdict for some in judged.judgements.values() for one in some]
        self.windows += len(verdicts)
        self.unknown += verdicts.count(Verdict.UNKNOWN)
        self.anomalous += sum(verdict.is_anomalous for verdict in verdicts)
        self.groups |= set(judged.judgements)
        self.waiting = waiting(self.rule, judged)


def tried(
    rule: Rule, budget: tuple[float, int], store: Store, namespace: str, span: tuple[int, int]
) -> Trial:
    """Judge the windows of a stretch by one rule.

    Args:
        rule: the rule.
        budget: false alarms per day, and the number of rules that share them.
        store: Elasticsearch; it is only searched.
        namespace: team or environment.
        span: moments [from, to) in microseconds.

    Raises:
        StoreError: Elasticsearch did not answer or refused.
    """
    trial, state = Trial(rule), RuleState()
    measured: dict[tuple[Group, int], Finding] = {}
    for part in parts_of(rule, span):
        catalog = None
        if isinstance(rule, FeatureRule):
            begin = part[0] - rule.baseline.preceding
            catalog = read_catalog(store, rule.dataset, namespace, begin, part[1])
        (fetched,) = drive(store, [fetch(rule, namespace, state, catalog, part)])
        judged = judge(rule, fetched, part, budget)
        state = judged.state
        for group, findings in judged.findings.items():
            for one in findings:
                known = measured.get((group, one.start_us))
                if one.measured is not None or known is None:
                    measured[group, one.start_us] = one
        if part[0] >= span[0]:
            trial.took(judged)
            trial.notes += fetched.notes
    trial.findings = sorted(
        (one for one in measured.values() if span[0] < one.detected_us <= span[1]),
        key=lambda one: (one.detected_us, str(one.group)),
    )
    return trial
