"""What the shipped rules make of the series: the job's own judging of tables, run after run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from benchmarks.faulting.course import BUCKET_US
from benchmarks.faulting.planted import Labels, Made, coarsened
from benchmarks.faulting.shares import known_labels
from shipper.detect.event_time.window import DAY_US
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.rule_job import Fetched, judge
from shipper.detect.rules.rule import Rule, RuleSet
from shipper.detect.state import RuleState

LABEL_RUN_US: Final = 3 * BUCKET_US
"""Time between two runs of rules that wait for labels: every run judges some hours of windows again. The job runs every 5
minutes; where a run raises an alert, the runs that the job would have had before it are made up for, to see which raised it."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that was raised, at the end of the window that opened it, or at the run that saw its labels."""

    rule_id: str
    group: Mapping[str, str]
    start_us: int
    raised_us: int


@dataclass(slots=True)
class _Book:
    """One rule over many runs: its state, and every alert that any of them raised."""

    rules: RuleSet
    rule: Rule
    state: RuleState = field(default_factory=RuleState)
    raised: dict[tuple[Group, int], Alert] = field(default_factory=dict)

    def run(
        self,
        tables: Mapping[Group, Table],
        span: tuple[int, int],
        now_us: int | None = None,
        *,
        part: float = 1.0,
    ) -> None:
        """Judge the windows of a span as the job does.

        Args:
            now_us: when; None: as each window ends.
            part: of all groups that share the budget.
        """
        budget = (self.rules.false_alarms * part, self.rules.tests)
        judged = judge(self.rule, Fetched(tables, self.state), span, budget)
        self.state = judged.state
        for group, findings in judged.findings.items():
            named = {
                name: value
                for name, value in zip(self.rule.group_by, group, strict=True)
                if value is not None
            }
            for one in findings:
                when = now_us if now_us is not None else one.detected_us
                self.raised.setdefault((group, one.start_us), Alert(self.rule.id, named, one.start_us, when))


def alerts(rules: RuleSet, rule: Rule, made: Sequence[Made]) -> Iterator[Alert]:
    """Judge all series of a rule from their first to their last window, and yield every alert that was raised."""
    book = _Book(rules, rule)
    late = {group: labels for one in made for group, labels in one.labels.items()}
    if late:
        _late_runs(book, late)
    else:
        tables = {group: coarsened(table, rule.window) for one in made for group, table in one.tables.items()}
        begin, end = int(made[0].times[0]), int(made[0].times[-1]) + BUCKET_US
        for start in range(begin, end, DAY_US):
            span = (start, min(end, start + DAY_US))
            book.run(cut(tables, span[0] - rule.baseline.preceding, span[1]), span)
    yield from book.raised.values()


def _late_runs(found: _Book, late: Mapping[Group, Labels]) -> None:
    """Run again and again on what had come by then; windows whose labels came since are judged again.

    A run of the job begins at the earliest window of any group that labels came for. Here each model begins at its
    own, which gives the same verdicts in less time.
    """
    begin = min(int(one.times[0]) for one in late.values())
    end = max(int(one.times[-1]) for one in late.values()) + BUCKET_US
    models: dict[str | None, dict[Group, Labels]] = {}
    for group, labels in late.items():
        models.setdefault(group[0], {})[group] = labels
    spans = [(int(one.times[0]), int(one.times[-1])) for one in late.values()]
    rules, rule = found.rules, found.rule
    books = {model: _Book(rules, rule) for model in models}
    for now in range(begin + LABEL_RUN_US, end + 1, LABEL_RUN_US):
        since = now - rule.baseline.preceding
        groups = sum(first < now and last >= since for first, last in spans)
        for model, versions in models.items():
            book = books[model]
            state, raised = book.state, dict(book.raised)
            _late_run(book, versions, (begin, now), groups, now - LABEL_RUN_US)
            if book.raised.keys() != raised.keys():
                book.state, book.raised = state, raised
                for moment in range(now - LABEL_RUN_US + BUCKET_US, now + 1, BUCKET_US):
                    _late_run(book, versions, (begin, moment), groups, moment - BUCKET_US)
    for one in books.values():
        found.raised |= one.raised


def _late_run(
    book: _Book, versions: Mapping[Group, Labels], span: tuple[int, int], groups: int, since_us: int
) -> None:
    """Judge what of one model's versions has changed since the last run at `since_us`; `groups` share the budget."""
    begin, now = span
    rule = book.rule
    recent = {group: one for group, one in versions.items() if one.times[0] < now}
    earliest = min((_touched(one, since_us, now) for one in recent.values()), default=now)
    first = max(begin, earliest // rule.window * rule.window)
    if first >= now:
        return
    tables = {}
    for group, one in recent.items():
        known = known_labels(_between(one, first - rule.baseline.preceding, now), now)
        if len(known):
            tables[group] = coarsened(known, rule.window)
    if tables:
        book.run(tables, (first, now // rule.window * rule.window), now, part=len(tables) / groups)


def _touched(labels: Labels, before_us: int, now_us: int) -> int:
    """Return the start of the earliest bucket of which labels came between two moments; now where there is none."""
    then, since = _lag(labels, before_us), _lag(labels, now_us)
    come = _come(labels, since) - _come(labels, then)
    rows = np.flatnonzero(come)
    return int(labels.times[rows[0]]) if len(rows) else now_us


def _lag(labels: Labels, moment_us: int) -> Ints:
    lag: Ints = np.clip((moment_us - labels.times) // BUCKET_US - 1, -1, labels.good.shape[1] - 1)
    return lag


def _come(labels: Labels, lag: Ints) -> Floats:
    rows = np.arange(len(lag))
    both = labels.good[rows, lag] + labels.bad[rows, lag]
    return np.where(lag >= 0, both, 0.0)


def _between(labels: Labels, start_us: int, end_us: int) -> Labels:
    first, last = np.searchsorted(labels.times, [start_us, end_us])
    rows = slice(int(first), int(last))
    return Labels(labels.times[rows], labels.predictions[rows], labels.good[rows], labels.bad[rows])


def cut(tables: Mapping[Group, Table], start_us: int, end_us: int) -> dict[Group, Table]:
    """Return the rows of [start, end) of the groups that have any."""
    found = {}
    for group, table in tables.items():
        first, last = np.searchsorted(table.times, [start_us, end_us])
        if last > first:
            found[group] = table.take(slice(int(first), int(last)))
    return found
