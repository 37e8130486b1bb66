"""Follow what arrives: each document once, also those that become visible late.

Documents become visible some time after `event.ingested` (the refresh interval, a retry, another
indexer). So each look goes back over an overlap, and the ids seen in it are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shipper.elastic.answers import JsonObject
from shipper.index.search import SearchStore, read_all

OVERLAP_S: Final = 30.0
_SEEN_MAX: Final = 20_000


class Follower:
    """Finds the documents that became visible since it last looked.

    Args:
        now_us: the first look goes back from here, microseconds since the epoch.
        overlap_s: how long a document may take from `event.ingested` to being visible, in seconds.
    """

    def __init__(
        self,
        store: SearchStore,
        index: str,
        query: Mapping[str, Any],
        *,
        now_us: int,
        overlap_s: float = OVERLAP_S,
    ) -> None:
        self._store = store
        self._index = index
        self._query = query
        self._overlap = timedelta(seconds=overlap_s)
        self._latest = datetime.fromtimestamp(now_us / 1e6, UTC)
        self._floor = self._latest - self._overlap
        self._seen: dict[str, datetime] = {}

    def skip(self, hits: Iterable[JsonObject]) -> None:
        """These have been shown already."""
        for hit in hits:
            self._seen[hit["_id"]] = _ingested(hit) or self._latest

    def look(self) -> list[JsonObject]:
        """Return what is new, in the order of arrival."""
        since = max(self._floor, self._latest - self._overlap)
        span = {"gte": since.isoformat(), "format": "strict_date_optional_time_nanos"}
        known = [{"ids": {"values": list(self._seen)}}] if self._seen else []
        query = {"bool": {"filter": [self._query, {"range": {"event.ingested": span}}], "must_not": known}}
        sort = [
            {"event.ingested": {"order": "asc", "unmapped_type": "date_nanos"}},
            {"event.sequence": {"order": "asc", "unmapped_type": "long"}},
        ]
        fresh: list[JsonObject] = []
        for hit in read_all(self._store, self._index, query, sort=sort):
            fresh.append(hit)
            arrived = _ingested(hit) or self._latest
            self._seen[hit["_id"]] = arrived
            self._latest = max(self._latest, arrived)
        self._forget()
        return fresh

    def _forget(self) -> None:
        """Keep the ids that the next look could meet again; at most as many as a request may name."""
        horizon = self._latest - self._overlap
        kept = sorted(
            ((arrived, name) for name, arrived in self._seen.items() if arrived >= horizon), reverse=True
        )[:_SEEN_MAX]
        if len(kept) == _SEEN_MAX:
            # A flood: look back less far rather than tell anything twice.
            self._floor = max(self._floor, kept[-1][0] + timedelta(microseconds=1))
        self._seen = {name: arrived for arrived, name in kept}


def _ingested(hit: Mapping[str, Any]) -> datetime | None:
    text = hit.get("_source", {}).get("event", {}).get("ingested")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
