#!/usr/bin/env python3
"""False alarms and power of the drift detector, beside what others do by default on the same samples.

    benchmarks/drift.py --seed 7
    benchmarks/drift.py --seed 7 --repeats 2000 --largest 1000000 --check

Every number is a share of tests. The false alarms of ours are judged by the default rule at the level that the budget
leaves one test; nothing here is fitted to a shape or a seed. Ours is told binned counts that are drawn as counts
(`benchmarks/drifting/counted.py`), so that a million events can be tried as often as a hundred; on some pairs the values
themselves are drawn, for the peers and ours alike. Bounds are Clopper and Pearson's, exact, one-sided 95 %.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.command import positive
from benchmarks.drifting.bounds import lower_bound, upper_bound
from benchmarks.drifting.counted import SHAPES
from benchmarks.drifting.naming import naming
from benchmarks.drifting.ours import Shipped
from benchmarks.drifting.peers import Decide, installed
from benchmarks.drifting.samples import CATEGORIES, NUMERIC, Make, categorical, sizes
from benchmarks.table import plain

MOST_FALSE, LEAST_POWER = 0.001, 0.9
SHIFTS = ((0.2, 10_000, 1_000), (0.1, 10_000, 5_000))
MOST_FOR_PEERS = 30_000
OURS = "shipper"


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a contender said drift, of so many tests; `unknown`: it said that the data do not suffice."""

    contender: str
    shape: str
    reference: int
    current: int
    tests: int
    drift: int
    unknown: int = 0

    @property
    def share(self) -> float:
        """Of the tests that were decided."""
        return self.drift / max(1, self.tests - self.unknown)


