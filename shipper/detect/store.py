"""What detection needs of Elasticsearch, declared here so that nothing of its client leaks in."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from shipper.alert.store import DocumentStore, JsonObject

Query = tuple[str, Mapping[str, Any]]
"""Index pattern and body of a search."""

Result = TypeVar("Result")
Fetch = Generator[list[Query], list[JsonObject], Result]
"""A computation that yields the searches it needs next and is sent their answers."""


class Searches(Protocol):
    """Searches alone: what judging takes where nothing is written."""

    def msearch(self, searches: Iterable[Query]) -> list[JsonObject]:
        """Run several searches in one request."""


class Store(DocumentStore, Protocol):
    """Documents, searches, and the definitions of indices."""

    def indices(self, pattern: str) -> list[str]:
        """Return the names of the indices that match."""

    def index_definition(self, index: str) -> JsonObject | None:
        """Return settings and mappings of an index, or None."""

    def create_index(self, index: str, definition: Mapping[str, Any] | None = None) -> None:
        """Create an index; `RequestRefused` with status 400 where it exists."""


def drive(store: Searches, fetches: Sequence[Fetch[Result]]) -> list[Result]:
    """Run several computations together: what they ask at the same step goes out in one request."""
    results: dict[int, Result] = {}
    waiting: dict[int, list[Query]] = {}

    def step(place: int, answers: list[JsonObject] | None) -> None:
        try:
            waiting[place] = next(fetches[place]) if answers is None else fetches[place].send(answers)
        except StopIteration as end:
            waiting.pop(place, None)
            results[place] = end.value

    for place in range(len(fetches)):
        step(place, None)
    while waiting:
        asked = sorted(waiting.items())
        searches = [query for _, queries in asked for query in queries]
        answers = store.msearch(searches) if searches else []
        position = 0
        for place, queries in asked:
            step(place, answers[position : position + len(queries)])
            position += len(queries)
    return [results[place] for place in range(len(fetches))]
