"""One run: what has arrived, which windows are due, series, judgements, alerts, checkpoint. In this order.

The alerts are written before the checkpoint: a run that dies in between is repeated, and a repeated run
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shipper.alert.alert import Alert, Evidence
from shipper.alert.evidence import gather
from shipper.alert.finding import Finding
from shipper.alert.lifecycle import Change, reconcile
from shipper.alert.writer import AlertBook
from shipper.clock import Clock
from shipper.detect.backfill import remembered, stretch_of
from shipper.detect.event_time.span import REOPEN_US, Limits, span_of
from shipper.detect.event_time.watermark import Arrivals, Late, arrivals, late_queries, read_late
from shipper.detect.event_time.window import HOUR_US, SECOND_US
from shipper.detect.fetching.catalog import Catalog, read_catalog
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.questions import question_for
from shipper.detect.fetching.store import Query, Store, driven
from shipper.detect.lease import Lease, new_holder
from shipper.detect.report import AlertReport, RunReport, action_of
from shipper.detect.rule_job import Fetched, fetch, judge
from shipper.detect.rules.rule import FeatureRule, Rule, RuleSet
from shipper.detect.state import Loaded, RuleState, StateBook, ensure_state_index
from shipper.detect.work import Work

_LEASE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run needs beyond its rules; lengths in seconds and hours.

    Attributes:
        namespace: team or environment.
        allowed_lateness_s: events are expected to arrive within this.
        max_catch_up_h: a longer gap is reported and skipped.
        kibana_url: for links in alerts; empty: none.
        holder: who takes the lease; empty: a name for this process.
    """

    namespace: str = "default"
    allowed_lateness_s: float = 120.0
    max_catch_up_h: float = 168.0
    kibana_url: str = ""
    holder: str = ""


def run(
    rules: RuleSet,
    store: Store,
    clock: Clock,
    start_us: int | None = None,
    end_us: int | None = None,
    *,
    options: RunOptions | None = None,
) -> RunReport:
    """Judge every window that is due, and write alerts.

    Args:
        rules: what to judge by.
        store: Elasticsearch.
        clock: says what the present is.
        start_us: judge from here; None: from each rule's checkpoint.
        end_us: judge up to here; None: to the watermark.
        options: namespace and limits.

    Raises:
        LeaseHeld: another job works on this namespace.
        StoreError: Elasticsearch did not answer or refused.
    """
    options = options or RunOptions()
    ensure_state_index(store, options.namespace)
    lease = Lease(store, options.namespace, clock, options.holder or new_holder(), length_s=_LEASE_S)
    lease.take()
    try:
        return _Run(rules, store, clock, options, lease).report(start_us, end_us)
    finally:
        lease.give_back()


