"""What the tests of the spool share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.spool.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a spool root of this test's own."""
    return Bench(tmp_path / "spool")
