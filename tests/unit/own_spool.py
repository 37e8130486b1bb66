"""Settings and a spool of a test's own; what the test did to the logging tree is undone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import shipper.testing


@contextmanager
def own_spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A spool that nobody ships (mode agent) and known git facts, for this process and those that it starts."""
    for name in [name for name in os.environ if name.startswith("SHIPPER_")]:
        monkeypatch.delenv(name)
    root = tmp_path / "spool"
    monkeypatch.setenv("SHIPPER_SPOOL_DIRECTORY", str(root))
    monkeypatch.setenv("SHIPPER_SHIP_MODE", "agent")
    monkeypatch.setenv("SHIPPER_GIT_COMMIT", "c" * 40)
    logger = logging.getLogger()
    level, handlers = logger.level, list(logger.handlers)
    shipper.testing.reset()  # a test elsewhere may have logged, and so configured this process
    yield root
    shipper.testing.reset()
    for handler in list(logger.handlers):
        if handler not in handlers:
            logger.removeHandler(handler)
            handler.close()
    logger.setLevel(level)
