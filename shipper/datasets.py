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

_NAMESPACED: Final = re.compile(r"logs-[^-]+-([a-z0-9_]{1,100})-[^-]+(-\d{6})?")


def _named(namespace: str) -> re.Pattern[str]:
    """Return the form of an index's name, with the form of its namespace."""
    return re.compile(
        rf"(?P<base>logs-(?P<dataset>[^-]+)-(?P<namespace>{namespace})-(?P<day>\d{{4}}\.\d\d\.\d\d))"
        r"(-(?P<generation>\d{6}))?",
        re.ASCII | re.DOTALL,
    )


_PERIOD: Final = _named("[a-z0-9_]{1,100}")
_MEANT_FOR: Final = _named(".+")
NO_CHANGES: Final[Mapping[str, int]] = MappingProxyType({})
"""Retention as the schema has it."""


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


@dataclass(frozen=True, slots=True)
class PeriodIndex:
    """What the name of an index of ours says.

    Attributes:
        base: the name under which records are written; after a migration an alias of the index.
        start, end: the half-open time that it holds, UTC.
        generation: 1 for the first index of this name, one more for each migration.
    """

    base: str
    dataset: Dataset
    namespace: str
    start: datetime
    end: datetime
    generation: int

    def expiry(self, retention_days: Mapping[str, int] = NO_CHANGES) -> datetime:
        """Return when retention may delete it: the last moment that it holds is older than its dataset is kept.

        Args:
            retention_days: by dataset, where it differs from the schema.

        Raises:
            OverflowError: not before the year 10000.
        """
        days = retention_days.get(self.dataset.name, self.dataset.retention_days)
        return self.end + timedelta(days=days)


def period_index(index: str) -> PeriodIndex | None:
    """Read the name of an index; None where it is not ours in every part: of such an index nothing is known."""
    match = _PERIOD.fullmatch(index)
    dataset = DATASETS.get(match["dataset"]) if match is not None else None
    if match is None or dataset is None:
        return None
    period = _period(match, dataset)
    if period is None or (dataset.period == "month" and period.start.day != 1):
        return None
    return period


def expiry_us(index: str, retention_days: Mapping[str, int] = NO_CHANGES) -> int | None:
    """Return when what was meant for an index is past its retention: microseconds since the epoch.

    Takes any name that tells dataset and day, even one that no index could have: an old record of an impossible
    index is old all the same. What may be *deleted* is for `period_index` to say. None where it tells neither.
    """
    match = _MEANT_FOR.fullmatch(index)
    dataset = DATASETS.get(match["dataset"]) if match is not None else None
    if match is None or dataset is None:
        return None
    try:
        period = _period(match, dataset)
        return None if period is None else round(period.expiry(retention_days).timestamp() * 1e6)
    except OverflowError:
        return None


def _period(match: re.Match[str], dataset: Dataset) -> PeriodIndex | None:
    try:
        start = datetime.strptime(match["day"], "%Y.%m.%d").replace(tzinfo=UTC)
        days = monthrange(start.year, start.month)[1] if dataset.period == "month" else 1
        end = start + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return PeriodIndex(match["base"], dataset, match["namespace"], start, end, int(match["generation"] or 1))


def namespace_of(index: str) -> str:
    """Return the namespace in the name of an index of ours, or "" where it is none."""
    match = _NAMESPACED.fullmatch(index)
    return "" if match is None else match[1]


def dead_letter_index(namespace: str) -> str:
    """Return the plain index that mirrors the dead letters of a namespace."""
    return f"dead-letters-ml-{namespace}"


def alert_index(namespace: str) -> str:
    """Return the plain index that holds the current state of alerts."""
    return f"alerts-ml-{namespace}"
