#!/usr/bin/env python3
"""False alerts of the rules that ship switched off, and of the data checks, in traffic where nothing is wrong.

    benchmarks/quiet.py --seed 7
    benchmarks/quiet.py --seed 7 --groups 20 --days 7 --only missing

The traffic is that of `benchmarks/faults.py` without faults: days and nights, weekends, trends, autocorrelated heavy-tailed noise,
deploys. Each rule is judged by the job's own code as if it were one more of the shipped rules, at its share of their budget. What a rule
may add to the shipped set follows from this table; docs/explanation/planted-faults.md says what was decided.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.command import positive
from benchmarks.faulting import ours, world
from benchmarks.faulting.counts import volume
from benchmarks.faulting.exact import expit
from benchmarks.faulting.features import drift
from benchmarks.faulting.noise import Noise
from benchmarks.faulting.planted import Made, log_uniform, table
from benchmarks.faulting.tally import poisson_interval
from benchmarks.faulting.traffic import Traffic
from benchmarks.table import plain
from shipper.detect.detectors.drift import MISSING, OTHER
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.rules.rule import DriftRule, Rule, RuleSet
from shipper.detect.rules.rule_file import load_rules, parse_rules

Random = np.random.Generator
Make = Callable[[Random, Ints, Rule, str], Mapping[Group, Table]]
_BY_MODEL: Final = "group_by: [ml.model.name, ml.model.version]"


def missing(chance: Random, times: Ints, _: Rule, name: str) -> dict[Group, Table]:
    """Return the missing values of the numbers of a model that wanders."""
    made = drift(chance, times, DriftRule(id="x"), name, 0.0, 1e-4)
    found = {}
    for group, one in made.tables.items():
        columns = [("events", one.column("events"))]
        for block in one.blocks:
            if block != "events" and OTHER not in one.parts(block):
                counts = one.block(block)
                columns.append((f"{block}/bad", counts[:, one.parts(block).index(MISSING)]))
                columns.append((f"{block}/all", counts.sum(axis=1)))
        found[group] = table(one.times, columns)
    return found


def _share(chance: Random, times: Ints, low: float, high: float) -> Floats:
    """Return a share that wanders in autocorrelated heavy-tailed steps around a mean between `low` and `high`."""
    mean = log_uniform(chance, low, high)
    noise = Noise(
        log_uniform(chance, 0.05, 0.3), float(chance.uniform(4, 10)), float(chance.uniform(0.3, 0.9))
    )
    return expit(np.log(mean / (1 - mean)) + noise.draw(chance, len(times)))


def bad_share(low: float, high: float, *, features: int) -> Make:
    """Return a maker of models whose features have bad events, the usual share of each between `low` and `high`."""

    def make(chance: Random, times: Ints, rule: Rule, name: str) -> dict[Group, Table]:
        del rule
        events = Traffic.drawn(chance, 30, 3000).draw(chance, times)
        columns = [("events", events.astype(np.float64))]
        for feature in range(features):
            bad = chance.binomial(events, _share(chance, times, low, high)).astype(np.float64)
            columns += [(f"x{feature}/bad", bad), (f"x{feature}/all", events.astype(np.float64))]
        return {(name, "1"): table(times, columns)}

    return make


def schema(chance: Random, times: Ints, rule: Rule, name: str) -> dict[Group, Table]:
    """Return a model with seven fields that are always there, and three that a few events have."""
    del rule
    events = Traffic.drawn(chance, 30, 3000).draw(chance, times)
    columns = [("events", events.astype(np.float64))]
    for field in range(10):
        share = np.ones(len(times)) if field < 7 else _share(chance, times, 0.001, 0.05)
        columns.append((f"fields/number x{field}", chance.binomial(events, share).astype(np.float64)))
    return {(name, "1"): table(times, columns)}


def _zipf(chance: Random, most: int) -> Floats:
    weights = 1 / np.arange(1, int(log_uniform(chance, 5, most)) + 1) ** chance.uniform(0.8, 1.6)
    found: Floats = weights / weights.sum()
    return found


def new_category(chance: Random, times: Ints, rule: Rule, name: str) -> dict[Group, Table]:
    """Return a model with one category of 5 to 400 values, some so rare that they come once a week."""
    del rule
    events = Traffic.drawn(chance, 30, 3000).draw(chance, times)
    counts = chance.multinomial(events, _zipf(chance, 400)).astype(np.float64)
    columns = [("events", events.astype(np.float64))]
    columns += [(f"c/{place}", counts[:, place]) for place in range(counts.shape[1])]
    return {(name, "1"): table(times, columns)}


def new_error(chance: Random, times: Ints, rule: Rule, name: str) -> dict[Group, Table]:
    """Return a service that has 3 to 200 kinds of errors all the time, some so rare that they come once a week."""
    del rule
    events = Traffic.drawn(chance, 30, 3000).draw(chance, times)
    errors = chance.binomial(events, _share(chance, times, 0.001, 0.05))
    counts = chance.multinomial(errors, _zipf(chance, 200)).astype(np.float64)
    columns = [("events", events.astype(np.float64))]
    columns += [
        (f"exceptions/{place:04x} Error{place}", counts[:, place]) for place in range(counts.shape[1])
    ]
    return {(name,): table(times, columns)}


def _volume(chance: Random, times: Ints, rule: Rule, name: str) -> dict[Group, Table]:
    return dict(volume(chance, times, rule, name, 0.0, 1e-4).tables)


RULES: Final[Mapping[str, tuple[str, Make]]] = {
    "missing-values": ("", missing),
    "prediction-volume": ("", _volume),
    "new-errors": ("", new_error),
    "schema change": (f"kind: data, check: schema, {_BY_MODEL}", schema),
    "constant": (f"kind: data, check: constant, {_BY_MODEL}", bad_share(0.05, 0.95, features=8)),
    "duplicate": (f"kind: data, check: duplicate, {_BY_MODEL}", bad_share(1e-4, 0.01, features=1)),
    "new category": (f"kind: data, check: new_category, {_BY_MODEL}", new_category),
}
"""By name: what the rule says (nothing: it is the shipped one of this name), and the traffic."""


def rule_of(name: str, shipped: RuleSet) -> Rule:
    """Return the rule, switched on."""
    text = RULES[name][0]
    if not text:
        rules: tuple[Rule, ...] = shipped.rules
        return next(rule for rule in rules if rule.id == name).model_copy(update={"enabled": True})
    (found,) = parse_rules(f"rules:\n  - {{id: c, {text}}}\n").active
    return found


def false_alerts(name: str, shipped: RuleSet, given: argparse.Namespace, seed: int) -> tuple[int, int]:
    """Return the alerts that one rule raised, and on how many groups."""
    rule = rule_of(name, shipped)
    rules = shipped.model_copy(update={"rules": (*shipped.rules, rule.model_copy(update={"id": "one-more"}))})
    times = world.times(given.days, seed)
    made = []
    for place in range(given.groups):
        chance: Any = np.random.default_rng([seed, place, *name.encode()])
        tables = RULES[name][1](chance, times, rule, f"{name}-{place}")
        made.append(Made(rule.id, str(place), times, tables, (), np.zeros(0), np.zeros(0)))
    raised = list(ours.alerts(rules, rule, made))
    return len(raised), len({one.group[rule.group_by[0]] for one in raised})


def rows(shipped: RuleSet, given: argparse.Namespace, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield the table."""
    yield ("rule", "groups", "days", "false alerts", "of groups", "a day", "95 %", "its share of the budget")
    for name in RULES:
        if given.only not in name:
            continue
        began = time.monotonic()
        count, groups = false_alerts(name, shipped, given, seed)
        low, high = (bound / given.days for bound in poisson_interval(count))
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        yield (name, str(given.groups), str(given.days), str(count), str(groups), f"{count / given.days:.2f}",
               f"{low:.2f}-{high:.2f}", f"{shipped.false_alarms / (shipped.tests + 1):.2f}")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, help="of everything that is drawn (default: drawn, and printed)")
    parser.add_argument("--groups", type=positive, default=20, help="of each rule (default: 20)")
    parser.add_argument("--days", type=positive, default=7, help="length of the run (default: 7)")
    parser.add_argument("--only", default="", metavar="NAME", help="only rules whose name contains this")
    given = parser.parse_args(arguments)
    seed = given.seed if given.seed is not None else secrets.randbelow(10**6)
    print(plain(list(rows(load_rules(None), given, seed))))
    print(f"\nseed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
