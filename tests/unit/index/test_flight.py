"""Requests under way: several at a time, settled and committed in the order of the records."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest

from shipper.clock import SystemClock
from shipper.elastic.answers import ItemAnswer
from shipper.errors import BrokerUnavailable, StoreUnavailable
from shipper.index.document import Limits
from shipper.index.flight import Senders, flights_of
from shipper.index.indexer import Indexer
from shipper.index.settle import IndexPolicy
from shipper.index.splice import Parcel
from tests.unit.index.in_memory import (
    Bench,
    MemoryBatch,
    MemoryDeadLetters,
    MemoryRecord,
    MemorySource,
    MemoryStore,
    record,
    unavailable,
    value,
)

LIMIT_S = 10.0


class GatedStore(MemoryStore):
    """Holds each request until it is let through; remembers how many were there at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.gates: dict[str, threading.Event] = {}
        self.here: set[str] = set()
        self.most = 0
        self._lock = threading.Lock()
        self.changed = threading.Condition()

    def create(self, body: bytes, count: int) -> Sequence[ItemAnswer] | None:
        """Wait at the gate of the request's first document, then answer."""
        first = body.split(b'"_id":"', 1)[1].split(b'"', 1)[0].decode()
        with self.changed:
            self.here.add(first)
            self.most = max(self.most, len(self.here))
            self.changed.notify_all()
        assert self.gates.setdefault(first, threading.Event()).wait(LIMIT_S)
        with self.changed:
            self.here.remove(first)
            self.changed.notify_all()
        with self._lock:
            return super().create(body, count)

    def await_here(self, *names: str) -> None:
        """Wait until these requests, and no others, stand at their gates."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.here == set(names), LIMIT_S), self.here


class Pipeline:
    """An indexer with threads over a gated store, running in a thread of its own."""

    def __init__(self, *batches: Sequence[MemoryRecord]) -> None:
        self.source = MemorySource(list(batches))
        self.store = GatedStore()
        self.letters = MemoryDeadLetters()
        self.senders = Senders(self.store, 2)
        self.stop = threading.Event()
        self.indexer = Indexer(
            self.source,
            self.senders,
            self.letters,
            IndexPolicy(limits=Limits(1e9, 1e9)),
            clock=SystemClock(),
            random=Random(1),
            report=lambda _sentence: None,
        )
        self.thread = threading.Thread(target=self.indexer.run, args=(self.stop,))

    def let(self, *names: str) -> None:
        """Open the gates of these requests."""
        for name in names:
            self.store.gates.setdefault(name, threading.Event()).set()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the indexer's thread does."""
        for _ in range(round(LIMIT_S / 0.01)):
            if condition():
                return
            self.stop.wait(0.01)
        pytest.fail("it did not happen")


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """Four batches of two records; the first was stored already, so that the server is known to be ready."""
    made = Pipeline(*([record(at), record(at + 1)] for at in (0, 2, 4, 6)))
    made.let("p-0")
    made.thread.start()
    yield made
    made.stop.set()
    made.let(*(f"p-{number}" for number in range(8)))
    made.thread.join(LIMIT_S)
    made.senders.close()
    assert not made.thread.is_alive()


def test_two_requests_are_under_way(pipeline: Pipeline) -> None:
    """The next request is sent before the one before it is answered; a third waits."""
    pipeline.store.await_here("p-2", "p-4")
    assert pipeline.store.most == 2
    pipeline.let("p-2")
    pipeline.store.await_here("p-4", "p-6")


def test_no_commit_overtakes_an_unanswered_request(pipeline: Pipeline) -> None:
    """Though the later request is answered first, nothing is committed before the earlier one is."""
    pipeline.store.await_here("p-2", "p-4")
    pipeline.until(lambda: pipeline.source.committed == {("t", 0): 2})
    pipeline.let("p-4")
    pipeline.store.await_here("p-2")
    assert sorted(pipeline.store.documents) == ["p-0", "p-1", "p-4", "p-5"]
    assert pipeline.source.committed == {("t", 0): 2}
    pipeline.let("p-2", "p-6")
    pipeline.until(lambda: pipeline.source.committed == {("t", 0): 8})


