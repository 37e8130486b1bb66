"""What is kept, for how long, how big it is; and the end of what is kept no longer.

An index goes as a whole, when the last moment that it can hold is older than its dataset is kept. What is not
certain is kept: a name that is not ours in every part, an index that holds events beyond its own period, a
clock that nobody else agrees with, a copy that a migration has not finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from shipper.datasets import PeriodIndex, period_index
from shipper.elastic.client import ElasticClient
from shipper.elastic.upkeep import Size, every_index, sizes
from shipper.errors import ConfigurationError, RequestRefused
from shipper.index.moment import rfc3339
from shipper.index.tombstones import tombstones

State = Literal["kept", "due", "unfinished", "odd"]

_CLOCKS_APART_MAX_S: Final = 3600.0
_STATE_PREFIXES: Final = ("alerts-ml-", "dead-letters-ml-", "erasures-ml-")


@dataclass(frozen=True, slots=True)
class KeptIndex:
    """One index and what retention thinks of it.

    Attributes:
        period: what its name says; None where that is not ours in every part, or where it has no period.
        expires: when it may go; None where it never does.
        size: None for a closed index, of which the server tells none.
        state: `due` may be deleted; `odd` is never deleted, and `why` says why.
        by_server: the server deletes it by a policy of its own (ILM).
    """

    name: str
    period: PeriodIndex | None
    expires: datetime | None
    size: Size | None
    state: State
    why: str = ""
    by_server: bool = False


def survey(
    client: ElasticClient, now_us: int, retention_days: Mapping[str, int], namespace: str = ""
) -> list[KeptIndex]:
    """Return every index of ours with its fate, by name.

    Args:
        retention_days: by dataset, where it differs from the schema.
        namespace: only the indices of this one; empty: of all.
    """
    wanted = patterns(namespace)
    sized = sizes(client, wanted)
    for name, count in tombstones(client, wanted[:1]).items() if sized else ():
        if name in sized:  # what stands in the place of an erased record is none
            sized[name] = replace(sized[name], documents=sized[name].documents - count)
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    found = [
        _kept(name, definition["settings"]["index"], sized.get(name), now, retention_days)
        for name, definition in sorted(every_index(client, wanted).items())
    ]
    return [index for index in found if not namespace or _namespace(index) in ("", namespace)]


def patterns(namespace: str = "") -> tuple[str, ...]:
    """Return what matches the indices of a namespace, or of all of them."""
    if not namespace:
        return ("logs-ml.*", *(f"{prefix}*" for prefix in _STATE_PREFIXES))
    states = (f"{prefix}{namespace}{end}" for prefix in _STATE_PREFIXES for end in ("", "-*"))
    return (f"logs-ml.*-{namespace}-*", *states)


def due(client: ElasticClient, indices: Sequence[KeptIndex]) -> list[KeptIndex]:
    """Return those that may go now, after a look inside: what holds events beyond its period is `odd`, and stays."""
    return [_looked_into(client, index) for index in indices if index.state == "due"]


def trusted_now_us(client: ElasticClient, now_us: int) -> int:
    """Return the earlier of our clock and the server's.

    Raises:
        ConfigurationError: they are more than an hour apart: one of them is wrong, and days would go too early.
    """
    server_us = client.server_facts().time_us
    if abs(server_us - now_us) > _CLOCKS_APART_MAX_S * 1e6:
        raise ConfigurationError(
            f"It is {rfc3339(now_us)} here and {rfc3339(server_us)} on the server; "
            "nothing is deleted by a clock that may be wrong, so set it right first."
        )
    return min(now_us, server_us)


def apply(
    client: ElasticClient,
    indices: Sequence[KeptIndex],
    counts: dict[str, int],
    progress: Callable[[KeptIndex], None] = lambda _: None,
) -> None:
    """Delete the indices that are due, each whole; after an interruption a repeat does the rest.

    Args:
        counts: filled as it goes: `deleted`, `documents`, `bytes`.
    """
    for index in indices:
        if index.state != "due":
            continue
        client.delete_index(index.name)
        counts["deleted"] = counts.get("deleted", 0) + 1
        if index.size is not None:
            counts["documents"] = counts.get("documents", 0) + index.size.documents
            counts["bytes"] = counts.get("bytes", 0) + index.size.stored_bytes
        progress(index)


def by_dataset(indices: Sequence[KeptIndex], retention_days: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Yield a row per dataset and namespace: how long it is kept, how much there is, from when, what is due."""
    groups: dict[tuple[str, str], list[KeptIndex]] = {}
    for index in indices:
        if index.state in ("kept", "due"):
            groups.setdefault((_dataset(index), _namespace(index)), []).append(index)
    for (dataset, namespace), members in sorted(groups.items()):
        periods = [index.period for index in members if index.period is not None]
        first = min((period.start for period in periods), default=None)
        expiries = [index.expires for index in members if index.expires is not None]
        known = [index.size for index in members if index.size is not None]
        days = None
        if periods:
            days = retention_days.get(dataset, periods[0].dataset.retention_days)
        yield {
            "dataset": dataset,
            "namespace": namespace,
            "period": periods[0].dataset.period if periods else None,
            "kept_days": days,
            "indices": len(members),
            "documents": sum(size.documents for size in known),
            "bytes": sum(size.stored_bytes for size in known),
            "oldest": None if first is None else f"{first:%Y-%m-%d}",
            "next_expiry": None if not expiries else f"{min(expiries):%Y-%m-%d}",
            "due": sum(index.state == "due" for index in members),
            "by_server": all(index.by_server for index in members) if periods else False,
        }


