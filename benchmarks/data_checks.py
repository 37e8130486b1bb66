#!/usr/bin/env python3
"""The eight checks of kind data on made-up data: false alarms a day, and how soon a fault is found.

    benchmarks/data_checks.py --seed 7
    benchmarks/data_checks.py --seed 7 --repeats 100

Hourly windows of 200 predictions with ten features, judged as the job judges them, by the defaults and at the level that a budget of
one false alarm a day leaves one of ten rules. Ordinary data come in two forms: every event by itself, and in clumps
(shares wander from hour to hour, rare categories come in batches, twins in bursts).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from benchmarks.command import positive
from benchmarks.drifting.bounds import upper_bound
from benchmarks.table import plain
from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.table import from_frame
from shipper.detect.rule_job import Fetched, judge
from shipper.detect.rules.rule import Rule
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.state import RuleState

Random = np.random.Generator
BEGIN_US: Final = 1_790_000_000_000_000 // DAY_US * DAY_US
HOURS, FAULT_FROM, FEATURES, RULES = 96, 84, 10, 10

Make = Callable[[Random, bool, bool], pd.DataFrame]
"""Makes windows; told whether data come in clumps and whether the fault is there from `FAULT_FROM` on."""


def _events(chance: Random) -> np.ndarray:
    course = 1 + 0.5 * np.sin(2 * np.pi * np.arange(HOURS) / 24)
    return chance.poisson(200 * course)


def _shares(chance: Random, share: float, *, clumped: bool) -> np.ndarray:
    return np.clip(share * np.exp(chance.normal(0, 0.4, HOURS)), 0, 1) if clumped else np.full(HOURS, share)


def shares(usual: float, faulty: float) -> Make:
    """Bad values of ten features; the first one gets the fault."""

    def make(chance: Random, clumped: bool, is_faulty: bool) -> pd.DataFrame:
        events = _events(chance)
        columns = {"events": events}
        for feature in range(FEATURES):
            share = _shares(chance, usual, clumped=clumped)
            if is_faulty and feature == 0:
                share[FAULT_FROM:] = faulty
            columns |= {f"x{feature}/bad": chance.binomial(events, share), f"x{feature}/all": events}
        return pd.DataFrame(columns)

    return make


def largest(usual: float, faulty: float, *, features: int = 1) -> Make:
    """Events of the most frequent value."""

    def make(chance: Random, clumped: bool, is_faulty: bool) -> pd.DataFrame:
        events = _events(chance)
        columns = {"events": events}
        for feature in range(features):
            spread = chance.normal(0, 0.25 if clumped else 0, HOURS)
            share = 1 / (1 + (1 - usual) / usual * np.exp(spread))
            if is_faulty and feature == 0:
                share[FAULT_FROM:] = faulty
            columns |= {f"x{feature}/bad": chance.binomial(events, share), f"x{feature}/all": events}
        return pd.DataFrame(columns)

    return make


def categories(chance: Random, clumped: bool, is_faulty: bool) -> pd.DataFrame:
    """Three hundred categories by Zipf's law, new ones all the time; then one that nobody knew, in one event of twenty."""
    events = _events(chance)
    law = 1 / np.arange(1, 301) ** 1.2
    rows = []
    for hour, count in enumerate(events):
        drawn = chance.multinomial(count, law / law.sum())
        if clumped and chance.random() < 0.1:  # a batch of one rare customer
            drawn[chance.integers(50, 300)] += chance.integers(3, 15)
        new = chance.binomial(count, 0.05) if is_faulty and hour >= FAULT_FROM else 0
        rows.append([*drawn, new])
    frame = pd.DataFrame(rows, columns=[f"x/{place}" for place in range(301)])
    return pd.concat([frame.sum(axis=1).rename("events"), frame], axis=1)


