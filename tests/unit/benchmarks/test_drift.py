"""`benchmarks/drift.py` uses the shipped rule, repeats with its seed, and tells what is missed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import drift
from benchmarks.drift import OURS, Tally, is_beyond, main, misses, upper_bound
from benchmarks.drifting.ours import Shipped
from benchmarks.drifting.samples import CATEGORIES, NUMERIC, categorical, sizes
from shipper.detect.rule_file import load_rules


def test_it_judges_by_the_default_rule() -> None:
    """Level and effect are those of the rules that ship; a plain shift is drift, the same sample is none."""
    shipped = Shipped()
    assert shipped.rule in load_rules(None).rules
    chance = np.random.default_rng(1)
    before, now = chance.normal(size=5000), chance.normal(size=1000)
    assert not shipped.is_drift(shipped.score(before, now, is_categorical=False))
    assert shipped.is_drift(shipped.score(before, now + 1, is_categorical=False))
    few = chance.normal(size=12)
    assert (
        shipped.score(before, few, is_categorical=False).have,
        shipped.score(before, few, is_categorical=False).need,
    ) == (12, 100)


def test_categories_that_the_reference_missed_are_no_drift() -> None:
    """With 500 categories and 100 events on each side most are seen on one side only."""
    shipped, make = Shipped(), categorical(500, "even")
    chance = np.random.default_rng(2)
    found = [shipped.score(make(chance, 100), make(chance, 100), is_categorical=True) for _ in range(20)]
    assert not any(shipped.is_drift(score) for score in found)


def test_shapes_and_sizes_cover_what_is_promised() -> None:
    """5 to 500 categories, 100 to a million events, unequal ones; ties, zeros and heavy tails."""
    assert {min(CATEGORIES), max(CATEGORIES)} == {5, 500}
    assert {low for pair in sizes(10**6) for low in pair} >= {100, 10**6}
    assert any(a != b for a, b in sizes(10**6))
    assert {"Cauchy", "90 % zeros", "rounded (ties)"} <= set(NUMERIC)


@pytest.mark.slow
def test_the_same_seed_has_the_same_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the same seed: the same JSON."""
    monkeypatch.setattr(drift, "SHIFTS", ())
    said = []
    for _ in range(2):
        main(["--seed", "5", "--repeats", "2", "--peer-repeats", "1", "--largest", "100", "--json"])
        said.append(json.loads(capsys.readouterr().out))
    assert said[0] == said[1]
    assert {one["contender"] for one in said[0]["false"]} >= {OURS}


def test_misses_are_told() -> None:
    """Too many false alarms and too little power are named, chance is not."""
    false = [Tally(OURS, "normal", 100, 100, 1000, 12), Tally("other", "normal", 100, 100, 1000, 500)]
    found = [Tally(OURS, "normal + 0.1 sd", 10_000, 5_000, 100, 80)]
    told = misses(false, found)
    assert any("12 of 1000 false" in one for one in told)
    assert any("power 0.800" in one for one in told)
    assert misses([Tally(OURS, "normal", 100, 100, 1000, 1)], []) == []
    assert not is_beyond(1, 100, 0.001)
    assert upper_bound(0, 1000) == pytest.approx(0.0027, abs=3e-4)
