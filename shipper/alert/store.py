"""What alerts need of Elasticsearch, declared here so that nothing of its client leaks in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

JsonObject = dict[str, Any]


class StoredDocument(Protocol):
    """One stored document; the store knows from it whether it has changed since."""

    @property
    def id(self) -> str:
        """Its id within the index."""

    @property
    def source(self) -> Mapping[str, Any]:
        """What was stored."""


class DocumentStore(Protocol):
    """Documents by id, and searches. Raises `StoreUnavailable` and `RequestRefused` of `shipper.errors`."""

    def get(self, index: str, document_id: str) -> StoredDocument | None:
        """Return a document as of now, or None."""

    def create(
        self, index: str, document_id: str, source: Mapping[str, Any], *, refresh: bool = False
    ) -> bool:
        """Store a new document; False, changing nothing, where the id exists."""

    def put(
        self,
        index: str,
        document_id: str,
        source: Mapping[str, Any],
        *,
        unless_changed_since: Any = None,  # a document that this store gave out
        refresh: bool = False,
    ) -> None:
        """Store a document; `RequestRefused` with status 409 where it changed since that one was read."""

    def search(self, index: str, body: Mapping[str, Any]) -> JsonObject:
        """Search an index or pattern; an absent index has no hits."""

    def msearch(self, searches: Iterable[tuple[str, Mapping[str, Any]]]) -> list[JsonObject]:
        """Run several searches, each an index pattern and a body, in one request."""
