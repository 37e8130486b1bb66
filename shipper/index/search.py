"""Read everything that matches, page by page, from one frozen view: no document twice, none left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from shipper.elastic.answers import JsonObject

PAGE_SIZE: Final = 5000
_KEEP_ALIVE_S: Final = 60.0


class SearchStore(Protocol):
    """What is needed of Elasticsearch here."""

    def open_point_in_time(self, index: str, *, keep_alive_s: float) -> str:
        """Freeze a view."""

    def close_point_in_time(self, point_in_time: str) -> None:
        """Give it back."""

    def search(self, index: str, body: Mapping[str, Any]) -> JsonObject:
        """Search."""


def read_all(
    store: SearchStore,
    index: str,
    query: Mapping[str, Any],
    *,
    sort: Sequence[Mapping[str, Any]],
    page_size: int = PAGE_SIZE,
    **more: Any,
) -> Iterator[JsonObject]:
    """Yield every hit in the order of `sort`; ties are settled by the view's own order.

    Args:
        page_size: hits per request, 1 to 10,000.
        more: further keys of the search body, for example `_source` or `fields`.
    """
    view = store.open_point_in_time(index, keep_alive_s=_KEEP_ALIVE_S)
    try:
        body: JsonObject = {
            "query": query,
            "sort": list(sort),
            "size": page_size,
            "track_total_hits": False,
            **more,
        }
        while True:
            body["pit"] = {"id": view, "keep_alive": f"{_KEEP_ALIVE_S:.0f}s"}
            answer = store.search("", body)
            view = answer.get("pit_id", view)
            hits = answer["hits"]["hits"]
            yield from hits
            if len(hits) < page_size:
                return
            body["search_after"] = hits[-1]["sort"]
    finally:
        store.close_point_in_time(view)
