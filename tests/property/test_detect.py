"""Rules that hold for whatever verdicts, counts and histories there are."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.alert.alert import Alert, Evidence, State
from shipper.alert.finding import Finding, Measured, RuleFacts
from shipper.alert.lifecycle import reconcile
from shipper.detect.detectors.base import Reference
from shipper.detect.detectors.drift import OTHER, Drift
from shipper.detect.detectors.latency import edges_ns, quantile
from shipper.detect.event_time.window import format_duration, parse_duration
from shipper.detect.fetching.table import Table
from shipper.detect.judging.share import ShareModel
from shipper.detect.judging.threshold import Verdict
from shipper.detect.judging.track import Entry, Episode, Track
from shipper.detect.rules.rule import Hysteresis
from shipper.detect.statistics.probability import (
    beta_binomial_tail,
    binomial_tail,
    chi_squared_tail,
    student_tail,
)

VERDICTS = st.lists(st.sampled_from(list(Verdict)), max_size=40)
HYSTERESIS = st.builds(
    lambda open_, more, recover: Hysteresis(open=open_, of=open_ + more, recover=recover),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(1, 4),
)
COUNTS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 400)), min_size=1, max_size=30)
RULE = RuleFacts("r", "R", "error_rate")
NOTHING = Evidence()


def track(verdicts: list[Verdict]) -> Track:
    """A track of windows 0, 10, 20 ..."""
    return Track(entries=tuple(Entry(10 * place, one, 10 * place) for place, one in enumerate(verdicts)))


def findings(episodes: list[Episode]) -> list[Finding]:
    """Findings of episodes with windows of length 10."""
    return [
        Finding(
            RULE,
            {"g": "x"},
            one.start_us,
            one.opened_us + 10,
            one.windows,
            one.ended_us,
            one.recovered_us + 10 if one.recovered_us is not None else None,
            Measured(one.last_us, one.last_us + 10, 1.0, 0.0, 0.5, "share", 9.0, 2.0, 5, {}),
        )
        for one in episodes
    ]


def settle(alerts: list[Alert], verdicts: list[Verdict], hysteresis: Hysteresis) -> tuple[list[Alert], int]:
    """The alerts after judging, and the number of changes."""
    known = {alert.id: alert for alert in alerts}
    episodes = track(verdicts).episodes(hysteresis)
    changes = list(reconcile(findings(episodes), alerts, (0, 10 * len(verdicts)), lambda _: NOTHING))
    known |= {change.after.id: change.after for change in changes}
    return list(known.values()), len(changes)


@given(VERDICTS, HYSTERESIS)
def test_episodes_are_apart_and_in_order(verdicts: list[Verdict], hysteresis: Hysteresis) -> None:
    """Episodes do not overlap, begin and end with what they should, and only the last may last."""
    episodes = track(verdicts).episodes(hysteresis)
    for one in episodes:
        assert verdicts[one.start_us // 10].is_anomalous
        assert verdicts[one.last_us // 10].is_anomalous
        assert one.start_us <= one.opened_us <= one.last_us
        if one.ended_us is not None:
            assert verdicts[one.ended_us // 10] is Verdict.ORDINARY
            assert one.last_us < one.ended_us
    for one, following in pairwise(episodes):
        assert one.ended_us is not None
        assert one.last_us < following.start_us


@given(VERDICTS, HYSTERESIS, st.integers(0, 40))
def test_trimming_changes_no_later_judgement(
    verdicts: list[Verdict], hysteresis: Hysteresis, cut: int
) -> None:
    """A trimmed track goes on exactly as the whole one does."""
    whole = track(verdicts)
    trimmed = whole.trimmed(10 * cut, hysteresis)
    expected = [one for one in whole.episodes(hysteresis) if (one.recovered_us or math.inf) >= 10 * cut]
    assert trimmed.episodes(hysteresis) == expected


@given(VERDICTS, HYSTERESIS)
def test_judging_again_changes_nothing(verdicts: list[Verdict], hysteresis: Hysteresis) -> None:
    """U60: the same verdicts again bring no change."""
    alerts, _ = settle([], verdicts, hysteresis)
    again, changes = settle(alerts, verdicts, hysteresis)
    assert changes == 0
    assert again == alerts


@given(VERDICTS, VERDICTS, HYSTERESIS)
def test_late_data_end_in_the_same_states(
    before: list[Verdict], after: list[Verdict], hysteresis: Hysteresis
) -> None:
    """U59: after a second judgement as many alerts are active as if it had been the only one."""
    first = (before + after)[: max(len(before), len(after))]
    second = (after + before)[: len(first)]
    alerts, _ = settle([], first, hysteresis)
    alerts, _ = settle(alerts, second, hysteresis)
    active = [alert for alert in alerts if alert.state is not State.RECOVERED]
    lasting = [one for one in track(second).episodes(hysteresis) if one.ended_us is None]
    assert len(active) == len(lasting)
    assert len({alert.id for alert in alerts}) == len(alerts)


@given(COUNTS, st.integers(1, 300), st.data())
def test_a_share_tail_falls_with_the_count(
    counts: list[tuple[int, int]], total: int, data: st.DataObject
) -> None:
    """More bad events are never less surprising; all tails are probabilities."""
    bad = np.array([min(pair) for pair in counts], dtype=float)
    events = np.array([max(pair) for pair in counts], dtype=float)
    model = ShareModel.of(bad, events)
    count = data.draw(st.integers(0, total))
    tail, next_tail = model.tail(count, total), model.tail(count + 1, total)
    assert 0.0 <= next_tail <= tail <= 1.0
    assert 0.0 <= model.wander <= 1.0


@given(st.integers(0, 500), st.integers(1, 500), st.floats(0.001, 500), st.floats(0.001, 500))
def test_tails_are_probabilities(count: int, trials: int, a: float, b: float) -> None:
    """Whatever goes in, a probability comes out."""
    for tail in (
        beta_binomial_tail(count, trials, a, b),
        binomial_tail(count, trials, a / (a + b)),
        chi_squared_tail(a, max(1, int(b))),
        student_tail(a - b, b),
    ):
        assert 0.0 <= tail <= 1.0


@given(st.lists(st.integers(0, 50), min_size=130, max_size=130).filter(any), st.floats(50, 99.9))
def test_a_quantile_lies_in_its_bin(counts: list[int], percentile: float) -> None:
    """The interpolated percentile has the right share of events in the bins below and above it."""
    edges = edges_ns()
    bins = np.zeros(len(edges) + 1)
    bins[: len(counts)] = counts[: len(bins)]
    if not bins.any():
        return
    value = quantile(bins, percentile)
    place = int(np.searchsorted(edges, value * (1 - 1e-9), side="right"))
    target = percentile / 100 * bins.sum()
    assert bins[:place].sum() <= target * (1 + 1e-9)
    assert bins[: place + 2].sum() >= target * (1 - 1e-9)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 300), min_size=4, max_size=4),
    st.lists(st.integers(0, 300), min_size=4, max_size=4),
    st.sampled_from([(["0", "1", "2", "3"], [0, 1, 2, 3]), (["a", "b", "c", OTHER], [2, 0, 3, 1])]),
)
def test_drift_is_finite_and_symmetric_in_the_bins_order(
    now: list[int], then: list[int], kind: tuple[list[str], list[int]]
) -> None:
    """Any histograms have a finite score and effect, and the same one again; of categories in whatever order they are."""
    parts, turned = kind

    def score(order: list[int]) -> tuple[float | None, float | None]:
        def rows(counts: list[int], times: int) -> Table:
            values = np.array([[sum(counts), *(counts[place] for place in order)]] * times, dtype=float)
            names = ("events", *(f"x/{parts[place]}" for place in order))
            blocks = {"events": slice(0, 1), "x": slice(1, 5)}
            return Table(np.arange(times, dtype=np.int64), values, blocks, names)

        found = Drift().score(rows(now, 1), Reference(rows(then, 6)), 1e-3)
        return found.value, found.effect

    value, effect = score([0, 1, 2, 3])
    turned_value, turned_effect = score(turned)
    assert (value is None) == (turned_value is None)
    if value is not None and effect is not None and turned_value is not None and turned_effect is not None:
        assert math.isfinite(value)
        assert effect >= 0.0
        assert math.isclose(value, turned_value, rel_tol=1e-6, abs_tol=1e-6)
        assert math.isclose(effect, turned_effect, rel_tol=1e-9, abs_tol=1e-9)


@given(st.integers(1, 9_999_999), st.sampled_from("smhd"))
def test_durations_read_back(number: int, unit: str) -> None:
    """The shortest text of a length means the same length."""
    length = parse_duration(f"{number}{unit}")
    assert parse_duration(format_duration(length)[:-1] + format_duration(length)[-1]) == length
