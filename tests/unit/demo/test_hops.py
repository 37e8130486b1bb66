"""The demo's books: every kind of loss and doubling must show."""

from __future__ import annotations

from collections.abc import Sequence

from shipper.demo.hops import Books, Stored, balance
from shipper.demo.story import Truth

PROCESS, PRODUCER = 77, "p"


def stored(sequence: int, process: int = PROCESS) -> Stored:
    """Return the document with this sequence."""
    return Stored(f"{PRODUCER}-{sequence}", PRODUCER, sequence, process, "scoring")


def books(
    documents: Sequence[Stored],
    *,
    calls: int = 10,
    topic: Sequence[str] | None = None,
    waiting: int = 0,
    dead_letters: int = 0,
    killed: bool = False,
) -> Books:
    """Balance the documents of one process that made `calls` logging calls."""
    truth = Truth(calls={PROCESS: calls}, killed={PROCESS} if killed else set())
    ids = [document.event_id for document in documents] if topic is None else topic
    return balance(truth, waiting, ids, documents, dead_letters)


TEN = [stored(sequence) for sequence in range(1, 11)]


def test_ten_calls_ten_documents_balance() -> None:
    """Nothing lost, nothing doubled."""
    assert books(TEN).balance


def test_the_topic_may_hold_a_record_twice() -> None:
    """At least once on the way, once in the index."""
    ids = [document.event_id for document in TEN]
    result = books(TEN, topic=[*ids, ids[3]])
    assert result.balance
    assert result.hops[2].records == 11


def test_a_lost_record_shows() -> None:
    """A document short of the calls is a loss, and the gap is named."""
    result = books([document for document in TEN if document.sequence != 4])
    assert any("made 10 logging calls and 9 are found" in problem for problem in result.problems)
    assert any("misses 1 numbers, the first is 4" in problem for problem in result.problems)


def test_a_lost_last_record_shows() -> None:
    """The end of a producer has no gap behind it: the calls tell."""
    assert not books(TEN[:-1]).balance


def test_a_double_shows() -> None:
    """The same id in two indices is a double."""
    assert any("twice" in problem for problem in books([*TEN, TEN[0]]).problems)


def test_a_record_that_is_only_in_the_topic_shows() -> None:
    """What the indexer has not stored is missing."""
    result = books(TEN, topic=[*(document.event_id for document in TEN), "q-1"])
    assert any("not in Elasticsearch" in problem for problem in result.problems)


def test_waiting_and_dead_letters_show() -> None:
    """At the end of the demo no record waits and none is refused."""
    assert not books(TEN, waiting=1).balance
    assert not books(TEN, dead_letters=1).balance


def test_a_killed_process_has_a_few_calls_more() -> None:
    """A killed process could not count its last calls; but it cannot have made many more, or fewer."""
    assert books(TEN, calls=8, killed=True).balance
    assert not books(TEN, calls=8).balance
    assert not books(TEN, calls=2, killed=True).balance
    assert not books(TEN, calls=11, killed=True).balance


def test_documents_of_strangers_show() -> None:
    """A document of a process that the demo did not start belongs to nobody."""
    assert not books([*TEN, Stored("s-1", "s", 1, 99, "x")]).balance
