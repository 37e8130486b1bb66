"""Which windows are due, and how far events are complete."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.detect.event_time.span import Limits, Span, span_of
from shipper.detect.event_time.watermark import Arrivals, Late, late_queries, read_late
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US, iso
from shipper.detect.rules.rule_file import load_rules
from shipper.detect.state import RuleState

RULES = {rule.id: rule for rule in load_rules(None).active}
RULE = RULES["inference-errors"]
NOW_US = 1_790_003_600_000_000 // HOUR_US * HOUR_US + 7 * MINUTE_US
STEP_US = RULE.window
NO_LATE = Late(0, None)


def arrived(oldest_h: float = 30, newest_min: float = 1, ingested_min: float = 1) -> Arrivals:
    """Arrivals given as ages."""
    return Arrivals(
        NOW_US - round(oldest_h * HOUR_US),
        NOW_US - round(newest_min * MINUTE_US),
        NOW_US - round(ingested_min * MINUTE_US),
    )


def span(state: RuleState, late: Late = NO_LATE, start_us: int | None = None, **ages: float) -> Span:
    """The span that is due now."""
    limits = Limits(start_us, NOW_US, 7 * DAY_US)
    return span_of(RULE, state, arrived(**ages), late, limits)


def test_the_first_run_begins_with_the_oldest_event() -> None:
    """U64: history is judged at once, so that nobody waits for days."""
    found = span(RuleState())
    assert found.from_us == (NOW_US - 30 * HOUR_US) // STEP_US * STEP_US
    assert found.to_us == NOW_US // STEP_US * STEP_US


def test_later_runs_begin_at_the_checkpoint() -> None:
    """U61: nothing is left out and nothing judged twice."""
    assert (
        span(RuleState(checkpoint_us=NOW_US // STEP_US * STEP_US - STEP_US)).from_us
        == NOW_US // STEP_US * STEP_US - STEP_US
    )


def test_nothing_is_due_twice() -> None:
    """A checkpoint at the end leaves nothing to judge."""
    found = span(RuleState(checkpoint_us=NOW_US // STEP_US * STEP_US))
    assert found.from_us == found.to_us
    assert found.chunks(STEP_US) == []


def test_late_events_move_the_start_back() -> None:
    """U59: the window of the earliest late event is judged again, and all that rest on it."""
    late = Late(3, NOW_US - 5 * HOUR_US)
    found = span(RuleState(checkpoint_us=NOW_US - STEP_US), late)
    assert found.from_us == (NOW_US - 5 * HOUR_US) // STEP_US * STEP_US
    assert found.late_events == 3


def test_late_events_are_judged_up_to_the_checkpoint_through_a_backlog() -> None:
    """U59: the watermark that a backlog moved back leaves no verdict of the time before the late events."""
    checkpoint = NOW_US // STEP_US * STEP_US
    behind = Limits(None, NOW_US - 3 * HOUR_US, 7 * DAY_US)
    late = Late(3, NOW_US - 5 * HOUR_US)
    found = span_of(RULE, RuleState(checkpoint_us=checkpoint), arrived(), late, behind)
    assert (found.from_us, found.to_us) == ((NOW_US - 5 * HOUR_US) // STEP_US * STEP_US, checkpoint)
    assert (
        span_of(RULE, RuleState(checkpoint_us=checkpoint), arrived(), NO_LATE, behind).chunks(STEP_US) == []
    )


def test_a_gap_beyond_the_limit_is_said() -> None:
    """U61: what is skipped is named with its length and how to judge it."""
    found = span(RuleState(checkpoint_us=NOW_US - 9 * DAY_US))
    assert found.from_us >= NOW_US - 7 * DAY_US
    assert len(found.notes) == 1
    assert "backfill" in found.notes[0]


def test_a_stretch_can_be_asked_for() -> None:
    """An explicit start counts, whatever the checkpoint says; only whole windows are judged."""
    found = span(RuleState(checkpoint_us=NOW_US), start_us=NOW_US - HOUR_US + 1)
    assert found.from_us % STEP_US == 0
    assert found.from_us > NOW_US - HOUR_US


def test_a_long_span_is_cut_into_chunks() -> None:
    """Memory is bounded: chunks join without gap or overlap."""
    chunks = Span(0, 1201 * STEP_US).chunks(STEP_US)
    assert [start for start, _ in chunks[1:]] == [end for _, end in chunks[:-1]]
    assert (chunks[0][0], chunks[-1][1]) == (0, 1201 * STEP_US)
    assert len(chunks) == 3


@pytest.mark.parametrize(
    ("newest_min", "ingested_min", "age_min"),
    [(1, 1, 2), (3, 1, 2), (180, 1, 180), (180, 180, 2)],
)
def test_the_watermark(newest_min: float, ingested_min: float, age_min: float) -> None:
    """Two minutes back; as far back as the newest event while a backlog is arriving; a stop is no backlog."""
    found = arrived(newest_min=newest_min, ingested_min=ingested_min)
    assert found.watermark(NOW_US, 2 * MINUTE_US) == NOW_US - age_min * MINUTE_US


def test_without_any_event_the_watermark_is_the_clock() -> None:
    """An empty namespace is not behind."""
    assert Arrivals(None, None, None).watermark(NOW_US, MINUTE_US) == NOW_US - MINUTE_US


def test_late_labels_and_late_predictions_both_count() -> None:
    """A rule with label coverage asks for late events of both datasets, and for labels of cohorts out of reach."""
    queries = late_queries(RULES["model-accuracy"], "test", NOW_US, 0, NOW_US)
    labels = "logs-ml.feedback-test-*"
    assert [index for index, _ in queries] == [labels, labels, "logs-ml.inference-test-*"]
    answers: list[dict[str, Any]] = [
        {"aggregations": {"missed": {"value": 7}}},
        {"aggregations": {"earliest": {"value_as_string": iso(5_000_000)}, "later": {"doc_count": 2}}},
        {"aggregations": {"earliest": {"value": None}, "later": {"doc_count": 0}}},
        {},
    ]
    assert read_late(answers) == Late(2, 5_000_000, 7)


def test_a_stretch_from_long_ago_begins_with_the_events() -> None:
    """Whoever asks for everything since 1970 gets what there is, not fifty years of empty windows."""
    found = span(RuleState(), start_us=0)
    assert 0 < NOW_US - found.from_us < 60 * DAY_US
    assert found.to_us == NOW_US // RULE.window * RULE.window
