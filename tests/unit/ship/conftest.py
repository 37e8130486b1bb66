"""What the tests of shipping share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.ship.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Return a spool and a sink of this test's own."""
    return Rig(tmp_path / "spool")
