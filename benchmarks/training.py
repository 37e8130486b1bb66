#!/usr/bin/env python3
"""False alarms, recall and delay of every check on training runs, on made-up runs of several shapes.

    benchmarks/training.py --seed 7 --runs 100
    benchmarks/training.py --seed 7 --runs 100 --check-names divergence,plateau --json

Each run is drawn from the seed: shape of the curve, 20 to 100,000 steps, logged each or one in up to 200, up to 20 hours, noise of
0.5 to 30 % (correlated, for some with heavy tails), pauses for validation. It is judged by the rules that ship and by the code of the
job, at the level that the default budget leaves one of `--fleet` runs at a time. A peer for these checks that installs was not
found: what people use (early stopping, a callback that looks for NaN) runs inside of the loop and sees one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import positive
from benchmarks.curving.trial import Outcome, outcome, rules_by_check
from benchmarks.table import plain
from shipper.detect.rules.rule_file import load_rules

MOST_PER_DAY = 1.0
"""False alarms per day that the whole rule set may raise."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of one check; delays in minutes, None where nothing was found.

    Attributes:
        healthy, days: runs without a fault, and for how long they were judged, all of them together.
        false: of these with any alarm; `allowed`: what the budget allows in as many days with `fleet` runs at a time.
        faulty, judged, found: runs with a fault; those with enough data to judge it; those of these that were found.
        early: faulty runs with an alarm before the fault.
    """

    check: str
    healthy: int
    days: float
    false: int
    allowed: float
    faulty: int
    judged: int
    found: int
    early: int
    delay_min: float | None
    slowest_min: float | None
    false_shapes: dict[str, int]


def tally(check: str, made: Sequence[Outcome], allowed_per_day: float) -> Tally:
    """Count what came of the runs of one check."""
    healthy = [one for one in made if not one.is_faulty]
    faulty = [one for one in made if one.is_faulty]
    judged = [one for one in faulty if one.is_judged]
    delays = sorted(one.delay_s / 60 for one in judged if one.delay_s is not None)
    wrong = [one for one in healthy if one.alarms]
    days = sum(one.days for one in healthy)
    return Tally(
        check=check, healthy=len(healthy), days=round(days, 1), false=len(wrong), allowed=round(days * allowed_per_day, 2),
        faulty=len(faulty), judged=len(judged), found=len(delays),
        early=sum(any(moment < one.fault_s for moment in one.alarms) for one in faulty),
        delay_min=round(statistics.median(delays), 1) if delays else None,
        slowest_min=round(delays[int(0.95 * (len(delays) - 1))], 1) if delays else None,
        false_shapes=dict(Counter(one.shape for one in wrong)),
    )  # fmt: skip


def rows(tallies: Sequence[Tally]) -> list[Sequence[str]]:
    """Return the table, its head first."""
    head = (
        "check", "healthy runs", "days", "false", "allowed", "faulty", "judged", "found", "recall", "delay min", "p95", "early",
    )  # fmt: skip
    found: list[Sequence[str]] = [head]
    for one in tallies:
        recall = f"{one.found / one.judged:.2f}" if one.judged else "-"
        cells = (
            one.check,
            one.healthy,
            one.days,
            one.false,
            one.allowed,
            one.faulty,
            one.judged,
            one.found,
            recall,
        )
        ends = (
            "-" if one.delay_min is None else one.delay_min,
            "-" if one.slowest_min is None else one.slowest_min,
            one.early,
        )
        found.append([str(cell) for cell in (*cells, *ends)])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=1, help="everything is drawn from it")
    parser.add_argument(
        "--runs", type=positive, default=60, help="healthy runs, and as many faulty ones, per check"
    )
    parser.add_argument("--fleet", type=positive, default=5, help="runs at a time that share the budget")
    parser.add_argument("--check-names", default="", help="some checks, separated by commas")
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 beyond one false alarm per day over all checks"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(arguments)
    rules = rules_by_check()
    names = asked.check_names.split(",") if asked.check_names else list(rules)
    unknown = [name for name in names if name not in rules]
    if unknown:
        parser.error(f"there is no check {unknown[0]}; there are {', '.join(rules)}")
    known = load_rules(None)
    sharing = max(1, len(known.active))
    budget = (known.false_alarms / asked.fleet, sharing)
    tallies = []
    for name in names:
        seeds = [(asked.seed, place) for place in range(asked.runs)]
        made = [
            outcome(rules[name], (*seed, is_faulty), is_faulty=bool(is_faulty), budget=budget)
            for seed in seeds
            for is_faulty in (0, 1)
        ]
        tallies.append(tally(name, made, budget[0] / sharing))
        print(f"{name} is done", file=sys.stderr, flush=True)
    if asked.json:
        print(json.dumps([asdict(one) for one in tallies]))
    else:
        print(plain(rows(tallies)))
        print(told(tallies, asked.fleet))
    return int(asked.check and _per_day(tallies, asked.fleet) > MOST_PER_DAY)


def _per_day(tallies: Sequence[Tally], fleet: int) -> float:
    return sum(one.false / one.days * fleet for one in tallies if one.days)


def told(tallies: Sequence[Tally], fleet: int) -> str:
    """Return what the table says in words."""
    text = f"With {fleet} runs at a time these checks raise {_per_day(tallies, fleet):.2f} false alarms a day together."
    shapes = [
        f"{one.check}: {shape} ({count})" for one in tallies for shape, count in one.false_shapes.items()
    ]
    return text + (f" They came with {', '.join(shapes)}." if shapes else "")


if __name__ == "__main__":
    sys.exit(main())
