"""What waits in a spool, seen without a lease: the same as its reader would return."""

from __future__ import annotations

from pathlib import Path

from shipper.clock import SystemClock
from shipper.spool.directory import list_segments, segment_path
from shipper.spool.policy import SpoolPolicy
from shipper.spool.reader import SpoolReader
from shipper.spool.survey import survey, survey_folder
from shipper.spool.writer import SpoolWriter

PRODUCER = "p" * 20


def writer_in(root: Path, **policy: object) -> SpoolWriter:
    """Open a writer of small segments."""
    values = {"max_bytes": 1 << 20, "segment_max_bytes": 1 << 16, "free_space_floor_bytes": 0, **policy}
    return SpoolWriter.open(
        root,
        SpoolPolicy(**values),  # type: ignore[arg-type]
        producer_id=PRODUCER,
        stamp=b'"id":"p-%d","sequence":%d,',
        clock=SystemClock(),
    )


def append(writer: SpoolWriter, count: int, size: int = 300) -> None:
    """Append records; the event time of each is its number in seconds."""
    for _ in range(count):
        time_us = (writer.last_sequence + 1) * 1_000_000
        writer.append(b"{", b"x" * size + b"}", timestamp_us=time_us, level=20, dataset="ml.app")


def test_what_is_behind_the_checkpoint_waits(tmp_path: Path) -> None:
    """Over several segments, with the writer alive, beside a reader that holds the lease and after it let go."""
    writer = writer_in(tmp_path)
    append(writer, 1000)
    reader = SpoolReader.open(tmp_path / PRODUCER)
    assert reader is not None
    for _ in range(300):
        one = reader.read()
    assert one is not None
    before = survey_folder(tmp_path / PRODUCER)
    assert (before.waiting, before.last, before.acknowledged) == (((1, 1000),), 1000, 0)
    reader.acknowledge(one.position)
    found = survey_folder(tmp_path / PRODUCER)
    assert (found.waiting, found.waiting_count, found.acknowledged) == (((301, 1000),), 700, 300)
    assert (found.oldest_us, found.is_alive) == (301 * 1_000_000, True)
    first = survey_folder(tmp_path / PRODUCER, only_first=True)
    assert (first.waiting, first.oldest_us) == (((301, 301),), found.oldest_us)
    reader.close()
    writer.close()
    (dead,) = survey(tmp_path)
    assert (dead.waiting, dead.is_alive) == (found.waiting, False)


def test_damage_is_a_gap_and_never_a_crash(tmp_path: Path) -> None:
    """U22 U23: a flipped byte costs its record, a removed segment its records: the rest waits, the end is known."""
    writer = writer_in(tmp_path)
    append(writer, 1000)
    writer.close()
    folder = tmp_path / PRODUCER
    numbers = list_segments(folder)
    segment_path(folder, numbers[1]).unlink()
    path = segment_path(folder, numbers[0])
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF
    path.write_bytes(content)
    segment_path(folder, numbers[-1]).unlink()
    found = survey_folder(folder)
    reader = SpoolReader.open(folder)
    assert reader is not None
    returned = set()
    while (one := reader.read()) is not None:
        returned.add(one.sequence)
    reader.close()
    assert {number for first, last in found.waiting for number in range(first, last + 1)} == returned
    assert len(returned) < 1000
    assert found.last == 1000


def test_what_made_room_is_told(tmp_path: Path) -> None:
    """U19: evicted ranges are in the survey, and with what waits they are the whole sequence."""
    writer = writer_in(tmp_path, when_full="drop_oldest")
    append(writer, 5000)
    found = survey_folder(tmp_path / PRODUCER)
    evicted = sum(tombstone.last - tombstone.first + 1 for tombstone in found.tombstones)
    assert evicted > 0
    assert evicted + found.waiting_count == found.last == 5000
    writer.close()


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    """A root that does not exist, and a folder without a record, hold nothing that waits."""
    assert list(survey(tmp_path / "none")) == []
    writer = writer_in(tmp_path)
    (found,) = survey(tmp_path)
    assert (found.waiting, found.oldest_us, found.last) == ((), None, 0)
    writer.close()
