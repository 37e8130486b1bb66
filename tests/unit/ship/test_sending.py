"""Several batches under way: each is settled by its own answers, and a failure begins nothing new."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shipper.errors import BrokerUnavailable
from shipper.record import Record
from shipper.ship.sending import send_ahead
from shipper.ship.sink import ACCEPTED, Answers, Delivery
from shipper.ship.window import Settled, Window
from shipper.spool.run import SpooledRun

AWAY = Delivery(BrokerUnavailable("nowhere:9092", "no answer"))


class SlowSink:
    """Notes what is begun and what is asked for; says of each record what `answer` does."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, list[int]]] = []
        self.away: set[int] = set()
        self.is_broken = False

    def begin(self, batch: Sequence[Record]) -> Answers:
        """Take a batch; its answers come when they are asked for."""
        if self.is_broken:
            raise RuntimeError("a bug")
        numbers = [record.sequence for record in batch]
        self.steps.append(("begin", numbers))

        def answers() -> list[Delivery]:
            self.steps.append(("answer", numbers))
            return [AWAY if number in self.away else ACCEPTED for number in numbers]

        return answers

    def send(self, batch: Sequence[Record]) -> Sequence[Delivery]:
        """Take a batch."""
        return self.begin(batch)()

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""

    def abandon_in_child(self) -> None:
        """Nothing is open."""


class Source:
    """Puts batches of two records into a window, as often as it is told."""

    def __init__(self, batches: int) -> None:
        self.window = Window("p")
        self._left = batches
        self._next = 1
        self.read()

    def read(self) -> bool:
        """Put the next batch in; return whether there was one."""
        if not self._left:
            return False
        numbers = (self._next, self._next + 1)
        rows = [(n, n, 20, "ml.app", b"x") for n in numbers]
        self.window.add(SpooledRun(1, rows, [n * 10 for n in numbers], 2), 0.0)
        self._left -= 1
        self._next += 2
        return True


def test_the_next_are_begun_before_the_first_is_asked_for() -> None:
    """Two may be under way beside the first; answers are asked for in the order in which batches were begun."""
    source, sink, settled = Source(4), SlowSink(), list[Settled]()
    assert send_ahead(source.window, sink, 2, source.read, settled.append) is None
    assert sink.steps == [
        ("begin", [1, 2]),
        ("begin", [3, 4]),
        ("begin", [5, 6]),
        ("answer", [1, 2]),
        ("begin", [7, 8]),
        ("answer", [3, 4]),
        ("answer", [5, 6]),
        ("answer", [7, 8]),
    ]
    assert [one.accepted for one in settled] == [2, 2, 2, 2]
    assert source.window.open_records == source.window.sent_records == source.window.sent_bytes == 0


def test_without_leave_to_run_ahead_one_is_sent() -> None:
    """As the thread in an application does it: nothing is read while an answer is awaited."""
    source, sink = Source(3), SlowSink()
    assert send_ahead(source.window, sink, 0, source.read, lambda _settled: None) is None
    assert sink.steps == [("begin", [1, 2]), ("answer", [1, 2])]


def test_after_a_failure_nothing_new_is_begun() -> None:
    """What is under way gets its answers; what failed stays open, and is sent by the next call, not by this one."""
    source, sink = Source(9), SlowSink()
    sink.away = {2}
    assert send_ahead(source.window, sink, 1, source.read, lambda _settled: None) is AWAY.error
    assert sink.steps == [("begin", [1, 2]), ("begin", [3, 4]), ("answer", [1, 2]), ("answer", [3, 4])]
    sink.steps.clear()
    sink.away = set()
    send_ahead(source.window, sink, 0, source.read, lambda _settled: None)
    assert sink.steps[0] == ("begin", [2, 5, 6]), "read ahead meanwhile, and one of the first"


def test_a_bug_of_a_sink_leaves_every_record_to_be_sent() -> None:
    """Whatever raises, in the beginning or in the answers: no record counts as under way afterwards."""
    source, sink = Source(2), SlowSink()

    def broken_later() -> bool:
        sink.is_broken = True
        return source.read()

    with pytest.raises(RuntimeError):
        send_ahead(source.window, sink, 1, broken_later, lambda _settled: None)
    assert (source.window.sent_records, source.window.sent_bytes) == (0, 0)
    sink.is_broken = False
    assert send_ahead(source.window, sink, 1, source.read, lambda _settled: None) is None
    assert source.window.open_records == 0
