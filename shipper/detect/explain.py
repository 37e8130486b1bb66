"""Why a window was judged as it was: what was asked, what came out, and what it takes to open an alert.

The window is judged anew by the code and the state of the job, so the explanation is the judgement itself and
no story about it. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shipper.alert.alert import Alert
from shipper.alert.store import JsonObject
from shipper.alert.writer import AlertBook
from shipper.clock import Clock
from shipper.detect.backfill import state_at
from shipper.detect.event_time.span import Span
from shipper.detect.event_time.window import Window, floor_to
from shipper.detect.fetching.catalog import read_catalog
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.store import Query, Store, drive
from shipper.detect.judging.detectors_for import detector_for
from shipper.detect.judging.judge import Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Progress
from shipper.detect.rule_job import Fetched, Judged, fetch, judge
from shipper.detect.rules.rule import FeatureRule, Rule, RuleSet
from shipper.detect.state import RuleState, StateBook
from shipper.detect.statistics.probability import significance


@dataclass(frozen=True, slots=True)
class GroupExplanation:
    """The judgement of one group in the window.

    Attributes:
        group: what it is about, by field; an absent field has the value None.
        judgement: verdict, score and level; None where the group had no events in the window.
        unit: of observed, expected and threshold.
        why: why it did or did not alert, in a sentence.
        alerts: alerts of the rule and group that the window belongs to.
    """

    group: Mapping[str, str | None]
    judgement: Judgement | None
    unit: str
    why: str
    alerts: tuple[Alert, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """One rule and one window; `asked` are the searches that the judgement of the window rests on."""

    rule: Rule
    window: Window
    asked: tuple[Query, ...]
    groups: tuple[GroupExplanation, ...]
    notes: tuple[str, ...] = ()


def explain(
    rules: RuleSet,
    rule: Rule,
    store: Store,
    clock: Clock,
    moment_us: int,
    *,
    namespace: str,
    lateness_us: int,
) -> Explanation:
    """Judge the window that holds a moment, and say why it came out so.

    Args:
        rules: the set that shares the budget.
        rule: one of them.
        store: Elasticsearch.
        clock: says which windows are complete.
        moment_us: a moment inside the window.
        namespace: team or environment.
        lateness_us: events are expected to arrive within this.

    Raises:
        StoreError: Elasticsearch did not answer or refused.
    """
    start = floor_to(moment_us, rule.window)
    window = Window(start, start + rule.window)
    loaded = StateBook(store, namespace, clock).load(rule.id)
    notes = [loaded.problem] if loaded.problem else []
    if window.end_us > clock.now_us() - lateness_us:
        notes.append("the window is not complete yet: the job judges it when events have had time to arrive")
    state = loaded.state
    if state.digest not in ("", rule.digest):
        notes.append("the rule has changed since the job judged last; this is the rule as it is now")
        state = replace(state, fitted={}, references={})
    asking = _Asking(store)
    budget = (rules.false_alarms, rules.tests)
    state, first = state_at(rule, state, start)
    for chunk in Span(first, start).chunks(rule.window):
        state = _judged(rule, asking, namespace, state, chunk, budget)[0].state
    asking.asked.clear()
    judged, fetched = _judged(rule, asking, namespace, state, (window.start_us, window.end_us), budget)
    alerts = AlertBook(store, namespace, clock).of_rule(rule.id)
    groups = tuple(
        _of_group(rule, judged, fetched, group, window, alerts) for group in sorted(fetched.tables, key=str)
    )
    return Explanation(rule, window, tuple(asking.asked), groups, tuple(notes))


def _judged(
    rule: Rule,
    store: _Asking,
    namespace: str,
    state: RuleState,
    chunk: tuple[int, int],
    budget: tuple[float, int],
) -> tuple[Judged, Fetched]:
    """Judge one part as the job does; return it with what it rests on."""
    catalog = None
    if isinstance(rule, FeatureRule):
        begin = chunk[0] - rule.baseline.preceding
        catalog = read_catalog(store.store, rule.dataset, namespace, begin, chunk[1])
    (fetched,) = drive(store, [fetch(rule, namespace, state, catalog, chunk)])
    return judge(rule, fetched, chunk, budget), fetched


def _of_group(
    rule: Rule, judged: Judged, fetched: Fetched, group: Group, window: Window, alerts: list[Alert]
) -> GroupExplanation:
    named = dict(zip(rule.group_by, group, strict=True))
    mine = tuple(
        alert
        for alert in alerts
        if alert.group == {name: value for name, value in named.items() if value is not None}
        and alert.start_us < window.end_us
        and (alert.ended_us is None or alert.ended_us > window.start_us)
    )
    found = next((one for one in judged.judgements.get(group, ()) if one.start_us == window.start_us), None)
    unit = detector_for(rule).unit
    if found is None:
        rests = next((one for one in fetched.quiet if one.concerns(named) and one.overlaps(window)), None)
        text = f"Not judged: {rests.why}." if rests else "There was no event in the window: nothing to judge."
        return GroupExplanation(named, None, unit, text, mine)
    progress = Progress()
    if group in judged.state.tracks:
        track = judged.state.tracks[group]
        progress = track.folded
        for entry in track.entries:
            progress, _ = progress.after(entry, rule.hysteresis)
    return GroupExplanation(named, found, unit, why(rule, found, progress), mine)


def why(rule: Rule, judgement: Judgement, progress: Progress) -> str:
    """Return why a window did or did not alert; `progress` is where the group's verdicts stand after it."""
    score, hysteresis = judgement.score, rule.hysteresis
    if judgement.verdict is Verdict.UNKNOWN:
        return f"Not enough data: {score.have} of {score.need} {score.missing}. This neither opens nor ends an alert."
    if judgement.verdict is Verdict.ORDINARY:
        text = "Ordinary: the change does not reach the rule's minimum effect in the bad direction."
        text = text if rule.is_test else "Ordinary: what the rule says is kept."
        if progress.episode is not None:
            text += f" It is ordinary window {progress.ordinary} of {hysteresis.recover} in a row that end the alert."
        return text
    if judgement.verdict is Verdict.UNCLEAR:
        return _unclear(judgement)
    if judgement.verdict is Verdict.STRONG:
        beyond = "Anomalous beyond doubt" if rule.is_test else "It is as the rule says it must not be"
        return f"{beyond}: this alone opens an alert, or keeps it open."
    if progress.episode is not None:
        return "Anomalous: it opens an alert together with those just before it, or keeps it open."
    seen = sum(entry.verdict.is_anomalous for entry in progress.recent)
    return (
        f"Anomalous, but not beyond doubt: an alert opens with {hysteresis.open} such windows of {hysteresis.of}, "
        f"and this is number {seen}."
    )


def _unclear(judgement: Judgement) -> str:
    score = judgement.score
    if not score.is_effective:
        return (
            "Unclear: ordinary by itself, but not together with the anomalous windows just before it. "
            "It does not end the alert."
        )
    return (
        "Unclear: the change reaches the minimum effect, but chance explains it: "
        f"10^-{score.value or 0:.1f} is not below 10^-{significance(judgement.level):.1f}. "
        "This neither opens nor ends an alert."
    )


class _Asking:
    """A store that remembers what it was asked; it can do nothing but search."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[Query] = []

    def msearch(self, searches: Iterable[Query]) -> list[JsonObject]:
        """Search, and remember it."""
        queries = list(searches)
        self.asked += queries
        return self.store.msearch(queries)
