"""What detection needs of Elasticsearch, declared here so that nothing of its client leaks in."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, Self, TypeVar

from shipper.alert.store import DocumentStore, JsonObject, StoredDocument

Query = tuple[str, Mapping[str, Any]]
"""Index pattern and body of a search."""

Result = TypeVar("Result")


class Question(Protocol):
    """Something that is cheaper to ask together with others like it."""

    @property
    def like(self) -> Hashable:
        """Equal for questions that can be asked as one."""

    def ask_with(self, others: Sequence[Self]) -> Fetch[list[Any]]:
        """Ask this one and others like it; the answers are those that each would have alone, this one's first."""


Ask = Query | Question
Fetch = Generator[Sequence[Ask], list[Any], Result]
"""A computation that yields what it asks next and is sent the answers: to a query, the answer of the server."""


class Searches(Protocol):
    """Searches alone: what judging takes where nothing is written."""

    def msearch(self, searches: Iterable[Query]) -> list[JsonObject]:
        """Run several searches in one request."""


class Store(DocumentStore, Protocol):
    """Documents, searches, and the definitions of indices."""

    def get_many(self, index: str, ids: Sequence[str]) -> Sequence[StoredDocument | None]:
        """Return documents as of now, or None, in this order; by one request."""

    def put_many(self, index: str, writes: Sequence[tuple[str, Mapping[str, Any], Any]]) -> list[bool]:
        """Store documents by one request, each only where nobody else wrote it.

        A write is an id, the source, and the document that this store gave out and that is replaced (None: a new one).
        Returns whether each was stored.
        """

    def indices(self, pattern: str) -> list[str]:
        """Return the names of the indices that match."""

    def index_definition(self, index: str) -> JsonObject | None:
        """Return settings and mappings of an index, or None."""

    def create_index(self, index: str, definition: Mapping[str, Any] | None = None) -> None:
        """Create an index; `RequestRefused` with status 400 where it exists."""


def drive(store: Searches, fetches: Sequence[Fetch[Result]]) -> list[Result]:
    """Run several computations together, as `driven` does, and return their results in order."""
    results = dict(driven(store, fetches))
    return [results[place] for place in range(len(fetches))]


def driven(store: Searches, fetches: Sequence[Fetch[Result]]) -> Iterator[tuple[int, Result]]:
    """Run several computations together: what they ask at the same step goes out in one request.

    A search that several ask is sent once, and questions that are alike are asked as one. Each computation's place and
    result are given when it has ended, one at a time while a request is under way: whoever takes them works meanwhile,
    and the next request goes out as soon as that work and the answers are there.
    """
    ended: deque[tuple[int, Result]] = deque()

    def end(place: int, found: Result) -> None:
        ended.append((place, found))

    tasks = [_Task(fetch, partial(end, place)) for place, fetch in enumerate(fetches)]
    with ThreadPoolExecutor(1, "shipper-searches") as asking:
        while tasks:
            if ready := [task for task in tasks if not task.missing]:
                tasks = [task for task in tasks if task.missing or task.step()]
                tasks += _together([task for task in ready if task.missing])
                continue
            queries, takers = _wanted(tasks)
            answers = asking.submit(store.msearch, queries)
            while ended and not answers.done():
                yield ended.popleft()
            _hand_out(answers.result(), takers)
    yield from ended


@dataclass(eq=False, slots=True)
class _Task:
    """One computation on its way; `done` is told its result.

    Attributes:
        searches: what it has asked and is not sent yet, with its place among all that it asked.
        questions: likewise.
        answers: to all that it asked last, None where there is none yet; None before it asked anything.
        missing: answers that are not there yet.
    """

    fetch: Fetch[Any]
    done: Callable[[Any], None]
    searches: list[tuple[int, Query]] = field(default_factory=list)
    questions: list[tuple[int, Question]] = field(default_factory=list)
    answers: list[Any] | None = None
    missing: int = 0

    def step(self) -> bool:
        """Go on to what it asks next; False where it has ended."""
        try:
            asked = next(self.fetch) if self.answers is None else self.fetch.send(self.answers)
        except StopIteration as end:
            self.done(end.value)
            return False
        self.answers, self.missing = [None] * len(asked), len(asked)
        self.searches = [(place, ask) for place, ask in enumerate(asked) if isinstance(ask, tuple)]
        self.questions = [(place, ask) for place, ask in enumerate(asked) if not isinstance(ask, tuple)]
        return True

    def take(self, place: int, answer: Any) -> None:
        """Take in one of the answers."""
        if self.answers is not None:
            self.answers[place] = answer
            self.missing -= 1


def _together(tasks: Sequence[_Task]) -> Iterator[_Task]:
    """Return one computation per kind of question that these tasks have just asked."""
    alike: dict[Hashable, list[tuple[_Task, int, Any]]] = {}
    for task in tasks:
        for place, question in task.questions:
            alike.setdefault(question.like, []).append((task, place, question))
        task.questions = []
    for some in alike.values():
        (_, _, first), *others = some

        def hand_out(answers: list[Any], some: Sequence[tuple[_Task, int, Any]] = some) -> None:
            for (task, place, _), answer in zip(some, answers, strict=True):
                task.take(place, answer)

        yield _Task(first.ask_with([other for _, _, other in others]), hand_out)


def _wanted(tasks: Sequence[_Task]) -> tuple[list[Query], list[list[tuple[_Task, int]]]]:
    """Return all searches that the tasks wait for, equal ones once, and for each who takes its answer as which."""
    wanted: dict[str, list[tuple[_Task, int]]] = {}
    queries: list[Query] = []
    for task in tasks:
        for place, query in task.searches:
            same = wanted.setdefault(json.dumps(query, sort_keys=True, default=dict), [])
            if not same:
                queries.append(query)
            same.append((task, place))
        task.searches = []
    return queries, list(wanted.values())


def _hand_out(answers: Sequence[Any], takers: Sequence[Sequence[tuple[_Task, int]]]) -> None:
    for some, answer in zip(takers, answers, strict=True):
        for task, place in some:
            task.take(place, answer)
