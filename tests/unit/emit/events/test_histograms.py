"""Histograms of a profile: what drift at serving is measured against."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from shipper.emit.events import data_profile
from shipper.emit.events.histograms import MOST_VALUES, histogram


def statistics(table: object) -> dict[str, Any]:
    """Return what a profile says of each column."""
    found = data_profile(table, name="n", histograms=True)["ml.data.statistics"]
    assert isinstance(found, dict)
    return found


def test_counts_are_those_between_the_edges() -> None:
    """Every value is in one bin; numpy's arrays and plain numbers have the same edges."""
    chance = random.Random(1)
    values = [chance.gauss(0, 1) for _ in range(5000)]
    plain = statistics({"x": values})["x"]["histogram"]
    array = statistics(np.array(values)[:, None])
    assert next(iter(array.values()))["histogram"] == plain
    assert len(plain["counts"]) == len(plain["edges"]) + 1
    assert sum(plain["counts"]) == 5000
    assert plain["counts"][0] == sum(value < plain["edges"][0] for value in values)


def test_a_value_that_many_share_has_a_bin_of_its_own() -> None:
    """Ninety zeros of a hundred are counted apart from the small values beside them."""
    found = histogram(sorted([0.0] * 900 + [0.001 * n for n in range(1, 101)]), is_numeric=True)["histogram"]
    assert isinstance(found, dict)
    assert 900 in found["counts"]


@pytest.mark.parametrize("rows", [1, 5])
def test_a_few_rows_are_no_error(rows: int) -> None:
    """A tiny table has a histogram, an empty one has none."""
    found = statistics({"x": list(range(rows))})["x"]
    assert sum(found["histogram"]["counts"]) == rows
    assert histogram([], is_numeric=True) == {}


def test_identifiers_stay_at_home() -> None:
    """Texts that are all different are no categories; of many the frequent ones are listed and the rest is counted."""
    names = histogram([f"person {n}" for n in range(1000)], is_numeric=False)["histogram"]
    assert names == {"values": [], "counts": [], "other": 1000}
    many = histogram([f"c{n % 200}" for n in range(2000)], is_numeric=False)["histogram"]
    assert isinstance(many, dict)
    assert len(many["values"]) == MOST_VALUES
    assert sum(many["counts"]) + many["other"] == 2000
