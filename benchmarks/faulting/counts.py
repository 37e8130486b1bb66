"""Series of counts: services that fall silent, and numbers of predictions that change."""

from __future__ import annotations

import numpy as np

from benchmarks.faulting.course import Random
from benchmarks.faulting.exact import DRAWS, critical_poisson
from benchmarks.faulting.planted import Made, Planted, first_whole, log_uniform, moments, overlap, table
from benchmarks.faulting.traffic import Traffic
from shipper.detect.fetching.table import Ints
from shipper.detect.rules.rule import Rule, SilenceRule


def silence(chance: Random, times: Ints, rule: SilenceRule, name: str, per_day: float, level: float) -> Made:
    """Make a service of 2 to 300 events in 5 minutes that sometimes sends nothing at all."""
    traffic = Traffic.drawn(chance, 2, 300)
    factor = np.ones(len(times))
    faults: list[Planted] = []
    for start, end in moments(chance, times, per_day):
        factor *= 1 - overlap(times, start, end)
        row = first_whole(times, start)
        noise, weights = traffic.noise.nodes()
        nothing = float(weights @ np.exp(-traffic.level(times)[row] * np.exp(noise)))
        found = 1.0 if nothing <= min(level, rule.probability) else 0.0
        faults.append(Planted(rule.id, name, {"service.name": name}, "silent", 1.0, start, end, found))
    events = traffic.draw(chance, times, factor).astype(np.float64)
    made = table(times, [("events", events)], is_dense=True)
    return Made(rule.id, name, times, {(name,): made}, tuple(faults), events, events)


def volume(chance: Random, times: Ints, rule: Rule, name: str, per_day: float, level: float) -> Made:
    """Make a service of 30 to 3000 events in 5 minutes, of which there are sometimes far fewer or more."""
    traffic = Traffic.drawn(chance, 30, 3000)
    factor = np.ones(len(times))
    faults: list[Planted] = []
    for start, end in moments(chance, times, per_day):
        is_less = chance.random() < 0.6
        size = log_uniform(chance, 0.05, 0.8) if is_less else log_uniform(chance, 1.3, 8)
        factor *= 1 + (size - 1) * overlap(times, start, end)
        row = first_whole(times, start)
        noise, weights = traffic.noise.nodes()
        mean = float(traffic.level(times)[row])
        few, many = critical_poisson(mean * np.exp(noise), weights, level / 2)
        drawn = chance.poisson(np.minimum(mean * size * np.exp(traffic.noise.single(chance, DRAWS)), 1e7))
        found = float(((drawn <= few) | (drawn >= many)).mean())
        kind = "fewer events" if is_less else "more events"
        faults.append(Planted(rule.id, name, {"service.name": name}, kind, size, start, end, found))
    events = traffic.draw(chance, times, factor).astype(np.float64)
    made = table(times, [("count", events), ("sum", np.zeros(len(times)))])
    return Made(rule.id, name, times, {(name,): made}, tuple(faults), events, events)
