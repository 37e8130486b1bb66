"""How many records each hop holds, counted by reading them: ids, not estimates."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from shipper.demo.story import LOST_CALLS_AT_MOST, Truth

_PAGE: Final = 5000


class Search(Protocol):
    """What the counting needs of Elasticsearch."""

    def search(self, index: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run one search."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One document in Elasticsearch."""

    event_id: str
    producer_id: str
    sequence: int
    process: int
    service: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One row of the table: how many records, how many of them different, and what was expected."""

    name: str
    records: int
    distinct: int
    expected: str
    balances: bool


@dataclass(frozen=True, slots=True)
class Books:
    """All hops, and in words whatever does not balance."""

    hops: tuple[Hop, ...]
    problems: tuple[str, ...]

    @property
    def balance(self) -> bool:
        """Whether nothing is lost and nothing doubled."""
        return not self.problems


def stored_documents(client: Search, pattern: str) -> Iterator[Stored]:
    """Yield every document of the indices that match, page by page."""
    after: list[Any] | None = None
    while True:
        body: dict[str, Any] = {
            "size": _PAGE,
            "sort": [{"event.id": "asc"}, {"_index": "asc"}],
            "_source": ["event.id", "event.sequence", "agent.ephemeral_id", "process.pid", "service.name"],
        }
        if after is not None:
            body["search_after"] = after
        hits = client.search(pattern, body)["hits"]["hits"]
        for hit in hits:
            source = hit["_source"]
            if "agent" not in source:  # of the audit trail: nobody's log, and on no other hop
                continue
            yield Stored(
                event_id=source["event"]["id"],
                producer_id=source["agent"]["ephemeral_id"],
                sequence=source["event"]["sequence"],
                process=source["process"]["pid"],
                service=source["service"]["name"],
            )
        if len(hits) < _PAGE:
            return
        after = hits[-1]["sort"]


def balance(
    truth: Truth,
    waiting: int,
    topic_ids: Iterable[str],
    documents: Iterable[Stored],
    dead_letters: int,
) -> Books:
    """Hold every hop against what the processes themselves counted.

    A process that was killed cannot say what its last calls were: for it, and only for it, up to
    `LOST_CALLS_AT_MOST` more records than it last counted are in order.
    """
    in_topic = Counter(topic_ids)
    in_index: Counter[str] = Counter()
    by_process: Counter[int] = Counter()
    sequences: dict[str, set[int]] = defaultdict(set)
    for document in documents:
        in_index[document.event_id] += 1
        by_process[document.process] += 1
        sequences[document.producer_id].add(document.sequence)

    problems = [
        *_wrong_counts(truth, by_process),
        *_gaps(sequences),
        *(f"{count} records of {name}" for name, count in _differences(in_topic, in_index, dead_letters)),
    ]
    if waiting:
        problems.append(f"{waiting} records still wait in a spool")
    doubled = sum(count - 1 for count in in_index.values())
    if doubled:
        problems.append(f"{doubled} documents stand in Elasticsearch twice")
    called = sum(truth.calls.values())
    slack = f"{called}" + (f" to {called + LOST_CALLS_AT_MOST * len(truth.killed)}" if truth.killed else "")
    indexed = len(in_index)
    fits = called <= indexed + dead_letters <= called + LOST_CALLS_AT_MOST * len(truth.killed)
    hops = (
        Hop("logging calls that returned", called, called, "", balances=True),
        Hop("waiting in spools", waiting, waiting, "0", balances=waiting == 0),
        Hop(
            "in Kafka",
            in_topic.total(),
            len(in_topic),
            slack,
            balances=len(in_topic) == indexed + dead_letters,
        ),
        Hop("dead letters", dead_letters, dead_letters, "0", balances=dead_letters == 0),
        Hop("in Elasticsearch", in_index.total(), indexed, slack, balances=fits and not doubled),
    )
    if dead_letters:
        problems.append(f"{dead_letters} records are dead letters")
    return Books(hops, tuple(problems))


def _wrong_counts(truth: Truth, by_process: Mapping[int, int]) -> Iterator[str]:
    for process, calls in truth.calls.items():
        found = by_process.get(process, 0)
        most = calls + (LOST_CALLS_AT_MOST if process in truth.killed else 0)
        if not calls <= found <= most:
            yield f"process {process} made {calls} logging calls and {found} are found"
    for process in by_process.keys() - truth.calls.keys():
        yield f"{by_process[process]} documents are of process {process}, which the demo did not start"


def _gaps(sequences: Mapping[str, set[int]]) -> Iterator[str]:
    for producer, numbers in sequences.items():
        missing = set(range(1, max(numbers) + 1)) - numbers
        if missing:
            yield f"producer {producer} misses {len(missing)} numbers, the first is {min(missing)}"


def _differences(
    in_topic: Mapping[str, int], in_index: Mapping[str, int], dead_letters: int
) -> Iterator[tuple[str, int]]:
    not_indexed = len(in_topic.keys() - in_index.keys()) - dead_letters
    if not_indexed:
        yield "the topic are not in Elasticsearch", not_indexed
    from_nowhere = len(in_index.keys() - in_topic.keys())
    if from_nowhere:
        yield "Elasticsearch were never in the topic", from_nowhere
