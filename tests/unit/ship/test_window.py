"""What is in hand: runs that are taken apart when the fates of their records part."""

from __future__ import annotations

import pytest

from shipper.errors import BrokerUnavailable, RecordTooLarge
from shipper.ship.sink import ACCEPTED, Delivery
from shipper.ship.window import Window
from shipper.spool.run import SpooledRun

AWAY = Delivery(BrokerUnavailable("nowhere:9092", "no answer"))
REFUSED = Delivery(RecordTooLarge(9, 5))


def run_of(first: int, count: int) -> SpooledRun:
    """Return a run; each frame takes 10 bytes, each payload 3."""
    numbers = range(first, first + count)
    return SpooledRun(
        1, [(n, n, 20, "ml.app", b"%03d" % n) for n in numbers], [n * 10 for n in numbers], 3 * count
    )


def window_of(*runs: SpooledRun) -> Window:
    """Return a window with these runs, read one second apart."""
    window = Window("p")
    for second, run in enumerate(runs):
        window.add(run, float(second))
    return window


def test_all_accepted_is_settled_at_once() -> None:
    """Nothing is open, and the spool can be told the place behind the last one."""
    window = window_of(run_of(1, 3), run_of(4, 2))
    load = window.fresh()
    assert [row[0] for row in load.records.rows] == [1, 2, 3, 4, 5]
    settled = window.settle(load, [ACCEPTED] * 5)
    assert (settled.accepted, settled.failed, settled.trouble) == (5, 0, None)
    assert (window.open_records, window.open_bytes, window.fresh().items) == (0, 0, [])
    position = window.take_settled()
    assert position is not None
    assert (position.segment, position.offset, position.sequence) == (1, 50, 5)
    assert (len(window), window.take_settled()) == (0, None)


def test_exactly_the_open_ones_are_sent_again() -> None:
    """After mixed answers: acknowledged ones never go again, refused ones neither, and only the front is settled."""
    window = window_of(run_of(1, 4), run_of(5, 2))
    settled = window.settle(window.fresh(), [ACCEPTED, AWAY, REFUSED, ACCEPTED, AWAY, ACCEPTED])
    assert (settled.accepted, settled.failed) == (3, 2)
    assert settled.trouble is AWAY.error
    again = window.fresh()
    assert [row[0] for row in again.records.rows] == [2, 5]
    assert (window.open_records, window.open_bytes) == (3, 9)
    assert window.oldest == (0.0, 2)
    position = window.take_settled()
    assert position is not None
    assert position.sequence == 1
    ((item, record, error),) = window.refused()
    assert (record.sequence, record.payload, error, item.position.offset) == (3, b"003", REFUSED.error, 30)
    assert window.settle(again, [ACCEPTED, ACCEPTED]).accepted == 2
    position = window.take_settled()
    assert position is not None
    assert position.sequence == 2, "the refused one is nowhere else yet"
    window.bury(item)
    position = window.take_settled()
    assert position is not None
    assert (position.sequence, window.open_records, window.open_bytes) == (6, 0, 0)


@pytest.mark.parametrize("count", [0, 2, 4])
def test_a_sink_that_does_not_answer_for_each_record_settles_none(count: int) -> None:
    """Too few or too many answers, even all good ones, are a bug of the sink: every record stays open."""
    window = window_of(run_of(1, 3))
    with pytest.raises(ValueError, match="for 3 records"):
        window.settle(window.fresh(), [ACCEPTED] * count)
    assert window.open_records == 3
    assert window.take_settled() is None
    assert [row[0] for row in window.fresh().records.rows] == [1, 2, 3], "and is sent again"


def test_what_is_under_way_is_not_sent_twice() -> None:
    """A second load has the records that came since; each has its own answers, and only the front is settled."""
    window = window_of(run_of(1, 3))
    first = window.fresh()
    assert (window.waiting_records, window.waiting_bytes, window.open_records) == (0, 0, 3)
    window.add(run_of(4, 2), 1.0)
    assert (window.waiting_records, window.waiting_bytes) == (2, 6)
    second = window.fresh()
    assert [row[0] for row in second.records.rows] == [4, 5]
    assert not window.fresh().items
    assert window.settle(second, [ACCEPTED, AWAY]).failed == 1
    assert window.take_settled() is None, "records before them have no answer yet"
    assert [row[0] for row in window.fresh().records.rows] == [5]
    assert window.settle(first, [ACCEPTED] * 3).accepted == 3
    position = window.take_settled()
    assert position is not None
    assert (position.sequence, window.open_records) == (4, 1)


def test_a_load_that_nobody_answers_for_is_sent_again() -> None:
    """Taken back, once or twice, its records wait as before."""
    window = window_of(run_of(1, 3))
    load = window.fresh()
    window.take_back(load)
    window.take_back(load)
    assert (window.waiting_records, window.waiting_bytes) == (3, 9)
    assert [row[0] for row in window.fresh().records.rows] == [1, 2, 3]
