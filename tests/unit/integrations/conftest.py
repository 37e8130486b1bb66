"""Each test here has settings and a spool of its own that nobody ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.own_spool import own_spool


@pytest.fixture(autouse=True)
def spool_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A spool that nobody ships (mode agent), for this process and those that it starts."""
    with own_spool(tmp_path, monkeypatch) as root:
        monkeypatch.setenv("HOME", str(tmp_path))  # where gunicorn and Jupyter put their sockets
        yield root
