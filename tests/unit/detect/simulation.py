"""Made-up series per rule kind, and the judging of them without Elasticsearch: false alarms and power.

Traffic is Poisson with a daily course; nothing else happens unless a fault is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shipper.detect.detectors.drift import MISSING
from shipper.detect.detectors.latency import edges_ns
from shipper.detect.event_time.window import DAY_US, HOUR_US
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.judging.track import Episode
from shipper.detect.rule_job import Fetched, Judged, judge
from shipper.detect.rules.rule import Rule, RuleSet
from shipper.detect.rules.rule_file import load_rules
from shipper.detect.state import RuleState

BEGIN_US = 1_790_000_000_000_000 // DAY_US * DAY_US
RULES = load_rules(None)

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class World:
    """What a history is like; the fault holds from `fault_us` on.

    Attributes:
        per_hour: mean events of an hour.
        wander: standard deviation of the log of the error odds from window to window.
        error_rate, slower, accuracy, shift, missing: the fault; None or 1 or 0 where that part is well.
    """

    per_hour: float = 120.0
    days: float = 1.5
    fault_us: int | None = None
    wander: float = 0.0
    error_rate: float | None = None
    slower: float = 1.0
    accuracy: float | None = None
    shift: float = 0.0
    missing: float = 0.0
    silent: bool = False

    def times(self, rule: Rule) -> Ints:
        """Starts of all windows."""
        count = int(self.days * DAY_US // rule.window)
        return BEGIN_US + np.arange(count, dtype=np.int64) * rule.window

    def events(self, chance: Random, rule: Rule, *, factor: float = 1.0) -> tuple[Ints, Ints, Floats]:
        """Starts, Poisson counts with a daily course, and 1.0 where the fault holds."""
        times = self.times(rule)
        course = 1 + 0.5 * np.sin(2 * np.pi * (times % DAY_US) / DAY_US)
        counts = chance.poisson(self.per_hour * factor * rule.window / HOUR_US * course)
        faulty = np.zeros(len(times)) if self.fault_us is None else (times >= self.fault_us).astype(float)
        return times, counts.astype(np.int64), faulty


def table(times: Ints, columns: dict[str, Floats]) -> Table:
    """A table of single columns and blocks, given as name to 1-D or 2-D array."""
    blocks: dict[str, slice] = {}
    names: list[str] = []
    arrays: list[Floats] = []
    for name, values in columns.items():
        wide = np.asarray(values, dtype=np.float64)
        wide = wide[:, None] if wide.ndim == 1 else wide
        blocks[name] = slice(len(names), len(names) + wide.shape[1])
        parts = [f"{name}/{part}" for part in range(wide.shape[1] - 1)] + [f"{name}/{MISSING}"]
        names += [name] if np.asarray(values).ndim == 1 else parts
        arrays.append(wide)
    return Table(times, np.hstack(arrays), blocks, tuple(names))


def errors(chance: Random, world: World, rule: Rule) -> Table:
    """Windows of an error rate of 0.4 %."""
    times, events, faulty = world.events(chance, rule)
    odds = 0.004 * np.exp(chance.normal(0, world.wander, len(times)))
    rate = np.where(faulty > 0, world.error_rate if world.error_rate is not None else odds, odds)
    bad = chance.binomial(events, np.clip(rate, 0, 1))
    return table(times, {"events": events.astype(float), "bad": bad.astype(float)})


def durations(chance: Random, world: World, rule: Rule) -> Table:
    """Windows of lognormal durations around 20 ms."""
    times, events, faulty = world.events(chance, rule)
    edges = edges_ns()
    level = chance.normal(0, world.wander, len(times))
    rows = [
        np.bincount(
            np.searchsorted(
                edges,
                chance.lognormal(np.log(2e7) + move + bad * np.log(world.slower), 0.4, count),
                side="right",
            ),
            minlength=len(edges) + 1,
        )
        for count, bad, move in zip(events, faulty, level, strict=True)
    ]
    return table(times, {"duration": np.array(rows, dtype=np.float64)})


def labels(chance: Random, world: World, rule: Rule) -> Table:
    """Windows of labelled predictions, 94 % right; the last three hours lack labels."""
    times, events, faulty = world.events(chance, rule, factor=2)
    age_h = (times[-1] + rule.window - times) / HOUR_US
    known = chance.binomial(events, 0.92 * np.clip((age_h - 0.5) / 2.5, 0, 1))
    right = np.where(faulty > 0, world.accuracy if world.accuracy is not None else 0.94, 0.94)
    return table(
        times,
        {
            "labels": known.astype(float),
            "good": chance.binomial(known, right).astype(float),
            "predictions": events.astype(float),
        },
    )


def features(chance: Random, world: World, rule: Rule, *, count: int = 10) -> Table:
    """Windows of features cut at the deciles of a normal distribution."""
    times, events, faulty = world.events(chance, rule, factor=2)
    edges = np.array([-1.2816, -0.8416, -0.5244, -0.2533, 0.0, 0.2533, 0.5244, 0.8416, 1.2816])
    columns: dict[str, Floats] = {"events": events.astype(float)}
    for feature in range(count):
        rows = []
        for n, bad in zip(events, faulty, strict=True):
            spoilt = bad if feature == 0 else 0.0
            absent = chance.binomial(n, min(1.0, world.missing * spoilt))
            values = chance.normal(world.shift * spoilt, 1, n - absent)
            rows.append([*np.bincount(np.searchsorted(edges, values, side="right"), minlength=10), absent])
        columns[f"x{feature}"] = np.array(rows, dtype=np.float64)
    return table(times, columns)


def arrivals(chance: Random, world: World, rule: Rule) -> Table:
    """Windows of events only."""
    times, events, faulty = world.events(chance, rule)
    return table(times, {"events": np.where((faulty > 0) & world.silent, 0, events).astype(float)})


MAKERS: dict[str, Callable[[Random, World, Rule], Table]] = {
    "inference-errors": errors,
    "application-errors": errors,
    "inference-latency": durations,
    "model-accuracy": labels,
    "feature-drift": features,
    "inference-silence": arrivals,
}


def judged(rule: Rule, tables: dict[tuple[str | None, ...], Table], rules: RuleSet = RULES) -> Judged:
    """Judge all windows of the tables as the job does."""
    newest = max(int(one.times[-1]) for one in tables.values()) + rule.window
    oldest = min(int(one.times[0]) for one in tables.values())
    fetched = Fetched(tables, RuleState())
    return judge(rule, fetched, (oldest, newest), (rules.false_alarms, rules.tests))


def episodes(rule: Rule, world: World, seed: int, *, groups: int = 2) -> list[Episode]:
    """All episodes that a rule finds in `groups` independent histories."""
    make = MAKERS[rule.id]
    width = max(1, len(rule.group_by))
    tables = {
        (f"g{group}", *("x",) * (width - 1)): make(np.random.default_rng((seed, group)), world, rule)
        for group in range(groups)
    }
    result = judged(rule, {key[: len(rule.group_by)]: one for key, one in tables.items()})
    return [episode for track in result.state.tracks.values() for episode in track.episodes(rule.hysteresis)]


def rule_named(rule_id: str) -> Rule:
    """One of the default rules."""
    return next(rule for rule in RULES.active if rule.id == rule_id)