@dataclass(frozen=True, slots=True)
class Bench:
    """The contenders, and how often each pair of samples is drawn."""

    shipped: Shipped
    peers: Mapping[str, Decide]
    seed: int
    repeats: int
    peer_repeats: int

    def tally(self, make: Make, shape: str, size: tuple[int, int], *, shift: float = 0.0) -> Iterator[Tally]:
        """Draw pairs and ask every contender."""
        reference, current = size
        is_categorical = shape.endswith("categories")
        chance = np.random.default_rng([self.seed, reference, current, *shape.encode()])
        tests = max(20, min(self.repeats, 20_000_000 // (reference + current)))
        said = dict.fromkeys((OURS, *self.peers), 0)
        asked = dict.fromkeys((OURS, *self.peers), 0)
        unknown = 0
        for place in range(tests):
            before, now = make(chance, reference), make(chance, current)
            if shift:
                now = now + shift
            score = self.shipped.score(before, now, is_categorical=is_categorical)
            unknown += score.value is None
            said[OURS] += self.shipped.is_drift(score)
            asked[OURS] += 1
            if place < self.peer_repeats and reference + current <= MOST_FOR_PEERS:
                for name, decide in self.peers.items():
                    said[name] += decide(before, now, is_categorical)
                    asked[name] += 1
        for name, count in asked.items():
            if count:
                yield Tally(name, shape, *size, count, said[name], unknown if name == OURS else 0)


def false_alarms(bench: Bench, size: tuple[int, int]) -> Iterator[Tally]:
    """Nothing changed: every drift that is said is false. Ours is asked of drawn counts."""
    for shape, draw in SHAPES.items():
        chance = np.random.default_rng([bench.seed, *size, *shape.encode(), 1])
        scores = [
            bench.shipped.score_counts(
                draw(chance, *size, bench.shipped.windows), is_categorical=shape.endswith("categories")
            )
            for _ in range(bench.repeats)
        ]
        drift = sum(bench.shipped.is_drift(score) for score in scores)
        yield Tally(OURS, shape, *size, len(scores), drift, sum(score.value is None for score in scores))


def side_by_side(bench: Bench, size: tuple[int, int]) -> Iterator[Tally]:
    """The same question to all contenders, of drawn values."""
    shapes: dict[str, Make] = dict(NUMERIC)
    for count in CATEGORIES:
        for law in ("even", "rare"):
            shapes[f"{count} {law} categories"] = categorical(count, law)
    few = replace(bench, repeats=bench.peer_repeats)
    for shape, make in shapes.items():
        yield from few.tally(make, shape, size)


def power(bench: Bench) -> Iterator[Tally]:
    """The mean moved by a part of the standard deviation; shapes whose standard deviation exists."""
    for shift, reference, current in SHIFTS:
        for shape in ("normal", "uniform", "log-normal", "Student t, 3 degrees", "bimodal", "rounded (ties)"):
            make = NUMERIC[shape]
            spread = float(np.std(make(np.random.default_rng(1), 1_000_000)))
            yield from bench.tally(make, f"{shape} + {shift} sd", (reference, current), shift=shift * spread)


def summed(tallies: Sequence[Tally], key: Callable[[Tally], str]) -> list[tuple[str, ...]]:
    """Return a table: per contender and key, tests, false alarms, their share, and its 95 % upper bound."""
    rows: list[tuple[str, ...]] = [
        ("contender", "of", "tests", "false", "share", "at most", "promise", "no answer")
    ]
    groups: dict[tuple[str, str], list[Tally]] = {}
    for one in tallies:
        groups.setdefault((one.contender, key(one)), []).append(one)
    for (contender, name), some in groups.items():
        unknown = sum(one.unknown for one in some)
        tests, drift = sum(one.tests for one in some) - unknown, sum(one.drift for one in some)
        rows.append(
            (contender, name, f"{tests:,}", f"{drift:,}", f"{drift / max(1, tests):.3%}",
             f"{upper_bound(drift, tests):.3%}", _kept(drift, tests), f"{unknown:,}")
        )  # fmt: skip
    return rows


def _kept(drift: int, tests: int) -> str:
    """Return whether so many of so many prove that at most the promised share is false."""
    if upper_bound(drift, tests) <= MOST_FALSE:
        return "proven"
    return "refuted" if lower_bound(drift, tests) > MOST_FALSE else "open"


def show(
    bench: Bench,
    false: Sequence[Tally],
    beside: Sequence[Tally],
    found: Sequence[Tally],
    notes: Sequence[str],
) -> None:
    """Print the tables."""
    rule, level = bench.shipped.rule, bench.shipped.level
    print(
        f"Default rule {rule.id}: level {level:.2g}, at most {rule.probability:.2g}; "
        f"least effect {rule.effect.share:.0%} of the values elsewhere. Promise: at most {MOST_FALSE:.1%} false."
    )
    print("\nFalse alarms by size (reference/current)\n")
    print(plain(summed(false, lambda one: f"{one.reference:,}/{one.current:,}")))
    print("\nFalse alarms by shape\n")
    print(plain(summed(false, lambda one: one.shape)))
    print("\nSide by side, of the same drawn values, by size\n")
    print(plain(summed(beside, lambda one: f"{one.reference:,}/{one.current:,}")))
    print("\nWhich features are named, of 50 at 10,000/1,000\n")
    print(plain(naming(bench.shipped, bench.seed, bench.peer_repeats)))
    print(f"\nPower; promise: at least {LEAST_POWER:.0%}\n")
    rows = [("contender", "shift", "reference/current", "found")]
    rows += [
        (one.contender, one.shape, f"{one.reference:,}/{one.current:,}", f"{one.share:.1%}") for one in found
    ]
    print(plain(rows))
    print("\n" + "\n".join(notes))


def is_beyond(count: int, tests: int, most: float) -> bool:
    """Whether so many of so many are more than chance gives at this rate (one case in 10,000 cells)."""
    return count > most * tests + 3.7 * math.sqrt(most * tests) + 1


def misses(false: Sequence[Tally], found: Sequence[Tally]) -> list[str]:
    """Return each promise that is not kept, in words."""
    mine = [one for one in false if one.contender == OURS]
    told = [
        f"{one.shape}, {one.reference:,}/{one.current:,}: {one.drift} of {one.tests} false"
        for one in mine
        if is_beyond(one.drift, one.tests - one.unknown, MOST_FALSE)
    ]
    for size in sorted({(one.reference, one.current) for one in mine}):
        some = [one for one in mine if (one.reference, one.current) == size]
        tests, drift = sum(one.tests - one.unknown for one in some), sum(one.drift for one in some)
        if drift > MOST_FALSE * tests and is_beyond(drift, tests, MOST_FALSE * 0.6):
            told.append(f"all shapes, {size[0]:,}/{size[1]:,}: {drift} of {tests} false")
    told += [
        f"power {one.share:.3f} for {one.shape} at {one.reference:,}/{one.current:,}"
        for one in found
        if one.contender == OURS and one.share < LEAST_POWER
    ]
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where `--check` finds a promise that is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of all samples (default: 1)")
    parser.add_argument(
        "--repeats", type=positive, default=400, help="pairs per shape and size (default: 400)"
    )
    parser.add_argument(
        "--peer-repeats", type=positive, default=40, help="of these, put to the peers (default: 40)"
    )
    parser.add_argument(
        "--largest", type=positive, default=1_000_000, help="largest sample (default: 1,000,000)"
    )
    parser.add_argument("--json", action="store_true", help="print every count as JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a promise is not kept")
    given = parser.parse_args(arguments)
    shipped = Shipped()
    peers, missing = installed()
    bench = Bench(shipped, peers, given.seed, given.repeats, given.peer_repeats)
    began = time.monotonic()
    false: list[Tally] = []
    beside: list[Tally] = []
    for size in sizes(given.largest):
        print(f"{size[0]:,}/{size[1]:,} ...", file=sys.stderr, flush=True)
        false += false_alarms(bench, size)
        if sum(size) <= MOST_FOR_PEERS:
            beside += side_by_side(bench, size)
    found = list(power(bench))
    told = misses(false, found)
    if given.json:
        print(
            json.dumps(
                {
                    "false": [asdict(one) for one in false],
                    "beside": [asdict(one) for one in beside],
                    "power": [asdict(one) for one in found],
                    "missed": told,
                }
            )
        )
    else:
        show(bench, false, beside, found, [*missing, f"seed {given.seed}, {time.monotonic() - began:.0f} s"])
        print("\n".join(["", *(f"MISSED: {one}" for one in told)] if told else ["", "all promises kept"]))
    return 1 if told and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
