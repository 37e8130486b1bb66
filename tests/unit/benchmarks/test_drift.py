"""`benchmarks/drift.py` uses the shipped rule, repeats with its seed, and tells what is missed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import drift
from benchmarks.drift import OURS, Tally, is_beyond, main, misses
from benchmarks.drifting.bounds import lower_bound, upper_bound
from benchmarks.drifting.counted import SHAPES
from benchmarks.drifting.naming import naming
from benchmarks.drifting.ours import Shipped
from benchmarks.drifting.samples import CATEGORIES, NUMERIC, Make, categorical, sizes
from shipper.detect.fetching.bins import QUANTILES, edges_of
from shipper.detect.rules.rule_file import load_rules


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


def test_bounds_are_exact() -> None:
    """Clopper and Pearson's: none of n is at most 1 - 0.05 ** (1/n), whatever n; the bounds hold the share between them."""
    assert upper_bound(0, 1000) == pytest.approx(1 - 0.05 ** (1 / 1000))
    assert lower_bound(1000, 1000) == pytest.approx(0.05 ** (1 / 1000))
    assert lower_bound(0, 10) == 0
    assert upper_bound(10, 10) == 1
    assert lower_bound(7, 1000) < 0.007 < upper_bound(7, 1000)


@pytest.mark.parametrize(("shape", "values"), [
    ("continuous, whatever shape", NUMERIC["uniform"]),
    ("90 % zeros", NUMERIC["90 % zeros"]),
    ("rounded (ties)", NUMERIC["rounded (ties)"]),
])  # fmt: skip
def test_drawn_counts_are_like_counts_of_drawn_values(shape: str, values: Make) -> None:
    """Mean and spread of every bin are the same whether values are drawn and binned or counts are drawn."""
    chance = np.random.default_rng(4)
    drawn: dict[int, list[np.ndarray]] = {}
    binned: dict[int, list[np.ndarray]] = {}
    for _ in range(400):
        counts = SHAPES[shape](chance, 2000, 500, 4)
        assert counts.history.sum(axis=1).tolist() == [500] * 4
        drawn.setdefault(len(counts.current), []).append(counts.current)
        before, now = values(chance, 2000), values(chance, 500)
        edges = np.array(edges_of(list(np.quantile(before, np.array(QUANTILES) / 100)), 2000))
        row = np.bincount(np.searchsorted(edges, now, side="right"), minlength=len(edges) + 1)
        binned.setdefault(len(row), []).append(row)
    bins = max(drawn, key=lambda size: len(drawn[size]))
    one, other = np.array(drawn[bins], dtype=float), np.array(binned[bins], dtype=float)
    assert abs(len(one) - len(other)) <= 100
    error = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other)) + 1e-9
    assert (np.abs(one.mean(axis=0) - other.mean(axis=0)) < 4.5 * error).all()
    assert np.allclose(one.std(axis=0), other.std(axis=0), rtol=0.25, atol=0.3)


@pytest.mark.slow
def test_false_discoveries_are_counted() -> None:
    """Of fifty features five drift: all five are named, hardly any other."""
    table = naming(Shipped(), 1, 2)
    named = {row[0]: row for row in table[1:] if row[1] != "0.05"}
    assert named["5 of 50"][4] == "100.0%"
    assert named["0 of 50"][3] == "0.0%"
