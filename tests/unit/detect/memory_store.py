"""Documents in memory with conditional writes, as much of the store as leases and states need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from shipper.errors import RequestRefused

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MemoryDocument:
    """A stored document with its version."""

    id: str
    source: Mapping[str, Any]
    version: int


class MemoryStore:
    """One process's Elasticsearch; `before_put` runs just before a conditional write, to lose a race."""

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], MemoryDocument] = {}
        self.created: list[str] = []
        self.requests = 0
        self.before_put: list[Any] = []
        self.answers: list[Json] = []
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def get(self, index: str, document_id: str) -> MemoryDocument | None:
        """Return a document or None."""
        return self.documents.get((index, document_id))

    def get_many(self, index: str, ids: Sequence[str]) -> list[MemoryDocument | None]:
        """Return documents or None."""
        self.requests += 1
        return [self.get(index, one) for one in ids]

    def put_many(self, index: str, writes: Sequence[tuple[str, Mapping[str, Any], Any]]) -> list[bool]:
        """Store documents that nobody else wrote."""
        self.requests += 1
        return [self._put_one(index, *write) for write in writes]

    def _put_one(self, index: str, document_id: str, source: Mapping[str, Any], known: Any) -> bool:
        if known is None:
            return self.create(index, document_id, source)
        try:
            self.put(index, document_id, source, unless_changed_since=known)
        except RequestRefused:
            return False
        return True

    def create(
        self, index: str, document_id: str, source: Mapping[str, Any], *, refresh: bool = False
    ) -> bool:
        """Store a new document."""
        if (index, document_id) in self.documents:
            return False
        self.documents[index, document_id] = MemoryDocument(document_id, deepcopy(dict(source)), 1)
        return True

    def put(
        self,
        index: str,
        document_id: str,
        source: Mapping[str, Any],
        *,
        unless_changed_since: Any = None,
        refresh: bool = False,
    ) -> None:
        """Store a document, conditionally if asked."""
        for action in self.before_put[:]:
            self.before_put.remove(action)
            action()
        now = self.documents.get((index, document_id))
        if unless_changed_since is not None and (now is None or now.version != unless_changed_since.version):
            raise RequestRefused(409, "version conflict")
        version = now.version + 1 if now is not None else 1
        self.documents[index, document_id] = MemoryDocument(document_id, deepcopy(dict(source)), version)

    def search(self, index: str, body: Mapping[str, Any]) -> Json:
        """Return the next prepared answer."""
        return self.msearch([(index, body)])[0]

    def msearch(self, searches: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Json]:
        """Return the next prepared answers, one per search."""
        asked = list(searches)
        self.asked += asked
        taken, self.answers = self.answers[: len(asked)], self.answers[len(asked) :]
        return taken

    def indices(self, pattern: str) -> list[str]:
        """Return nothing: no test here needs them."""
        return []

    def index_definition(self, index: str) -> Json | None:
        """Return what was created."""
        return {} if index in self.created else None

    def create_index(self, index: str, definition: Mapping[str, Any] | None = None) -> None:
        """Create an index once."""
        if index in self.created:
            raise RequestRefused(400, "resource_already_exists_exception")
        self.created.append(index)