def test_a_stop_finishes_what_is_under_way(pipeline: Pipeline) -> None:
    """Asked to stop, the indexer waits for the answers that are due, commits them, and takes nothing more."""
    pipeline.store.await_here("p-2", "p-4")
    pipeline.stop.set()
    pipeline.let("p-2", "p-4")
    pipeline.thread.join(LIMIT_S)
    assert pipeline.source.committed == {("t", 0): 6}
    assert sorted(pipeline.store.documents) == [f"p-{number}" for number in range(6)]


def test_nothing_is_sent_after_a_failure_before_the_server_is_asked() -> None:
    """A server that comes back empty would guess every mapping: after a failed request it is asked first."""
    bench = Bench([record(0)], [record(1)], [record(2)])
    happened: list[str] = []
    original = bench.store.create

    def create(body: bytes, count: int) -> Sequence[ItemAnswer] | None:
        happened.append("sent")
        if len(happened) == 3:
            happened[-1] = "failed"
            raise StoreUnavailable("memory", "away")
        return original(body, count)

    bench.store.create = create  # type: ignore[method-assign]
    bench.indexer._settlement._ready = lambda: happened.append("asked")
    bench.run()
    failed = happened.index("failed")
    assert "asked" in happened[failed:]
    assert happened[failed + 1] == "asked"
    assert sorted(bench.store.documents) == ["p-0", "p-1", "p-2"]


def test_an_interrupted_commit_is_made_up_for() -> None:
    """A stop while Kafka does not take the commit: the next run commits it, without storing anything again."""
    bench = Bench([record(0)])
    bench.source.commit_errors = [BrokerUnavailable("k", "away")] * 50
    stop = threading.Event()
    original = bench.source.keep_alive

    def keep_alive() -> None:
        original()
        if bench.source.kept_alive == 3:
            stop.set()

    bench.source.keep_alive = keep_alive  # type: ignore[method-assign]
    bench.indexer.run(stop)
    assert bench.source.committed == {}
    bench.source.commit_errors = []
    bench.run()
    assert bench.source.committed == {("t", 0): 1}
    assert bench.store.requests == [["p-0"]]


def test_what_an_outage_leaves_is_sent_in_order() -> None:
    """All requests under way fail; each is sent again, and the commits follow the order of the records."""
    bench = Bench([record(0)], [record(1)], [record(2)])
    bench.store.errors = [unavailable() for _ in range(3)]
    bench.run()
    assert bench.source.committed == {("t", 0): 3}
    assert bench.indexer.counts().indexed == 3


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_batch_flies_in_parts_of_bounded_size(count: int) -> None:
    """The parts hold each position once, in order; only the last one says so; tombstones have no size."""
    records = [record(at, value(at, message="x" * 1000)) for at in range(count)]
    records += [MemoryRecord("t", 0, count, None, {})] if count else []
    flights = list(flights_of(MemoryBatch(records), 3000))
    assert [at for flight in flights for at in flight.span] == list(range(len(records)))
    assert [flight.is_last for flight in flights] == [False] * (len(flights) - 1) + [True] * bool(flights)
    assert all(len(flight.span) <= 3 for flight in flights)


def test_the_error_of_a_sender_is_given_to_who_waits() -> None:
    """Whatever goes wrong in a sending thread reaches the indexer, and the thread goes on."""

    class Broken(MemoryStore):
        def create(self, body: bytes, count: int) -> Sequence[ItemAnswer] | None:
            raise MemoryError

    senders = Senders(Broken(), 1)
    for _ in range(2):
        sent = senders.send(Parcel(b"x", [0], ()))
        assert isinstance(sent.answer.exception(LIMIT_S), MemoryError)
    senders.close()
