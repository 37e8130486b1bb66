"""What is told in a dead producer's name before its folder goes: once acknowledged, always the same, and only if needed."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from shipper.clock import SystemClock
from shipper.errors import RecordRefused
from shipper.index.document import Document, Limits, read_document
from shipper.record import Record
from shipper.spool.drops import FILE_NAME
from shipper.spool.reader import SpoolReader
from tests.unit.ship.rig import AWAY, Rig
from tests.unit.ship.test_shipment import drain


def fill(rig: Rig, count: int = 200, **policy: Any) -> dict[str, int]:
    """Let a process die that was refused records, or gave them up; return how many, by reason."""
    clock = SystemClock()
    policy = {"max_bytes": 1 << 16, "segment_max_bytes": 1 << 14, **policy}
    writer = rig.bench.writer("p", clock=clock, **policy)
    for _ in range(count):
        rig.bench.append(writer, bytes(1000), timestamp_us=clock.now_us())
    writer.close()
    return dict(writer.drops)


@pytest.fixture
def sent(rig: Rig) -> list[Record]:
    """Return what the sink is given of records that no producer numbered."""
    found: list[Record] = []

    def answer(record: Record) -> None:
        if record.sequence == 0:
            found.append(record)

    rig.sink.answer = answer
    return found


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_refusals_and_evictions_are_told_before_the_folder_goes(
    rig: Rig, sent: list[Record], when_full: str
) -> None:
    """U25: the record has each count and is one that the indexer takes, under an id and a time of the folder's own."""
    dropped = fill(rig, when_full=when_full)
    shipment = rig.shipment()
    assert not sent
    drain(rig, shipment)
    (record,) = sent
    assert shipment.remove_if_finished()
    assert list(rig.bench.root.iterdir()) == []
    found = read_document(
        record.payload, header_id=None, namespace="other", now_us=record.timestamp_us, limits=Limits()
    )
    assert isinstance(found, Document)
    assert (found.event_id, found.dataset) == ("p-0", "ml.health") == (record.event_id, record.dataset)
    assert found.index.startswith("logs-ml.health-default-")
    document = json.loads(record.payload)
    assert document["shipper"] == {"dropped": dropped}
    assert document["agent"]["ephemeral_id"] == "p"
    assert document["service"] == {"name": "bench"}
    counts = rig.counters.snapshot()
    assert counts.emitted == counts.delivered == len(rig.sink.accepted) - 1


def test_nothing_is_told_without_drops(rig: Rig, sent: list[Record]) -> None:
    """A process that gave up nothing leaves no such record."""
    assert fill(rig, 5) == {}
    shipment = rig.shipment()
    drain(rig, shipment)
    assert shipment.remove_if_finished()
    assert sent == []


def test_the_folder_waits_for_the_acknowledgement(rig: Rig) -> None:
    """Kafka goes away before the last record: the folder stays, it is sent again, and told once."""
    fill(rig)
    is_away = True
    rig.sink.answer = lambda record: AWAY if is_away and record.sequence == 0 else None
    shipment = rig.shipment()
    for _ in range(40):
        rig.advance(shipment.turn() or 0)
        assert not shipment.remove_if_finished()
    assert rig.sink.attempts.count([0]) > 2
    assert rig.bench.folder().exists()
    is_away = False
    drain(rig, shipment)
    assert shipment.remove_if_finished()
    assert rig.sink.accepted.count(0) == 1


def test_an_adopter_that_dies_in_between_tells_the_same_again(rig: Rig, sent: list[Record]) -> None:
    """U22: sent and not removed: the next one sends the very same bytes, for the same index and id."""
    fill(rig)
    shipment = rig.shipment()
    drain(rig, shipment)
    shipment.close()
    again = rig.shipment()
    drain(rig, again)
    assert again.remove_if_finished()
    first, second = sent
    assert first == second


def test_refused_for_good_it_is_a_dead_letter(rig: Rig) -> None:
    """What Kafka never takes is kept as a dead letter; the folder goes."""
    fill(rig)
    rig.sink.answer = lambda record: RecordRefused("no") if record.sequence == 0 else None
    shipment = rig.shipment()
    drain(rig, shipment)
    assert shipment.remove_if_finished()
    assert [letter.record.event_id for letter in rig.sink.letters] == ["p-0"]


def test_a_damaged_file_is_said_and_no_number_is_made_up(rig: Rig, sent: list[Record]) -> None:
    """Damage: nothing is told of refusals, and standard error says that they are not known."""
    fill(rig)
    (rig.bench.folder() / FILE_NAME).write_bytes(bytes(4096))
    shipment = rig.shipment()
    drain(rig, shipment)
    assert sent == []
    assert any("is damaged" in line for line in rig.told)
    assert shipment.remove_if_finished()


def test_evictions_of_a_damaged_file_are_told_by_the_tombstones(rig: Rig, sent: list[Record]) -> None:
    """Without the counts the folder still explains what it evicted."""
    dropped = fill(rig, when_full="drop_oldest")
    (rig.bench.folder() / FILE_NAME).unlink()
    shipment = rig.shipment()
    drain(rig, shipment)
    (record,) = sent
    assert json.loads(record.payload)["shipper"] == {"dropped": dropped}
    assert rig.told == []
    reader = SpoolReader.open(rig.bench.folder())
    assert reader is None  # the shipment has it
    shipment.close()
    shutil.rmtree(rig.bench.root)
