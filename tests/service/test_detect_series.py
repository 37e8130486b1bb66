"""Rules of kind `series` on the real Elasticsearch."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import pytest

from shipper.detect.event_time.window import HOUR_US, MINUTE_US, iso
from shipper.detect.rules.rule_file import parse_rules
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place

STEP_US = 15 * MINUTE_US
ROWS = 3 * 96
RULES = parse_rules(
    """
rules:
  - id: queue
    name: The queue is not as long as usual
    kind: series
    dataset: ml.evaluation
    field: ml.metrics.queue
    group_by: [service.name]
    window: 15m
    baseline: 14d
"""
)


def queue(service: str, rows: int, seed: int, broken_rows: int = 0) -> Iterator[Json]:
    """The length of a queue with a daily course; ten times its noise too long in the last rows."""
    chance = random.Random(seed)
    for row in range(rows):
        at = END_US - (rows - row) * STEP_US + MINUTE_US
        length = 100 + 30 * math.sin(2 * math.pi * (at % (24 * HOUR_US)) / (24 * HOUR_US))
        length += chance.gauss(0, 3) + 60 * (row >= rows - broken_rows)
        yield {
            "@timestamp": iso(at),
            "message": "queue",
            "log": {"level": "info"},
            "event": {"id": f"{service}-{seed}-{row}", "dataset": "ml.evaluation"},
            "service": {"name": service},
            "ml": {"metrics": {"queue": length}},
        }


def test_a_number_that_leaves_its_course_is_found_and_another_is_not(place: Place) -> None:
    """One of two queues doubles in the last hour and a half: one alert, with what was expected and evidence."""
    place.store([*queue("api", ROWS, 1, broken_rows=6), *queue("worker", ROWS, 2)])
    place.run(RULES)
    alerts = place.alerts()
    assert set(alerts) == {("queue", "api")}
    alert = alerts["queue", "api"]
    assert END_US - 6 * STEP_US <= alert.start_us <= END_US - 5 * STEP_US
    assert alert.measured.observed - alert.measured.expected == pytest.approx(60, abs=25)
    assert alert.measured.facts["seen_by"] in ("value", "season", "level", "variation")
    assert 1 <= len(alert.evidence.samples) <= 5


def test_too_few_windows_are_an_answer(place: Place) -> None:
    """U64: twelve windows of a new number are not enough, and the run says so."""
    place.store(list(queue("api", 12, 3)))
    (rule,) = place.run(RULES).rules
    assert [(one.have, one.need, one.missing) for one in rule.waiting] == [(10, 48, "baseline windows")]
    assert not place.alerts()