def _kept(
    name: str,
    settings: Mapping[str, Any],
    size: Size | None,
    now: datetime,
    retention_days: Mapping[str, int],
) -> KeptIndex:
    by_server = "name" in settings.get("lifecycle", {})
    period = period_index(name)
    if str(settings.get("hidden", "false")) == "true":
        return KeptIndex(name, period, None, size, "unfinished", "a migration makes it", by_server)
    if name.startswith(_STATE_PREFIXES):
        return KeptIndex(name, None, None, size, "kept", "a current state has no age", by_server)
    if period is None:
        return KeptIndex(name, None, None, size, "odd", "its name tells neither dataset nor day", by_server)
    try:
        expires = period.expiry(retention_days)
    except OverflowError:
        return KeptIndex(name, period, None, size, "odd", "its day is beyond all calendars", by_server)
    state: State = "due" if expires <= now else "kept"
    return KeptIndex(name, period, expires, size, state, "", by_server)


def _looked_into(client: ElasticClient, index: KeptIndex) -> KeptIndex:
    """An index holds what its name says, or it was not we who filled it."""
    if index.size is None:
        return replace(index, state="odd", why="it is closed, so nobody can look into it")
    if index.period is None:
        return index
    end = index.period.end.astimezone(UTC)
    beyond = {"range": {"@timestamp": {"gte": rfc3339(round(end.timestamp() * 1e6))}}}
    try:
        client.refresh(index.name)
        count = client.count(index.name, beyond)
    except RequestRefused as error:
        if error.status != 403:
            raise
        return index  # who may delete need not be allowed to read; then the name alone decides
    if count:
        last = f"{end - timedelta(days=1):%Y-%m-%d}"
        return replace(index, state="odd", why=f"{count} of its events are later than its last day, {last}")
    return index


def _dataset(index: KeptIndex) -> str:
    if index.period is not None:
        return index.period.dataset.name
    prefix = next(prefix for prefix in _STATE_PREFIXES if index.name.startswith(prefix))
    return prefix.removesuffix("-ml-")


def _namespace(index: KeptIndex) -> str:
    """Return the namespace, or "" where the name does not tell it."""
    if index.period is not None:
        return index.period.namespace
    for prefix in _STATE_PREFIXES:
        if index.name.startswith(prefix):
            return index.name.removeprefix(prefix).partition("-")[0]
    return ""
