"""Follow what arrives: each document once, also those that become visible late.

Documents become visible some time after `event.ingested` (the refresh interval, a retry, another
indexer). So each look goes back over an overlap, and the ids seen in it are remembered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from shipper.elastic.answers import JsonObject
from shipper.index.search import SearchStore, read_all

OVERLAP_S: Final = 30.0


class Follower:
    """Finds the documents that were stored since it last looked.

    Args:
        since_us: documents ingested before this are not told, microseconds since the epoch.
    """

    def __init__(
        self,
        store: SearchStore,
        index: str,
        query: Mapping[str, Any],
        *,
        since_us: int,
        overlap_s: float = OVERLAP_S,
    ) -> None:
        self._store = store
        self._index = index
        self._query = query
        self._start = datetime.fromtimestamp(since_us / 1e6, UTC)
        self._latest = self._start
        self._overlap = timedelta(seconds=overlap_s)
        self._seen: dict[str, datetime] = {}

    def skip(self, hits: list[JsonObject]) -> None:
        """These have been shown already."""
        for hit in hits:
            self._seen[hit["_id"]] = _ingested(hit) or self._latest

    def look(self) -> list[JsonObject]:
        """Return what is new, in the order of arrival."""
        since = max(self._start, self._latest - self._overlap)
        span = {"gte": since.isoformat(), "format": "strict_date_optional_time_nanos"}
        query = {"bool": {"filter": [self._query, {"range": {"event.ingested": span}}]}}
        sort = [
            {"event.ingested": {"order": "asc", "unmapped_type": "date_nanos"}},
            {"event.sequence": {"order": "asc", "unmapped_type": "long"}},
        ]
        fresh: list[JsonObject] = []
        for hit in read_all(self._store, self._index, query, sort=sort):
            if hit["_id"] not in self._seen:
                fresh.append(hit)
            arrived = _ingested(hit) or self._latest
            self._seen[hit["_id"]] = arrived
            self._latest = max(self._latest, arrived)
        horizon = self._latest - 2 * self._overlap
        self._seen = {name: arrived for name, arrived in self._seen.items() if arrived >= horizon}
        return fresh


def _ingested(hit: Mapping[str, Any]) -> datetime | None:
    text = hit.get("_source", {}).get("event", {}).get("ingested")
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