def fields(chance: Random, clumped: bool, is_faulty: bool) -> pd.DataFrame:
    """Ten fields, three of them rare; then one is gone and another is there in its place."""
    events = _events(chance)
    columns: dict[str, np.ndarray] = {"events": events}
    for feature in range(FEATURES):
        share = np.full(HOURS, 1.0) if feature < 7 else _shares(chance, 0.01, clumped=clumped)
        if is_faulty and feature == 0:
            share[FAULT_FROM:] = 0.0
        columns[f"fields/number x{feature}"] = chance.binomial(events, share)
    there = (np.arange(HOURS) >= FAULT_FROM) & is_faulty
    return pd.DataFrame({**columns, "fields/category x0": np.where(there, events, 0)})


CHECKS: Final[Mapping[str, tuple[str, str, Make]]] = {
    "missing": ("", "1 % to 6 % of one of ten features", shares(0.01, 0.06)),
    "out_of_range": (", ranges: {x: [0, 1]}", "0.1 % to 4 %", shares(0.001, 0.04)),
    "new_category": ("", "one in 5 % of the events", categories),
    "constant": ("", "one of ten features stands still", largest(0.3, 1.0, features=FEATURES)),
    "duplicate": ("", "0.1 % to 4 %", shares(0.001, 0.04)),
    "imbalance": ("", "largest class 60 % to 80 %", largest(0.6, 0.8)),
    "label_conflict": (", dataset: ml.feedback", "1 % to 6 %", shares(0.01, 0.06)),
    "schema": ("", "a number becomes a text", fields),
}
"""Per check: further keys of its rule, the fault in words, and the data."""


def rule_of(check: str) -> Rule:
    """The rule as a file with its defaults says it."""
    (rule,) = parse_rules(f"rules:\n  - {{id: c, kind: data, check: {check}{CHECKS[check][0]}}}\n").active
    return rule


def episodes(rule: Rule, frame: pd.DataFrame) -> tuple[list[tuple[int, int]], int, int]:
    """Return start and opening of each episode in hours, anomalous windows, and judged ones."""
    frame.index = pd.Index(BEGIN_US + np.arange(HOURS, dtype=np.int64) * HOUR_US)
    fetched = Fetched({(): from_frame(frame)}, RuleState())
    found = judge(rule, fetched, (BEGIN_US, BEGIN_US + HOURS * HOUR_US), (1.0, RULES))
    opened = [
        ((one.start_us - BEGIN_US) // HOUR_US, (one.detected_us - BEGIN_US) // HOUR_US)
        for one in found.findings.get((), ())
    ]
    judgements = [one for one in found.judgements[()] if one.score.value is not None]
    return opened, sum(one.verdict.is_anomalous for one in judgements), len(judgements)


def table(seed: int, repeats: int) -> list[tuple[str, ...]]:
    """Return the table."""
    rows: list[tuple[str, ...]] = [
        (
            "check",
            "false a day",
            "at most",
            "false a day, in clumps",
            "fault",
            "found",
            "median delay",
            "95 %",
        )
    ]
    for check, (_, fault, make) in CHECKS.items():
        rule, cells = rule_of(check), []
        for clumped in (False, True):
            chance = np.random.default_rng([seed, clumped, *check.encode()])
            false = sum(len(episodes(rule, make(chance, clumped, False))[0]) for _ in range(repeats))
            days = repeats * (HOURS / 24 - 1)
            cells.append((false, days))
        chance = np.random.default_rng([seed, 2, *check.encode()])
        delays = []
        for _ in range(repeats):
            opened = [at for start, at in episodes(rule, make(chance, False, True))[0] if at > FAULT_FROM]
            delays += [min(opened) - FAULT_FROM] if opened else []
        per_day = [false / days for false, days in cells]
        hourly = upper_bound(cells[0][0], round(cells[0][1] * 24)) * 24
        rows.append(
            (check, f"{per_day[0]:.3f}", f"{hourly:.3f}", f"{per_day[1]:.3f}", fault, f"{len(delays) / repeats:.0%}",
             f"{np.median(delays):.0f} h" if delays else "", f"{np.quantile(delays, 0.95):.0f} h" if delays else "")
        )  # fmt: skip
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of all data (default: 1)")
    parser.add_argument(
        "--repeats", type=positive, default=20, help="histories of four days per row (default: 20)"
    )
    given = parser.parse_args(arguments)
    print(plain(table(given.seed, given.repeats)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
