"""How the budget is divided among the groups of a rule, and that a new version with few labels is watched all the same."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Table, from_rows
from shipper.detect.judging.threshold import level_of
from shipper.detect.rule_job import Fetched, judge
from shipper.detect.rules.rule import Rule
from shipper.detect.rules.rule_file import load_rules
from shipper.detect.state import RuleState

BEGIN_US: Final = 20_000 * DAY_US
RULES: Final = load_rules(None)
ACCURACY: Final[Rule] = next(rule for rule in RULES.active if rule.id == "model-accuracy")
BUDGET: Final = (RULES.false_alarms, RULES.tests)


def labelled(
    chance: np.random.Generator, start_us: int, end_us: int, share: float, a_window: float = 25
) -> Table:
    """Windows with so many labelled predictions each, of which a share is right."""
    rows = []
    for at in range(start_us, end_us, ACCURACY.window):
        labels = float(max(1, chance.poisson(a_window)))
        good = float(chance.binomial(int(labels), share))
        rows.append((at, {"labels": labels, "good": good, "predictions": labels}))
    return from_rows(rows)


def merged(*tables: Table) -> Table:
    """One table of several."""
    return Table(
        np.concatenate([table.times for table in tables]),
        np.concatenate([table.values for table in tables]),
        tables[0].blocks,
        tables[0].names,
    )


def level_at(tables: dict[Group, Table], end_us: int) -> float:
    """The level of a test of the last window."""
    return judge(ACCURACY, Fetched(tables, RuleState()), (end_us - ACCURACY.window, end_us), BUDGET).level


def test_a_version_that_was_replaced_takes_no_budget() -> None:
    """Groups count as often as they are tested: one version after the other is one group, beside each other two."""
    chance = np.random.default_rng(1)
    turn, end = BEGIN_US + 12 * HOUR_US, BEGIN_US + DAY_US
    one, two = (level_of(*BUDGET, ACCURACY.window, groups) for groups in (1, 2))
    first, second = (labelled(chance, *span, 0.9) for span in ((BEGIN_US, turn), (turn, end)))
    whole = labelled(chance, BEGIN_US, end, 0.9)
    assert level_at({("m", "1"): first, ("m", "2"): second}, end) == pytest.approx(one, rel=0.02)
    assert level_at({("m", "1"): whole, ("m", "2"): whole}, end) == pytest.approx(two, rel=0.02)
    # Ten that have just come count as ten, although yesterday there was one.
    late = labelled(chance, end - ACCURACY.window, end, 0.9)
    many: dict[Group, Table] = {("m", str(number)): late for number in range(9)}
    assert level_at({("m", "old"): whole} | many, end) == pytest.approx(one / 10, rel=0.02)


@pytest.mark.slow
def test_few_labels_of_a_new_version_are_enough() -> None:
    """150 labels an hour, 12 hours of a version behind 12 of another: of ten drops by 9 points nine are told within 5 hours."""
    fault, end = BEGIN_US + DAY_US, BEGIN_US + DAY_US + 5 * HOUR_US
    found = told = 0
    for seed in range(10):
        chance = np.random.default_rng(seed)
        second = labelled(chance, BEGIN_US + 12 * HOUR_US, fault, 0.925)
        tables: dict[Group, Table] = {
            ("m", "1"): labelled(chance, BEGIN_US, BEGIN_US + 12 * HOUR_US, 0.92),
            ("m", "2"): merged(second, labelled(chance, fault, end, 0.835)),
        }
        judged = judge(ACCURACY, Fetched(tables, RuleState()), (BEGIN_US, end), BUDGET)
        starts = [one.detected_us for findings in judged.findings.values() for one in findings]
        told += sum(one <= fault for one in starts)
        found += any(one > fault for one in starts)
    assert found >= 9
    assert told <= 1
