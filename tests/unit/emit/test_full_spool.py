"""A spool that gets full, seen from the application."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.emit import ShipperHandler
from tests.unit.emit.spooled import documents_under

_TEXT = "all work and no play makes a dull line of text " * 20
_RECORDS = 1500


def _levels_in(root: Path) -> Counter[str]:
    documents = documents_under(root)
    told = [document for document in documents if document["event"]["dataset"] == "ml.health"]
    assert len(told) <= 1  # the count of the drops
    return Counter(document["log"]["level"] for document in documents if document not in told)


@pytest.mark.slow
@pytest.mark.parametrize("road", ["shipper", "logging"])
@pytest.mark.parametrize("when_full", ["drop_newest", "block"])
def test_errors_outlive_debug(spool_root: Path, when_full: str, road: str) -> None:
    """U15, U19: a flood of debug fills the spool; each warning and error among it is kept, and the books balance."""
    spool: dict[str, Any] = {"max_bytes": 1 << 20, "free_space_floor_bytes": 0}
    spool |= {"when_full": when_full, "block_timeout_s": 0.0005}
    pipeline = shipper.configure(spool=spool, level="debug")
    log: Any = shipper.get_logger("app")
    if road == "logging":
        log = logging.getLogger("app")
        logging.getLogger().addHandler(ShipperHandler())
        logging.getLogger().setLevel("DEBUG")
    sent = Counter[str]()
    for number in range(_RECORDS):
        log.debug("%d %s", number, _TEXT)
        sent["debug"] += 1
        if number % 60 == 0:
            log.error("%d failed, %s", number, _TEXT)
            log.warning("%d is late, %s", number, _TEXT)
            sent.update(["error", "warning"])
    counts = pipeline.counts()
    shipper.close()
    kept = _levels_in(spool_root)
    assert (kept["error"], kept["warning"]) == (sent["error"], sent["warning"])
    assert 0 < kept["debug"] < sent["debug"]
    assert counts.dropped == {"spool_full": sent["debug"] - kept["debug"]}
    assert counts.emitted == sent.total()
    assert counts.waiting == kept.total()
    assert sum(path.stat().st_size for path in spool_root.glob("*/*.segment")) <= 1 << 20
