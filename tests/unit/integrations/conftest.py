"""Each test here has settings and a spool of its own that nobody ships."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import shipper.testing


@pytest.fixture(autouse=True)
def spool_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A spool that nobody ships (mode agent), for this process and those that it starts."""
    for name in [name for name in os.environ if name.startswith("SHIPPER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))  # where gunicorn and Jupyter put their sockets
    root = tmp_path / "spool"
    monkeypatch.setenv("SHIPPER_SPOOL_DIRECTORY", str(root))
    monkeypatch.setenv("SHIPPER_SHIP_MODE", "agent")
    monkeypatch.setenv("SHIPPER_GIT_COMMIT", "c" * 40)
    logger = logging.getLogger()
    level, handlers = logger.level, list(logger.handlers)
    yield root
    shipper.testing.reset()
    for handler in list(logger.handlers):
        if handler not in handlers:
            logger.removeHandler(handler)
            handler.close()
    logger.setLevel(level)
