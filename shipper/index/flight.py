"""Bulk requests under way: the next ones are made while the server works on those before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Final, NamedTuple

from shipper.elastic.answers import ItemAnswer
from shipper.index.bulk import BulkStore
from shipper.index.splice import Parcel
from shipper.index.stream import RecordBatch

_LINES_BYTES: Final = 300
"""What a value needs in a request beside itself: index, id, `ingested`; ids and namespaces are seldom so long."""


class Sent(NamedTuple):
    """What was sent, and what came back or will: an answer per document, None if all were stored."""

    parcel: Parcel
    answer: Future[Sequence[ItemAnswer] | None]


class Senders:
    """Threads that send requests to one server, one at a time each. They do not keep the process alive.

    Args:
        threads: how many; 0: requests are sent on the caller's thread, and are over when `send` returns.
    """

    def __init__(self, store: BulkStore, threads: int) -> None:
        self.store = store
        self._queue: SimpleQueue[Sent | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._work, name=f"shipper-index-send-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, parcel: Parcel) -> Sent:
        """Begin to send; the answer comes later."""
        sent = Sent(parcel, Future())
        if self._threads:
            self._queue.put(sent)
        else:
            self._create(sent)
        return sent

    def close(self) -> None:
        """End the threads, each after the request that it has in hand; returns at once."""
        for _ in self._threads:
            self._queue.put(None)

    def _work(self) -> None:
        while (sent := self._queue.get()) is not None:
            self._create(sent)

    def _create(self, sent: Sent) -> None:
        body, count = sent.parcel.body, len(sent.parcel.positions)
        try:
            sent.answer.set_result(self.store.create(body, count) if count else None)
        except BaseException as error:  # noqa: BLE001  # whoever waits for the answer gets it
            sent.answer.set_exception(error)


@dataclass(slots=True)
class Flight:
    """A part of a batch on its way into Elasticsearch.

    Attributes:
        span: positions in the batch.
        is_last: no part of the batch comes after it, so the batch may be committed when it has landed.
        read_us: when its values were first read, microseconds since the epoch, 0 before; a later look at them
            judges their times as the first one did.
        sent: None while nothing is under way.
        erased: positions of records of erased persons, of which only the numbers were sent.
    """

    batch: RecordBatch
    span: range
    is_last: bool
    read_us: int = 0
    sent: Sent | None = None
    erased: frozenset[int] = frozenset()

    @property
    def has_failed(self) -> bool:
        """Whether its request is known to have failed, or was never sent."""
        if self.sent is None:
            return True
        answer = self.sent.answer
        return answer.done() and answer.exception() is not None


def flights_of(batch: RecordBatch, max_bytes: int) -> Iterator[Flight]:
    """Cut a batch into flights whose requests stay under `max_bytes`; a larger value flies alone."""
    values = batch.values
    count = len(values)
    if count == 0:
        return
    try:
        total = sum(map(len, values))  # type: ignore[arg-type]  # None is caught
    except TypeError:
        total = max_bytes
    if total + count * _LINES_BYTES <= max_bytes:
        yield Flight(batch, range(count), is_last=True)
        return
    start = size = 0
    for position, value in enumerate(values):
        needed = len(value or b"") + _LINES_BYTES
        if position > start and size + needed > max_bytes:
            yield Flight(batch, range(start, position), is_last=False)
            start, size = position, 0
        size += needed
    yield Flight(batch, range(start, count), is_last=True)
