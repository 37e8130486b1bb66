"""`benchmarks/training.py` repeats with its seed, judges by the rules that ship, and refuses what it does not know."""

from __future__ import annotations

import json

import pytest

from benchmarks.training import main

QUICK = ["--runs", "2", "--check-names", "nonfinite", "--json"]


@pytest.mark.slow
def test_the_seed_says_all(capsys: pytest.CaptureFixture[str]) -> None:
    """The same seed has the same table, another has another; what is NaN is found."""
    tables = []
    for seed in ("3", "3", "4"):
        assert main(["--seed", seed, *QUICK]) == 0
        tables.append(json.loads(capsys.readouterr().out))
    assert tables[0] == tables[1] != tables[2]
    assert [(one["false"], one["found"]) for table in tables for one in table] == [(0, 2)] * 3


def test_an_unknown_check_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt check is refused in a sentence with those that there are."""
    with pytest.raises(SystemExit):
        main(["--check-names", "plateu"])
    assert "there is no check plateu; there are nonfinite, killed" in capsys.readouterr().err
