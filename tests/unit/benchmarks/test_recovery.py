"""The benchmark of a spool that a crash left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.recovery


@pytest.mark.slow
def test_a_small_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It fills, crashes, opens beside it and reads all of it; the promises hold for a small spool as well."""
    words = ["--size", "2000000", "--repeats", "2", "--root", str(tmp_path), "--check"]
    assert benchmarks.recovery.main(words) == 0
    said = capfd.readouterr().out
    assert "ready to append" in said
    assert list(tmp_path.iterdir()) == []
