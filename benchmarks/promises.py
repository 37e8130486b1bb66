"""What is promised of the cost of logging: one table, checked by `emit.py --check`, quoted by the documentation.

Only ratios to a peer in the same run travel from machine to machine; the two plain limits (an import, memory) do well enough.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.result import Result


@dataclass(frozen=True, slots=True)
class Promise:
    """One line of the table.

    Attributes:
        says: what is promised, in words.
        ours: name of the contender.
        figure: which figure of it, see `benchmarks.result.Figures`.
        limit: the bound.
        peer: what the figure is divided by; "": it stands for itself.
        at_least: whether `limit` is the least value rather than the largest.
        unit: of a figure that stands for itself.
    """

    says: str
    ours: str
    figure: str
    limit: float
    peer: str = ""
    at_least: bool = False
    unit: str = ""

    @property
    def bound(self) -> str:
        """The limit in words, for tables."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.limit:g}{' ×' if self.peer else ' ' + self.unit}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a promise in a run.

    Attributes:
        value: median over the repeats of each repeat's own ratio (or figure).
        lowest, highest: spread over the repeats.
    """

    promise: Promise
    value: float
    lowest: float
    highest: float

    @property
    def is_kept(self) -> bool:
        """Whether the median is within the limit."""
        limit = self.promise.limit
        return self.value >= limit if self.promise.at_least else self.value <= limit


_STRUCTLOG_ROADS: Final = (
    ("shipper", "structlog", "structlog.get_logger()"),
    ("shipper-bound", "structlog-bound", "structlog.get_logger().bind()"),
    ("shipper-logger", "structlog-bound", "shipper.get_logger()"),
)
_OUTAGES: Final = (
    ("shipper-busy", "shipping thread busy"),
    ("shipper-kafka-refuses", "Kafka down, connections refused"),
    ("shipper-kafka-silent", "Kafka down, connections hang"),
    ("shipper-spool-full", "spool full"),
    ("shipper-disk-full", "disk full"),
    ("shipper-elasticsearch-down", "Elasticsearch down"),
)
_DISABLED: Final = (
    ("", "module-level logger"),
    ("-fields", "module-level logger, three fields"),
    ("-bound", "bound logger"),
    ("-bound-fields", "bound logger, three fields"),
)


def _structlog_road(ours: str, peer: str, how: str) -> tuple[Promise, ...]:
    raw = f"{ours}-unredacted"
    return (
        Promise(f"{how}, redaction off: p50", raw, "p50", 0.65, peer),
        Promise(f"{how}, default redaction: p50", ours, "p50", 1.0, peer),
        Promise(f"{how}, default redaction: p99.9", ours, "p999", 1.0, peer),
        Promise(f"{how}, default redaction: four threads", ours, "threads", 2.0, peer, at_least=True),
    )


PROMISES: Final[Sequence[Promise]] = (
    *(promise for road in _STRUCTLOG_ROADS for promise in _structlog_road(*road)),
    Promise("logging, default redaction: p50", "shipper-handler", "p50", 0.6, "python-json-logger"),
    *(
        Promise(
            f"disabled level, {how}", f"shipper-disabled{suffix}", "p50", 1.1, f"structlog-disabled{suffix}"
        )
        for suffix, how in _DISABLED
    ),
    *(
        Promise(f"{what}: {name}", ours, figure, 1.2, "shipper-healthy")
        for ours, what in _OUTAGES
        for figure, name in (("p50", "p50"), ("p99", "p99"))
    ),
    Promise("import shipper, over Python with structlog", "import", "import_ms", 60, unit="ms"),
    Promise("memory after 10,000 records, over Python with structlog", "memory", "rss_mb", 30, unit="MB"),
    Promise("the same with a shipping thread", "memory-thread", "rss_mb", 30, unit="MB"),
)
"""All promises, in the order of the table."""

REFERENCES: Final = frozenset(promise.peer for promise in PROMISES if promise.peer)
"""Contenders without which the promises cannot be checked."""


def judge(promise: Promise, result: Result) -> Verdict | None:
    """Return the verdict, or None if this run has not the figures for it."""
    if promise.peer:
        values = result.ratios(promise.ours, promise.figure, promise.peer)
    else:
        values = [run[promise.figure] for run in result.runs.get(promise.ours, ()) if promise.figure in run]
    if not values:
        return None
    return Verdict(promise, statistics.median(values), min(values), max(values))
