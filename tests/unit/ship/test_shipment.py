"""One folder on its way: what is settled, what is sent again, what is acknowledged, how much is in hand."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from shipper.errors import RecordRefused, TopicMissing
from shipper.ship.shipment import Shipment
from shipper.spool.checkpoint import read_checkpoint
from tests.unit.ship.rig import AWAY, Rig, too_large_over


def fill(rig: Rig, count: int, size: int = 10) -> None:
    """Append records to a new folder whose writer then dies."""
    writer = rig.bench.writer("p", segment_max_bytes=1024)
    for _ in range(count):
        assert rig.bench.append(writer, bytes(size)) is not None
    writer.close()


def drain(rig: Rig, shipment: Shipment, limit: int = 200) -> None:
    """Give turns until there is nothing to do, moving the clock as asked."""
    for _ in range(limit):
        wait_s = shipment.turn()
        if wait_s is None:
            return
        rig.advance(wait_s)
    pytest.fail("the shipment never comes to rest")


def test_everything_is_sent_once_in_order_and_the_folder_goes(rig: Rig) -> None:
    """Without trouble each record is sent once, in order, and a dead writer's folder is removed."""
    fill(rig, 35)
    shipment = rig.shipment()
    drain(rig, shipment)
    assert rig.sink.accepted == list(range(1, 36))
    assert [len(attempt) for attempt in rig.sink.attempts] == [10, 10, 10, 5]
    assert shipment.remove_if_finished()
    assert list(rig.bench.root.iterdir()) == []
    snapshot = rig.counters.snapshot()
    assert (snapshot.emitted, snapshot.delivered, snapshot.waiting) == (35, 35, 0)


def test_a_part_of_a_batch_waits_for_company_but_not_longer_than_linger(rig: Rig) -> None:
    """U14: fewer records than a batch are sent when the oldest is linger_s old; at once if it is urgent."""
    writer = rig.bench.writer("p")
    rig.bench.append(writer)
    shipment = rig.shipment()
    assert shipment.turn() == pytest.approx(0.2)
    rig.advance(0.15)
    rig.bench.append(writer)
    assert shipment.turn() == pytest.approx(0.05)
    assert rig.sink.attempts == []
    rig.advance(0.06)
    assert shipment.turn() == 0.0
    assert rig.sink.attempts == [[1, 2]]
    rig.bench.append(writer)
    assert shipment.turn(is_urgent=True) == 0.0
    assert rig.sink.attempts == [[1, 2], [3]]
    shipment.close()
    writer.close()


def test_nothing_leaves_the_spool_without_an_acknowledgement(rig: Rig) -> None:
    """U04: while the destination is away nothing is acknowledged; a successor sends all of it."""
    fill(rig, 25)
    rig.sink.answer = lambda _record: AWAY
    shipment = rig.shipment()
    for _ in range(20):
        rig.advance(shipment.turn() or 0)
    assert read_checkpoint(rig.bench.folder()) is None
    assert rig.counters.snapshot().delivered == 0
    shipment.close()
    rig.sink.answer = lambda _record: None
    drain(rig, rig.shipment())
    assert rig.sink.accepted == list(range(1, 26))


def test_only_what_failed_is_sent_again(rig: Rig) -> None:
    """Records that were accepted are not sent again because others of their batch failed."""
    fill(rig, 10)
    failures = {3: 2, 7: 1}

    def answer(record: object) -> TopicMissing | None:
        sequence = record.sequence  # type: ignore[attr-defined]
        if failures.get(sequence, 0):
            failures[sequence] -= 1
            return TopicMissing("t")
        return None

    rig.sink.answer = answer
    shipment = rig.shipment()
    drain(rig, shipment)
    assert rig.sink.attempts == [list(range(1, 11)), [3, 7], [3]]
    snapshot = rig.counters.snapshot()
    assert (snapshot.delivered, snapshot.retries, snapshot.waiting) == (10, 3, 0)
    shipment.close()


def test_the_acknowledged_prefix_moves_before_the_whole_batch_is_settled(rig: Rig) -> None:
    """U24: what lies before the first open record is acknowledged, so a crash repeats as little as possible."""
    fill(rig, 10)
    rig.sink.answer = lambda record: AWAY if record.sequence >= 6 else None
    shipment = rig.shipment()
    rig.advance(shipment.turn() or 0)
    checkpoint = read_checkpoint(rig.bench.folder())
    assert checkpoint is not None
    assert checkpoint.sequence == 5
    shipment.close()


def test_a_refused_record_becomes_a_dead_letter_and_holds_nobody_up(rig: Rig) -> None:
    """U38: a record that is too large goes to the dead letters with its place; those behind it are sent."""
    writer = rig.bench.writer("p")
    for size in (10, 5000, 10):
        rig.bench.append(writer, bytes(size))
    writer.close()
    rig.sink.answer = too_large_over(1000)
    shipment = rig.shipment()
    drain(rig, shipment)
    assert rig.sink.accepted == [1, 3]
    (letter,) = rig.sink.letters
    assert (letter.record.sequence, letter.reason) == (2, "too_large")
    assert letter.position.startswith("p/1@")
    snapshot = rig.counters.snapshot()
    assert (snapshot.delivered, dict(snapshot.dead_lettered), snapshot.waiting) == (2, {"too_large": 1}, 0)
    assert shipment.remove_if_finished()


