"""One rule over one span: series, judgements, findings, and the state afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from shipper.alert.finding import Fact, Finding, Measured, RuleFacts
from shipper.alert.wording import group_text
from shipper.detect.curves.earlier import finished_runs
from shipper.detect.curves.rows import run_table, same_kind
from shipper.detect.event_time.quiet import Quiet, is_quiet, quiet_of
from shipper.detect.event_time.span import REOPEN_US
from shipper.detect.event_time.window import DAY_US
from shipper.detect.fetching.bin_counts import count
from shipper.detect.fetching.bins import fit, fresh_spans, grow
from shipper.detect.fetching.catalog import Catalog
from shipper.detect.fetching.data_checks import data_cells
from shipper.detect.fetching.measures import measure
from shipper.detect.fetching.quality_cells import quality_cells
from shipper.detect.fetching.query import MOST_GROUPS, Cells, Group
from shipper.detect.fetching.references import fixed, reference_table, training, unlisted
from shipper.detect.fetching.store import Fetch
from shipper.detect.fetching.table import Table, from_rows
from shipper.detect.fetching.training_cells import run_cells
from shipper.detect.judging.detectors_for import detector_for
from shipper.detect.judging.judge import Judge, Judgement
from shipper.detect.judging.threshold import Verdict, level_of
from shipper.detect.judging.track import Episode, Track
from shipper.detect.report import Waiting
from shipper.detect.rules.data_rule import DataRule
from shipper.detect.rules.quality_rule import QualityRule, settles_us
from shipper.detect.rules.rule import SEVERITIES, DriftRule, Rule
from shipper.detect.rules.training_rule import TrainingRule
from shipper.detect.state import RuleState

VERSION_FIELD = "ml.model.version"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The series of a rule's groups, and its state with the bins that were fitted on the way."""

    tables: Mapping[Group, Table]
    state: RuleState
    notes: tuple[str, ...] = ()
    quiet: tuple[Quiet, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judgement of a span came to.

    Attributes:
        findings: per group, all episodes that its track shows.
        judgements: per group, the newly judged windows; absent where there were none.
        first_us: per group, the first window of the span that has events, whether judged or not.
        resting: windows that were not judged for maintenance or warm-up.
        state: the state to be stored.
    """

    findings: Mapping[Group, tuple[Finding, ...]]
    judgements: Mapping[Group, tuple[Judgement, ...]]
    state: RuleState
    level: float
    first_us: Mapping[Group, int] = field(default_factory=dict)
    resting: int = 0


def fetch(
    rule: Rule, namespace: str, state: RuleState, catalog: Catalog | None, span: tuple[int, int]
) -> Fetch[Fetched]:
    """Fetch the rows of the span and of the baseline before it."""
    start, end = span[0] - rule.baseline.preceding, span[1]
    start -= start % rule.window
    if isinstance(rule, DriftRule) and catalog is not None:
        state = yield from _binned(rule, namespace, catalog, state, (start, end))
        found = yield from count(rule, namespace, state.fitted, list(state.fitted), start, end)
    elif isinstance(rule, DataRule) and catalog is not None:
        found = yield from data_cells(rule, namespace, catalog, start, end)
    elif isinstance(rule, QualityRule):
        found = yield from quality_cells(rule, namespace, start, end)
    elif isinstance(rule, TrainingRule):
        found = yield from run_cells(rule, namespace, start, end)
    else:
        found = yield from measure(rule, namespace, start, end)
    quiet = yield from quiet_of(rule, namespace, start, end)
    found, notes = _limited(found)
    # The rows of a group go as soon as they are arrays: those of all groups are what takes most memory.
    tables = {group: _table(rule, found.pop(group), end) for group in list(found)}
    return Fetched(tables, state, notes, quiet)


def _binned(
    rule: DriftRule, namespace: str, catalog: Catalog, state: RuleState, span: tuple[int, int]
) -> Fetch[RuleState]:
    """Return the state with the bins, and the references where the rule has its own, of all groups of the span."""
    references = dict(state.references)
    if rule.against == "training":
        groups = yield from fresh_spans(rule, namespace, set(references), *span)
        known = dict(state.fitted), references
        fitted, references = yield from training(rule, namespace, catalog, *known, set(groups))
    else:
        fitted = yield from fit(rule, namespace, catalog, state.fitted, *span)
    full = {group: unlisted(counts) for group, (_, counts) in references.items()}
    fitted = yield from grow(rule, namespace, fitted, *span, full=full)
    if rule.against == "fixed":
        references = yield from fixed(rule, namespace, fitted, references, *span)
    return replace(state, fitted=fitted, references=references)


def judge(rule: Rule, fetched: Fetched, span: tuple[int, int], budget: tuple[float, int]) -> Judged:
    """Judge the windows of the span in order.

    Args:
        rule: the rule.
        fetched: its series.
        span: moments [from, to).
        budget: false alarms per day, and the number of rules that share them.
    """
    state = fetched.state
    first, resting = _first_windows(fetched.tables, span), 0
    tables: dict[Group, Table] = {}
    for group, table in fetched.tables.items():
        rests = is_quiet(
            table.times, rule.window, fetched.quiet, dict(zip(rule.group_by, group, strict=True))
        )
        resting += int(rests[(table.times >= span[0]) & (table.times < span[1])].sum())
        if not rests.all():
            tables[group] = table.take(~rests)
    level_at = _levels(rule, tables, budget)
    judge_ = Judge(detector_for(rule), rule.window, rule.baseline.preceding, level_at)
    tracks, findings = dict(state.tracks), {}
    judgements: dict[Group, tuple[Judgement, ...]] = {}
    for group in sorted(tables, key=lambda group: (int(tables[group].times[0]), str(group))):
        track = tracks.get(group, Track())
        flagged = track.flagged()
        previous = _previous(rule, group, tables, tracks)
        if isinstance(rule, DriftRule) and rule.against != "rolling":
            previous = reference_table(state.references.get(group))
        found = tuple(judge_.windows(tables[group], *span, flagged=flagged, previous=previous))
        if not found and group not in first:
            continue
        track = track.with_judged(*span, [one.entry for one in found])
        if found:
            judgements[group] = found
        findings[group] = tuple(_findings(rule, group, track, found))
        tracks[group] = track
    checkpoint = max(span[1], state.checkpoint_us or 0)
    oldest = checkpoint - rule.baseline.preceding - REOPEN_US
    kept = {group: track.trimmed(oldest, rule.hysteresis) for group, track in tracks.items()}
    kept = {group: track for group, track in kept.items() if track.entries or track.folded.episode}
    after = replace(state, tracks=kept, checkpoint_us=checkpoint, digest=rule.digest)
    return Judged(findings, judgements, after, level_at(span[1] - rule.window), first, resting)


def _first_windows(tables: Mapping[Group, Table], span: tuple[int, int]) -> dict[Group, int]:
    found: dict[Group, int] = {}
    for group, table in tables.items():
        place = int(np.searchsorted(table.times, span[0]))
        if place < len(table) and table.times[place] < span[1]:
            found[group] = int(table.times[place])
    return found


def waiting(rule: Rule, judged: Judged) -> tuple[Waiting, ...]:
    """Return the groups whose newest window lacks data, and what it lacks."""
    found: list[Waiting] = []
    for group, judgements in judged.judgements.items():
        last = judgements[-1]
        if last.verdict is Verdict.UNKNOWN:
            text = group_text(_named(rule, group))
            found.append(Waiting(text, last.score.have, last.score.need, last.score.missing))
    return tuple(found)


def rule_facts(rule: Rule) -> RuleFacts:
    """Return what an alert tells of its rule."""
    return RuleFacts(rule.id, rule.title, rule.kind, SEVERITIES[rule.severity], rule.owner)


def _findings(rule: Rule, group: Group, track: Track, judgements: tuple[Judgement, ...]) -> Iterator[Finding]:
    by_start = {one.start_us: one for one in judgements}
    for episode in track.episodes(rule.hysteresis):
        yield Finding(
            rule=rule_facts(rule),
            group=dict(zip(rule.group_by, group, strict=True)),
            start_us=episode.start_us,
            detected_us=episode.opened_us + rule.window + settles_us(rule),
            windows=episode.windows,
            ended_us=episode.ended_us,
            recovered_us=None
            if episode.recovered_us is None
            else episode.recovered_us + rule.window + settles_us(rule),
            measured=_measured(rule, episode, by_start),
        )


def _measured(rule: Rule, episode: Episode, by_start: Mapping[int, Judgement]) -> Measured | None:
    judgement = by_start.get(episode.last_us)
    if judgement is None or judgement.score.value is None:
        return None
    score = judgement.score
    return Measured(
        window_start_us=judgement.start_us,
        window_end_us=judgement.start_us + rule.window,
        observed=float(score.observed or 0.0),
        expected=float(score.expected or 0.0),
        threshold=float(score.threshold or 0.0),
        unit=detector_for(rule).unit,
        score=float(score.value or 0.0),
        effect=float(score.effect or 0.0),
        count=int(score.count),
        facts={name: _plain(value) for name, value in score.facts.items()},
        features=score.suspects,
    )


def _levels(rule: Rule, tables: Mapping[Group, Table], budget: tuple[float, int]) -> Callable[[int], float]:
    """Return the level by moment: the budget divided by how many groups are tested at a time.

    That is as many as in this window, or as in the mean of the last day (of a shorter baseline): a version that has been
    replaced, or a service that works by night, takes no more of the budget than it is tested.
    """
    back = min(rule.baseline.preceding, DAY_US)

    @cache
    def level_at(moment: int) -> float:
        edges = [
            np.searchsorted(table.times, [moment - back, moment, moment + 1]) for table in tables.values()
        ]
        now = sum(int(end - start) for _, start, end in edges)
        before = sum(int(end - start) for start, end, _ in edges) * rule.window / back
        return level_of(budget[0], budget[1], rule.window, max(now, before))

    return level_at


def _previous(
    rule: Rule, group: Group, tables: Mapping[Group, Table], tracks: Mapping[Group, Track]
) -> Table | None:
    """Return the ordinary rows of the version of the same model that came before this group's; earlier runs of a run."""
    if isinstance(rule, TrainingRule):
        return finished_runs(same_kind(group, tables), rule.window, rule.split) if rule.compares else None
    if VERSION_FIELD not in rule.group_by:
        return None
    place = rule.group_by.index(VERSION_FIELD)
    first = int(tables[group].times[0])
    earlier = [
        (int(table.times[0]), str(other), other)
        for other, table in tables.items()
        if other[:place] + other[place + 1 :] == group[:place] + group[place + 1 :]
        and int(table.times[0]) < first
    ]
    if not earlier:
        return None
    other = max(earlier)[2]
    table = tables[other]
    flagged = tracks.get(other, Track()).flagged()
    return table.take(~np.isin(table.times, np.fromiter(flagged, dtype=np.int64, count=len(flagged))))


def _table(rule: Rule, rows: list[tuple[int, dict[str, float]]], end_us: int) -> Table:
    if isinstance(rule, TrainingRule):
        return run_table(rule, rows, end_us)
    return from_rows(rows, rule.window, end_us) if rule.needs_every_window else from_rows(rows)


def _limited(found: Cells) -> tuple[Cells, tuple[str, ...]]:
    if len(found) <= MOST_GROUPS:
        return found, ()
    busiest = sorted(found, key=lambda group: (-len(found[group]), str(group)))[:MOST_GROUPS]
    note = f"{len(found)} groups are too many; the {MOST_GROUPS} with the most windows were judged"
    return {group: found[group] for group in busiest}, (note,)


def _named(rule: Rule, group: Group) -> dict[str, str]:
    return {name: value for name, value in zip(rule.group_by, group, strict=True) if value is not None}


def _plain(value: Any) -> Fact:
    """Return a fact as Python's own type: numpy's numbers look the same but cannot be written as JSON."""
    plain: Fact = value.item() if isinstance(value, np.generic) else value
    return plain
