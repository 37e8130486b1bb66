"""Any damage to the files: never an exception, never a loop, never a false record, each loss named."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipper.spool.directory import list_segments, segment_path
from tests.unit.spool.bench import Bench

RECORDS = 40


@contextmanager
def filled() -> Iterator[tuple[Bench, dict[int, bytes]]]:
    """A dead writer's folder with some segments, and what was stored in it."""
    with tempfile.TemporaryDirectory(prefix="spool-damage-") as folder:
        bench = Bench(Path(folder) / "spool")
        writer = bench.writer("p", segment_max_bytes=1024)
        stored = {}
        for number in range(1, RECORDS + 1):
            body = b"%d " % number + b"x" * (number * 7 % 150)
            assert bench.append(writer, body) == number
            stored[number] = b"<#%d#%d#%s>" % (number, number, body)
        writer.close()
        yield bench, stored


def check(bench: Bench, stored: dict[int, bytes]) -> None:
    """Read everything: all of it is true, in order, and whatever is absent is a named gap, at the end too."""
    with bench.reader(bench.root / "p") as reader:
        found = bench.drain(reader, limit=10 * RECORDS)
        missing = reader.damage.missing_records
        at_end, _ = reader.missing_at_end
        assert reader.read() is None
        if found:
            reader.acknowledge(found[-1].position)
        assert reader.is_finished()
    last = 0
    for record in found:
        assert record.payload == stored[record.sequence]
        if record.sequence > last:
            assert record.missing_before == record.sequence - last - 1
            last = record.sequence
    assert missing == RECORDS - len({record.sequence for record in found})
    assert at_end == RECORDS - last


Damage = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "remove", "zero", "repeat", "delete"]),
    st.integers(0, 20),
    st.integers(0, 1100),
    st.integers(1, 200),
)


@given(damages=st.lists(Damage, min_size=1, max_size=4))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_segments(damages: list[tuple[str, int, int, int]]) -> None:
    """U22: flipped, cut, inserted, removed, zeroed and repeated bytes, whole segments gone: all survived and named."""
    with filled() as (bench, stored):
        for kind, which, where, length in damages:
            numbers = list_segments(bench.root / "p")
            if not numbers:
                break
            path = segment_path(bench.root / "p", numbers[which % len(numbers)])
            data = path.read_bytes()
            at = where % (len(data) + 1)
            part = data[at : at + length]
            changed = {
                "flip": data[:at] + bytes(byte ^ 0x10 for byte in part) + data[at + length :],
                "cut": data[:at],
                "insert": data[:at] + b"\xff\xfeSF" * (length // 4) + data[at:],
                "remove": data[:at] + data[at + length :],
                "zero": data[:at] + bytes(len(part)) + data[at + length :],
                "repeat": data[: at + length] + data[at:],
                "delete": None,
            }[kind]
            if changed is None:
                path.unlink()
            else:
                path.write_bytes(changed)
        check(bench, stored)


@given(content=st.binary(max_size=3000))
@settings(max_examples=60, deadline=None)
def test_any_bytes_as_a_segment(content: bytes) -> None:
    """A segment of arbitrary bytes yields no record and stalls nothing."""
    with filled() as (bench, stored):
        numbers = list_segments(bench.root / "p")
        segment_path(bench.root / "p", numbers[1]).write_bytes(content)
        check(bench, stored)


@given(checkpoint=st.binary(max_size=60), tombstones=st.binary(max_size=60), meta=st.binary(max_size=60))
@settings(max_examples=40, deadline=None)
def test_any_bytes_in_the_other_files(checkpoint: bytes, tombstones: bytes, meta: bytes) -> None:
    """Arbitrary checkpoint, tombstones and meta.json lose no record: all of it comes (again)."""
    with filled() as (bench, stored):
        for name, content in (("checkpoint", checkpoint), ("tombstones", tombstones), ("meta.json", meta)):
            (bench.root / "p" / name).write_bytes(content)
        assert bench.sequences(bench.root / "p") == sorted(stored)
        check(bench, stored)