def test_without_a_dead_letter_topic_others_still_go_and_nothing_is_lost(rig: Rig) -> None:
    """U38: while dead letters cannot be stored, records behind the refused one are sent, and it is kept."""
    writer = rig.bench.writer("p")
    for number in range(60):
        rig.bench.append(writer, bytes(5000 if number == 3 else 10))
    writer.close()
    rig.sink.answer = lambda record: RecordRefused("no") if record.sequence == 4 else None
    rig.sink.letters_answer = lambda _refusal: TopicMissing("dead")
    shipment = rig.shipment()
    for _ in range(30):
        rig.advance(shipment.turn() or 0)
    assert rig.sink.accepted == [1, 2, 3, *range(5, 61)]
    checkpoint = read_checkpoint(rig.bench.folder())
    assert checkpoint is not None
    assert checkpoint.sequence == 3
    assert rig.counters.snapshot().waiting == 1
    rig.sink.letters_answer = lambda _refusal: None
    drain(rig, shipment)
    assert dict(rig.counters.snapshot().dead_lettered) == {"refused": 1}
    assert shipment.remove_if_finished()


def test_what_is_in_hand_is_bounded(rig: Rig) -> None:
    """U17: however long the destination is away, a shipment holds no more than one batch in memory."""
    fill(rig, 500)
    rig.sink.answer = lambda _record: AWAY
    shipment = rig.shipment()
    for _ in range(200):
        rig.advance(shipment.turn() or 0)
        assert shipment.waiting_records <= 10
        assert len(shipment._window) <= 10
    shipment.close()


def test_a_batch_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    """U17: a batch is closed by the record that makes it reach max_bytes."""
    rig = Rig(tmp_path / "spool", max_records=1000, max_bytes=2500)
    fill(rig, 10, size=900)
    shipment = rig.shipment()
    drain(rig, shipment)
    assert [len(attempt) for attempt in rig.sink.attempts] == [3, 3, 3, 1]
    shipment.close()


def test_the_wait_after_a_failure_is_the_backoff(rig: Rig) -> None:
    """U05: no attempt is made before the backoff is over; somebody who waits for us shortens it."""
    fill(rig, 3)
    rig.sink.answer = lambda _record: AWAY
    shipment = rig.shipment()
    rig.advance(shipment.turn() or 0)
    waits = []
    for _ in range(6):
        wait_s = shipment.turn()
        assert wait_s is not None
        waits.append(round(wait_s, 3))
        assert shipment.turn() == pytest.approx(wait_s)
        rig.advance(wait_s)
    assert waits == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
    attempts = len(rig.sink.attempts)
    shipment.turn()
    rig.advance(0.26)
    assert shipment.turn(is_urgent=True) is not None
    assert len(rig.sink.attempts) == attempts + 2
    shipment.close()


def test_trouble_is_told_once_and_health_knows_it(rig: Rig) -> None:
    """A person reads at once why records wait, then not again for a while; health knows how long they do."""
    fill(rig, 3)
    rig.sink.answer = lambda _record: TopicMissing("ml-logs")
    shipment = rig.shipment()
    for _ in range(8):
        rig.advance(shipment.turn() or 0)
    assert len(rig.told) == 1
    assert "`shipper setup`" in rig.told[0]
    assert "ml-logs" in rig.health.report().trouble
    assert shipment.oldest is not None
    shipment.close()


@pytest.mark.parametrize("is_own", [True, False])
def test_records_missing_at_the_end_are_counted_and_named(rig: Rig, is_own: bool) -> None:
    """A folder whose last segments somebody removed: what its writer noted as stored is named, once, and counted."""
    fill(rig, 60)
    if is_own:
        rig.counters.count_emitted(60)
    for path in sorted(rig.bench.folder().glob("*.segment"))[-2:]:
        path.unlink()
    shipment = rig.shipment(is_own=is_own)
    drain(rig, shipment)
    drain(rig, shipment)
    snapshot = rig.counters.snapshot()
    assert snapshot.emitted == 60
    assert snapshot.waiting == 0
    assert snapshot.dropped == {"spool_damaged": 60 - snapshot.delivered}
    assert f"records {snapshot.delivered + 1} to 60 of p are missing" in rig.told[0]
    assert shipment.remove_if_finished()


def test_missing_records_are_counted_and_named(rig: Rig) -> None:
    """U19: a record that damage took from the spool is counted as dropped, and its number is told."""
    fill(rig, 60)
    (rig.bench.folder() / "0000000002.segment").unlink()
    shipment = rig.shipment()
    drain(rig, shipment)
    snapshot = rig.counters.snapshot()
    assert snapshot.emitted == 60
    assert snapshot.dropped["spool_damaged"] == 60 - snapshot.delivered > 0
    assert snapshot.waiting == 0
    assert "are missing from the spool" in rig.told[0]
    shipment.close()


def test_a_checkpoint_that_cannot_be_stored_is_stored_later(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken disk at the acknowledgement costs no record and no double count; it is made up for."""
    fill(rig, 5)
    shipment = rig.shipment()
    real = shipment.reader._disk.overwrite
    is_broken = True

    def overwrite(path: Path, offset: int, data: bytes, *, durable: bool) -> None:
        if is_broken:
            raise OSError(errno.EIO, "input/output error")
        real(path, offset, data, durable=durable)

    monkeypatch.setattr(shipment.reader._disk, "overwrite", overwrite)
    for _ in range(5):
        rig.advance(shipment.turn() or 0)
    assert rig.counters.snapshot().delivered == 5
    assert not shipment.remove_if_finished()
    is_broken = False
    drain(rig, shipment)
    checkpoint = read_checkpoint(rig.bench.folder())
    assert checkpoint is not None
    assert checkpoint.sequence == 5
    assert rig.counters.snapshot().delivered == 5
    assert shipment.remove_if_finished()
