"""What the tests of the spool share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.spool.bench import Bench


@pytest.fixture(params=["mapped", "plain"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """Return a spool root of this test's own: each rule holds for both ways to write a segment."""
    return Bench(tmp_path / "spool", request.param)