class _Run:
    """The steps of one run over all rules."""

    def __init__(self, rules: RuleSet, store: Store, clock: Clock, options: RunOptions, lease: Lease) -> None:
        self._rules = rules
        self._store = store
        self._clock = clock
        self._options = options
        self._lease = lease
        self._states = StateBook(store, options.namespace, clock)
        self._book = AlertBook(store, options.namespace, clock)
        self._touched: dict[str, AlertReport] = {}

    def report(self, start_us: int | None, end_us: int | None) -> RunReport:
        """Do the run."""
        began, now = self._clock.monotonic_s(), self._clock.now_us()
        catch_up_us = round(self._options.max_catch_up_h * HOUR_US)
        oldest_us = min(now - catch_up_us, start_us if start_us is not None else now)
        arrived = arrivals(self._store, self._options.namespace, oldest_us, now)
        settled = arrived.watermark(now, round(self._options.allowed_lateness_s * SECOND_US))
        watermark = settled if end_us is None else min(end_us, settled)
        limits = Limits(start_us, watermark, catch_up_us, settled)
        works = self._due(arrived, limits)
        self._judge_all(works)
        self._states.save_all([(work.rule.id, self._state_after(work, now), work.loaded) for work in works])
        return RunReport(
            watermark_us=watermark,
            lag_us=max(0, now - watermark),
            duration_s=self._clock.monotonic_s() - began,
            rules=tuple(work.report() for work in works),
            alerts=tuple(sorted(self._touched.values(), key=lambda one: (one.alert.start_us, one.alert.id))),
        )

    def _due(self, arrived: Arrivals, limits: Limits) -> list[Work]:
        rules = self._rules.active
        states = self._states.load_all([rule.id for rule in rules])
        works = [self._begin(rule, loaded) for rule, loaded in zip(rules, states, strict=True)]
        for work, late in zip(works, self._late(works, limits), strict=True):
            work.span = span_of(work.rule, work.state, arrived, late, limits)
            work.notes += work.span.notes
            if limits.start_us is not None:
                work.stretch, work.state = stretch_of(work.rule, work.state, work.span)
        return works

    def _begin(self, rule: Rule, loaded: Loaded) -> Work:
        state, notes = loaded.state, [loaded.problem] if loaded.problem else []
        if state.digest and state.digest != rule.digest:
            notes.append("the rule has changed; it is judged as it is now from the checkpoint on")
            state = replace(state, fitted={}, references={})
        return Work(rule, loaded, state, notes=notes)

    def _late(self, works: Sequence[Work], limits: Limits) -> Iterator[Late]:
        asked: list[list[Query]] = []
        for work in works:
            checkpoint, ingested = work.state.checkpoint_us, work.state.ingested_us
            if limits.start_us is not None or checkpoint is None or ingested is None:
                asked.append([])
                continue
            span = (checkpoint - REOPEN_US, checkpoint)
            asked.append(late_queries(work.rule, self._options.namespace, ingested, *span))
        queries = [query for some in asked for query in some]
        answers = self._store.msearch(queries) if queries else []
        for some in asked:
            mine, answers = answers[: len(some)], answers[len(some) :]
            yield read_late(mine)

    def _judge_all(self, works: Sequence[Work]) -> None:
        """Judge chunk by chunk; the rules' searches of a chunk go out together."""
        due = [(work, work.chunks()) for work in works]
        for turn in range(max((len(chunks) for _, chunks in due), default=0)):
            self._judge_chunks([(work, chunks[turn]) for work, chunks in due if turn < len(chunks)])
        while lasting := [(work, chunk) for work in works if (chunk := work.beyond())]:
            self._judge_chunks(lasting)
        past = [(work, work.stretch) for work in works if work.stretch is not None]
        self._tell_all([(work, work.gathered.told(it), (it.from_us, it.to_us)) for work, it in past])

    def _judge_chunks(self, chunks: Sequence[tuple[Work, tuple[int, int]]]) -> None:
        self._lease.take()
        fetches = [
            fetch(work.rule, self._options.namespace, work.state, self._catalog(work.rule, chunk), chunk)
            for work, chunk in chunks
        ]
        # A rule whose answers are there is judged while others still wait for theirs; told are all in the rules' order.
        judged = {
            place: self._judge(chunks[place][0], fetched, chunks[place][1])
            for place, fetched in driven(self._store, fetches)
        }
        self._tell_all(
            [
                (work, judged[place], chunk)
                for place, (work, chunk) in enumerate(chunks)
                if work.stretch is None
            ]
        )

    def _catalog(self, rule: Rule, chunk: tuple[int, int]) -> Catalog | None:
        if not isinstance(rule, FeatureRule):
            return None
        start = chunk[0] - rule.baseline.preceding
        return read_catalog(self._store, rule.dataset, self._options.namespace, start, chunk[1])

    def _judge(
        self, work: Work, fetched: Fetched, chunk: tuple[int, int]
    ) -> Mapping[Group, tuple[Finding, ...]]:
        budget = (self._rules.false_alarms, self._rules.tests)
        judged = judge(work.rule, fetched, chunk, budget)
        work.notes += fetched.notes
        work.took(judged, chunk)
        work.state = judged.state
        if work.stretch is not None:
            work.gathered.add(judged, is_inside=work.stretch.from_us <= chunk[0] < work.stretch.to_us)
        return judged.findings

    def _tell_all(
        self, told: Sequence[tuple[Work, Mapping[Group, tuple[Finding, ...]], tuple[int, int]]]
    ) -> None:
        """Bring the alerts up to what was found; those that are there are asked for together."""
        # What the verdicts still show reaches as far back as the baseline and late events do.
        asked = [
            (work.rule.id, span[0] - work.rule.baseline.preceding - 2 * REOPEN_US) for work, _, span in told
        ]
        for (work, found, span), existing in zip(told, self._book.of_rules(asked), strict=True):
            self._tell(work, found, span, existing)

    def _tell(
        self,
        work: Work,
        found: Mapping[Group, tuple[Finding, ...]],
        chunk: tuple[int, int],
        existing: Sequence[Alert],
    ) -> None:
        for alert in existing:
            if alert.state.is_active or chunk[0] <= alert.start_us < chunk[1]:
                self._touched.setdefault(alert.id, AlertReport(alert, "unchanged"))

        def evidence(finding: Finding) -> Evidence:
            question = question_for(work.rule, finding, work.state, self._options.namespace)
            return gather(self._store, question, self._options.kibana_url)

        for group, findings in found.items():
            named = {
                name: value
                for name, value in zip(work.rule.group_by, group, strict=True)
                if value is not None
            }
            mine = [alert for alert in existing if alert.group == named]
            within = (max(chunk[0], work.gathered.first_us.get(group, chunk[0])), chunk[1])
            for change in reconcile(findings, mine, within, evidence):
                self._book.write(change)
                self._note(change)

    def _note(self, change: Change) -> None:
        known = self._touched.get(change.after.id)
        action = action_of(change)
        if action == "updated" and known is not None and known.action != "unchanged":
            action = known.action
        self._touched[change.after.id] = AlertReport(change.after, action)

    def _state_after(self, work: Work, now_us: int) -> RuleState:
        if work.stretch is None:
            return replace(work.state, ingested_us=now_us, digest=work.rule.digest)
        state = remembered(work.rule, work.loaded.state, work.state, work.stretch)
        # A backfill has not looked for late events; those that came since the last run are still to be found.
        if state.checkpoint_us is not None and state.ingested_us is None:
            state = replace(state, ingested_us=now_us)
        return state
