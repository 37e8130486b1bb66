"""Rules tried on the past: which alerts they would have raised, and what those were worth.

The windows are judged by the code of the job, in order, from an empty state and a baseline before the stretch;
only searches are sent, so nothing can be written. What arrived late is seen as if it had been in time.

An alert is *right* if it was raised (the end of the window that brought certainty) between the start of a fault that
concerns its group and `tolerance_us` after that fault's end; otherwise it is *noise*. A fault is *found* if an alert is
right by it, and its delay counts from its start to the first of those. An alert that was open before a fault began
does not find it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from shipper.alert.finding import Finding
from shipper.detect.event_time.span import Span
from shipper.detect.event_time.watermark import arrivals
from shipper.detect.event_time.window import DAY_US, MINUTE_US, ceil_to, floor_to
from shipper.detect.fetching.catalog import read_catalog
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.store import Store, drive
from shipper.detect.rule_job import fetch, judge
from shipper.detect.rules.quality_rule import settles_us
from shipper.detect.rules.rule import FeatureRule, Rule, RuleSet
from shipper.detect.state import RuleState
from shipper.detect.truth import Fault

_WEEK_US: Final = 7 * DAY_US


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert that would have been raised; moments in microseconds, `ended_us` None where it lasts.

    `wait_us` of the time up to `detected_us` passed because the rule waits for labels: the stretch that an alert is
    counted in, and the fault that it is about, are those of its cohort.
    """

    rule_id: str
    group: dict[str, str]
    start_us: int
    detected_us: int
    ended_us: int | None
    wait_us: int = 0

    @property
    def cohort_us(self) -> int:
        """End of the window that brought certainty."""
        return self.detected_us - self.wait_us


@dataclass(frozen=True, slots=True)
class Price:
    """What a mistake costs, in whatever unit both share; alerts up to `tolerance_us` after a fault are its own."""

    miss: float = 10.0
    noise: float = 1.0
    tolerance_us: int = 30 * MINUTE_US


@dataclass(frozen=True, slots=True)
class Measure:
    """What rules were worth over a stretch; shares and delays are None where there is nothing to divide.

    Attributes:
        alerts: number of them; `per_week` the same by the length of the stretch.
        right, noise: alerts about a fault, and others; None without a truth.
        faults, found: faults inside the stretch, and those that were found.
        precision: right of all alerts; `recall`: found of all faults.
        delay_us, slowest_us: median and longest time from a fault's start to its first alert.
        cost_of_misses, cost_of_noise: numbers of both times their prices.
        missed: faults that were not found.
    """

    alerts: int
    per_week: float
    right: int | None = None
    noise: int | None = None
    faults: int | None = None
    found: int | None = None
    precision: float | None = None
    recall: float | None = None
    delay_us: float | None = None
    slowest_us: int | None = None
    cost_of_misses: float | None = None
    cost_of_noise: float | None = None
    missed: tuple[Fault, ...] = ()

    @property
    def cost(self) -> float | None:
        """Of misses and noise together; None without a truth."""
        if self.cost_of_misses is None or self.cost_of_noise is None:
            return None
        return self.cost_of_misses + self.cost_of_noise


def backtest(
    rules: RuleSet,
    store: Store,
    namespace: str,
    span: tuple[int, int],
    on_progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> tuple[Raised, ...]:
    """Return the alerts that the rules would have raised in a stretch, in order of when.

    Args:
        rules: what to judge by.
        store: Elasticsearch; it is only searched.
        namespace: team or environment.
        span: moments [from, to) in microseconds.
        on_progress: told how many parts of how many are done.

    Raises:
        StoreError: Elasticsearch did not answer or refused.
    """
    states = {rule.id: RuleState() for rule in rules.active}
    due = {rule.id: parts_of(rule, span) for rule in rules.active}
    raised: dict[tuple[str, Group, int], Raised] = {}
    budget = (rules.false_alarms, rules.tests)
    turns = max((len(chunks) for chunks in due.values()), default=0)
    for turn in range(turns):
        now = [(rule, due[rule.id][turn]) for rule in rules.active if turn < len(due[rule.id])]
        fetches = []
        for rule, chunk in now:
            catalog = None
            if isinstance(rule, FeatureRule):
                begin = chunk[0] - rule.baseline.preceding
                catalog = read_catalog(store, rule.dataset, namespace, begin, chunk[1])
            fetches.append(fetch(rule, namespace, states[rule.id], catalog, chunk))
        for (rule, chunk), fetched in zip(now, drive(store, fetches), strict=True):
            judged = judge(rule, fetched, chunk, budget)
            states[rule.id] = judged.state
            for group, findings in judged.findings.items():
                # A finding that later windows lengthen or end replaces itself: its start stays.
                raised |= {(rule.id, group, one.start_us): _raised(rule, one) for one in findings}
        on_progress(turn + 1, turns)
    within = [one for one in raised.values() if span[0] < one.cohort_us <= span[1]]
    return tuple(sorted(within, key=lambda one: (one.detected_us, one.rule_id, sorted(one.group.items()))))


def with_events(store: Store, namespace: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return the stretch without the time before the first event in it."""
    oldest = arrivals(store, namespace, *span).oldest_us
    return span if oldest is None else (max(span[0], floor_to(oldest, MINUTE_US)), span[1])


def measured(
    raised: Sequence[Raised], span: tuple[int, int], truth: Sequence[Fault] | None, price: Price
) -> Measure:
    """Return what the alerts were worth by the truth; without one, only how many there were."""
    per_week = len(raised) * _WEEK_US / (span[1] - span[0])
    if truth is None:
        return Measure(len(raised), per_week)
    faults = [one for one in truth if one.start_us < span[1] and one.end_us > span[0]]
    right = sum(any(_is_right(alert, fault, price) for fault in faults) for alert in raised)
    delays, missed = [], []
    for fault in faults:
        moments = [alert.detected_us for alert in raised if _is_right(alert, fault, price)]
        if moments:
            delays.append(min(moments) - fault.start_us)
        else:
            missed.append(fault)
    noise = len(raised) - right
    return Measure(
        alerts=len(raised),
        per_week=per_week,
        right=right,
        noise=noise,
        faults=len(faults),
        found=len(delays),
        precision=right / len(raised) if raised else None,
        recall=len(delays) / len(faults) if faults else None,
        delay_us=median(delays) if delays else None,
        slowest_us=max(delays, default=None),
        cost_of_misses=len(missed) * price.miss,
        cost_of_noise=noise * price.noise,
        missed=tuple(missed),
    )


def _is_right(alert: Raised, fault: Fault, price: Price) -> bool:
    inside = fault.start_us <= alert.cohort_us <= fault.end_us + price.tolerance_us
    return inside and fault.concerns(alert.group)


def parts_of(rule: Rule, span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the parts in which a stretch is judged from an empty state, a baseline before it first."""
    begin, end = ceil_to(span[0], rule.window), floor_to(span[1], rule.window)
    if begin >= end:
        return []
    before = floor_to(begin - rule.baseline.preceding, rule.window)
    return [*Span(before, begin).chunks(rule.window), *Span(begin, end).chunks(rule.window)]


def _raised(rule: Rule, finding: Finding) -> Raised:
    named = {name: value for name, value in finding.group.items() if value is not None}
    return Raised(rule.id, named, finding.start_us, finding.detected_us, finding.ended_us, settles_us(rule))
