"""One made-up run judged by one check, by the code of the job and the check's defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.curving.faults import FAULTS
from benchmarks.curving.runs import SHAPES, Plan, made, plan_of
from benchmarks.curving.windows import table_of
from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Table
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rule_job import Fetched, judge
from shipper.detect.rules.rule_file import load_rules
from shipper.detect.rules.training_rule import TrainingRule
from shipper.detect.state import RuleState

BEGIN_US: Final = 1_790_000_000_000_000 // DAY_US * DAY_US
EARLIER: Final = 6
"""Runs before the judged one, for checks that compare."""

_SILENT_US: Final = 6 * HOUR_US


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one judged run.

    Attributes:
        check, shape: which; `is_faulty`: whether a fault was planted.
        days: that the run was judged for.
        is_judged: whether any window was judged at all (there was enough data) from the fault on.
        alarms: moments of alarms (ends of windows), seconds since the run began.
        fault_s: when the fault began; 0 without one.
        steps, points: logged steps of the run, and points that they make.
    """

    check: str
    shape: str
    is_faulty: bool
    days: float
    is_judged: bool
    alarms: tuple[float, ...]
    fault_s: float
    length_s: float
    plan: Plan

    @property
    def delay_s(self) -> float | None:
        """From the fault to the first alarm after it; None: missed."""
        after = [moment - self.fault_s for moment in self.alarms if moment >= self.fault_s]
        return min(after) if after else None


def rules_by_check() -> dict[str, TrainingRule]:
    """Return the rule of each check that ships with the package, whether on or off."""
    found = (rule for rule in load_rules(None).rules if isinstance(rule, TrainingRule))
    return {rule.check: rule for rule in found}


def outcome(
    rule: TrainingRule, seed: Sequence[int], *, is_faulty: bool, budget: tuple[float, int]
) -> Outcome:
    """Make a run (and those before it), judge it, and tell what came of it."""
    chance = np.random.default_rng(list(seed))
    shape = list(SHAPES)[int(chance.integers(len(SHAPES)))]
    plan = plan_of(chance, shape)
    tables: dict[Group, Table] = {}
    begin = BEGIN_US + int(chance.integers(0, DAY_US))
    if rule.compares:
        for place in range(EARLIER):
            run = made(chance, plan)
            end = begin + round((run.end_s or 0.0) * 1e6) + 2 * rule.window
            tables[(f"earlier-{place}",)] = table_of(run, rule, begin, end + rule.lasting * rule.window)
            begin = end + int(chance.integers(0, HOUR_US))
    run, fault_s = made(chance, plan), 0.0
    length_s = run.end_s or 0.0
    if is_faulty:
        planted = FAULTS[rule.check](chance, run)
        run, fault_s = planted.run, planted.fault_s
    end = begin + round(length_s * 1e6) + (_SILENT_US if run.end_s is None else 0) + 3 * rule.window
    end -= end % rule.window
    tables[("judged",)] = table_of(run, rule, begin, end)
    span = (begin - begin % rule.window, end)
    judged = judge(rule, Fetched(tables, RuleState()), span, budget)
    verdicts = judged.judgements.get(("judged",), ())
    known = [one for one in verdicts if one.verdict is not Verdict.UNKNOWN]
    until = begin + length_s * 1e6 if run.end_s is not None else end
    late = [
        one for one in known if begin + fault_s * 1e6 < one.start_us + rule.window and one.start_us < until
    ]
    found = [(episode.detected_us - begin) / 1e6 for episode in judged.findings.get(("judged",), ())]
    return Outcome(
        check=rule.check, shape=shape, is_faulty=is_faulty, days=(end - begin) / DAY_US, is_judged=bool(late),
        alarms=tuple(found), fault_s=fault_s, length_s=length_s, plan=plan,
    )  # fmt: skip
