"""The promise of the budget, and the power that is left: the default rules on made-up days."""

from __future__ import annotations

import numpy as np
import pytest

from shipper.detect.event_time.window import DAY_US, MINUTE_US
from tests.unit.detect.simulation import BEGIN_US, MAKERS, RULES, World, episodes, rule_named

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FAULT_US = BEGIN_US + DAY_US + 5 * MINUTE_US
SEEDS = 6


@pytest.mark.parametrize(
    "world",
    [World(), World(per_hour=40), World(per_hour=1000), World(wander=0.15)],
    ids=["ordinary", "quiet", "busy", "wandering"],
)
def test_false_alarms_stay_within_the_budget(world: World) -> None:
    """All default rules together, two groups each, raise far less than one false alarm a day."""
    days = SEEDS * world.days
    alarms = {
        rule_id: sum(len(episodes(rule_named(rule_id), world, seed)) for seed in range(SEEDS))
        for rule_id in MAKERS
    }
    assert sum(alarms.values()) / days <= RULES.false_alarms / 8, alarms


@pytest.mark.parametrize(
    ("rule_id", "world", "delay_min"),
    [
        ("inference-errors", World(fault_us=FAULT_US, error_rate=0.2), 15),
        ("inference-errors", World(fault_us=FAULT_US, error_rate=0.06, per_hour=600), 15),
        ("inference-latency", World(fault_us=FAULT_US, slower=2.0), 15),
        ("model-accuracy", World(fault_us=FAULT_US, accuracy=0.82), 90),
        ("feature-drift", World(fault_us=FAULT_US, shift=1.0), 40),
        ("feature-drift", World(fault_us=FAULT_US, missing=0.2), 40),
        ("inference-silence", World(fault_us=FAULT_US, silent=True), 15),
    ],
)
def test_planted_faults_are_found_soon(rule_id: str, world: World, delay_min: float) -> None:
    """Faults that matter are found in at least 19 of 20 histories, the median within so many minutes."""
    rule = rule_named(rule_id)
    delays: list[float] = []
    for seed in range(20):
        found = episodes(rule, world, 1000 + seed, groups=1)
        delays += [(one.opened_us + rule.window - FAULT_US) / MINUTE_US for one in found[:1]]
    assert len(delays) >= 19
    assert float(np.median(delays)) <= delay_min
