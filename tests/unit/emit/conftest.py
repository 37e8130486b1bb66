"""Each test here has settings and a spool of its own, and leaves no pipeline behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.own_spool import own_spool


@pytest.fixture(autouse=True)
def spool_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A spool that nobody ships (mode agent), levels that nobody watches, known git facts, and the logging tree put back at the end."""
    with own_spool(tmp_path, monkeypatch) as root:
        monkeypatch.setenv("SHIPPER_LEVELS_WATCH_S", "0")
        yield root
