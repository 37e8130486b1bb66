#!/usr/bin/env python3
"""Faults planted in made-up series, and which of them the shipped default rules find, how soon, and what else they tell.

    benchmarks/faults.py --seed 7
    benchmarks/faults.py --seed 7 --series 300 --days 7 --keep FOLDER --check

Every series is one group of one shipped default rule, with the rule's own defaults and the shipped budget of false
alarms; nothing is fitted to a seed. docs/explanation/planted-faults.md says what the world is like and what is counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import positive
from benchmarks.faulting import ours, peers, world
from benchmarks.faulting.kept import OURS, Kept
from benchmarks.faulting.planted import Made
from benchmarks.faulting.report import Run, Tally, missed, shown
from benchmarks.faulting.tally import outcomes
from shipper.detect.judging.detectors_for import detector_for
from shipper.detect.rules.rule import Rule, RuleSet
from shipper.detect.rules.rule_file import load_rules
from shipper.errors import ConfigurationError

_ELASTALERT = {"error_rate": "count", "latency": "number", "metric": "number", "silence": "arrivals"}


def run(rules: RuleSet, given: argparse.Namespace, per_day: float, seed: int, word: str) -> Run:
    """Make all series, judge them, and count.

    Args:
        per_day: faults per series and day.
        word: what the progress calls this run.
    """
    tallies: list[Tally] = []
    others: dict[str, list[Tally]] = {}
    notes: list[str] = []
    shown_rules = rules.model_dump_json()
    kept = Kept(given.keep, f"{seed} {given.series} {given.days} {per_day} {given.elastalert} {shown_rules}")
    for rule, count in _allotted(rules, given):
        began = time.monotonic()
        found = kept.read(word, rule.id)
        if found is None:
            found = _tallies(rules, rule, count, (given, per_day, seed), notes)
            kept.write(word, rule.id, found)
        for name, one in found.items():
            (tallies if name == OURS else others.setdefault(name, [])).append(one)
        took = time.monotonic() - began
        print(
            f"{word}: {rule.id}, {count} series, {found[OURS].false} false alerts, {took:.0f} s",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    return Run(given.days, tuple(tallies), {name: tuple(some) for name, some in others.items()}, tuple(notes))


def _tallies(
    rules: RuleSet, rule: Rule, count: int, of: tuple[argparse.Namespace, float, int], notes: list[str]
) -> dict[str, Tally]:
    """Return what the contenders make of one rule's series."""
    given, per_day, seed = of
    made = list(world.make(rules, rule, count, seed, given.days, per_day))
    faults = [fault for one in made for fault in one.faults]
    told = {OURS: list(ours.alerts(rules, rule, made)), **_peers(rule, made, given, notes)}
    counted = {}
    for name, alerts in told.items():
        found, false = outcomes(faults, alerts)
        counted[name] = Tally(rule.id, count, tuple(found), len(false))
    return counted


def _peers(
    rule: Rule, made: Sequence[Made], given: argparse.Namespace, notes: list[str]
) -> dict[str, list[ours.Alert]]:
    found = {"fixed |z| > 4": list(peers.fixed_z(made))}
    kind = _ELASTALERT.get(rule.kind)
    if given.elastalert is None or kind is None:
        return found
    try:
        found["ElastAlert 2"] = peers.elastalert(given.elastalert, kind, made)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        notes.append(f"ElastAlert 2 skipped for {rule.id}: {type(error).__name__}: {str(error)[:120]}")
    return found


def _allotted(rules: RuleSet, given: argparse.Namespace) -> list[tuple[Rule, int]]:
    return [(rule, n) for rule, n in world.allotted(rules, given.series) if n and given.only in rule.id]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn (default: 1)")
    parser.add_argument("--series", type=positive, default=300, help="groups of rules (default: 300)")
    parser.add_argument("--days", type=positive, default=7, help="length of each run (default: 7)")
    parser.add_argument(
        "--faults-per-day",
        type=float,
        default=0.15,
        metavar="N",
        help="per series, after its first day (default: 0.15)",
    )
    parser.add_argument("--rules", type=Path, metavar="FILE", help="rules instead of the shipped ones")
    parser.add_argument("--only", default="", metavar="ID", help="only rules whose id contains this")
    parser.add_argument(
        "--elastalert",
        type=Path,
        metavar="PYTHON",
        help="Python of an environment that has ElastAlert 2, for comparison",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep results here rule by rule, and go on from there"
    )
    parser.add_argument("--json", action="store_true", help="print every fault and count as JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a promise is not kept")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where `--check` finds a promise that is not kept."""
    given = _parser().parse_args(arguments)
    try:
        rules = load_rules(given.rules)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    if not _allotted(rules, given):
        print("None of these rules has series here; shipper rules list shows them.", file=sys.stderr)
        return 2
    for rule in rules.active:
        detector_for(rule)
    began = time.monotonic()
    faulty = run(rules, given, given.faults_per_day, given.seed, "with faults")
    quiet = run(rules, given, 0.0, given.seed + 1_000_003, "without faults")
    normal = peers.on_normal_noise(given.series, given.days, given.seed) / given.days
    told = missed(faulty, quiet, rules.false_alarms)
    if given.json:
        print(json.dumps({"with_faults": asdict(faulty), "without_faults": asdict(quiet),
                          "fixed_z_on_normal_noise_per_day": normal, "missed": told}))  # fmt: skip
    else:
        print(shown(faulty, quiet, normal, rules))
        print(
            f"\nseed {given.seed}, {given.series} series, {given.days} days, {time.monotonic() - began:.0f} s"
        )
        print("\n".join(["", *(f"MISSED: {one}" for one in told)] if told else ["", "all promises kept"]))
    return 1 if told and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
