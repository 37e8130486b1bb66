"""Datasets and the names of their indices. The table itself is generated from `schema/datasets.yml`."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, Literal

from shipper.dataset_table import EXPECTED, REQUIRED, ROWS

DEFAULT_DATASET: Final = "ml.app"

_INDEX: Final = re.compile(r"logs-[^-]+-([a-z0-9_]{1,100})-[^-]+")


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of log.

    Attributes:
        period: how much time one index holds; part of the index's identity, so it never changes.
        retention_days: how long an index is kept after its period has ended.
        expected: fields beyond the required ones that readers of this dataset rely on.
    """

    name: str
    period: Literal["day", "month"]
    retention_days: int
    expected: tuple[str, ...]


DATASETS: Final[Mapping[str, Dataset]] = MappingProxyType(
    {name: Dataset(name, period, retention, EXPECTED[name]) for name, period, retention in ROWS}
)
"""All datasets by name."""

REQUIRED_FIELDS: Final[tuple[str, ...]] = REQUIRED
"""Fields without which a document of any dataset is refused."""


def index_name(dataset: str, namespace: str, timestamp_us: int) -> str:
    """Return the index of an event: chosen by its own time, so that a replay finds the same one.

    Args:
        dataset: a key of `DATASETS`; an unknown dataset has the default's period.
        namespace: team or environment.
        timestamp_us: event time in microseconds since the epoch, UTC.
    """
    moment = datetime.fromtimestamp(timestamp_us // 1_000_000, UTC)
    known = DATASETS.get(dataset)
    if known is not None and known.period == "month":
        return f"logs-{dataset}-{namespace}-{moment:%Y.%m}.01"
    return f"logs-{dataset}-{namespace}-{moment:%Y.%m.%d}"


def index_pattern(dataset: str = "*", namespace: str = "*") -> str:
    """Return the pattern that matches all periods of a dataset; by default all of our datasets."""
    return f"logs-{'ml.*' if dataset == '*' else dataset}-{namespace}-*"


def expiry_us(index: str) -> int | None:
    """Return when retention may delete an index: microseconds since the epoch; None where its name is not ours."""
    kind, _, rest = index.partition("-")
    dataset, _, rest = rest.partition("-")
    known = DATASETS.get(dataset)
    if kind != "logs" or known is None:
        return None
    try:
        start = datetime.strptime(rest.rpartition("-")[2], "%Y.%m.%d").replace(tzinfo=UTC)
        end = start + timedelta(days=1 if known.period == "day" else monthrange(start.year, start.month)[1])
        return round((end + timedelta(days=known.retention_days)).timestamp() * 1e6)
    except (ValueError, OverflowError):
        return None


def namespace_of(index: str) -> str:
    """Return the namespace in the name of an index of ours, or "" where it is none."""
    match = _INDEX.fullmatch(index)
    return "" if match is None else match[1]


def dead_letter_index(namespace: str) -> str:
    """Return the plain index that mirrors the dead letters of a namespace."""
    return f"dead-letters-ml-{namespace}"


def alert_index(namespace: str) -> str:
    """Return the plain index that holds the current state of alerts."""
    return f"alerts-ml-{namespace}"
