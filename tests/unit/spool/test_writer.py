"""Appending: sequences, drops with a reason, policies, never an exception."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from shipper.errors import ConfigurationError
from shipper.spool.directory import read_meta, scan, segment_path
from shipper.spool.disk import Disk
from shipper.spool.policy import SpoolPolicy
from shipper.spool.writer import SpoolWriter
from tests.unit.spool.bench import Bench


class FaultyDisk(Disk):
    """A disk that takes no more while `error` says why; of what is allocated then, `part` is taken before."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.part: float | None = None
        self.truncate_error: int | None = None
        self.sync_error: int | None = None
        self.free: int | None = None
        self.looks = 0

    def create(self, path: Path) -> int:
        if self.error is not None and self.part is None:
            raise OSError(self.error, "injected")
        return super().create(path)

    def allocate(self, descriptor: int, start: int, end: int) -> None:
        if self.error is not None:
            super().allocate(descriptor, start, start + int((end - start) * (self.part or 0)))
            raise OSError(self.error, "injected")
        super().allocate(descriptor, start, end)

    def zero(self, descriptor: int, start: int, end: int) -> None:
        if self.error is not None:
            raise OSError(self.error, "injected")
        super().zero(descriptor, start, end)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        if self.truncate_error is not None:
            raise OSError(self.truncate_error, "injected")
        super().truncate(descriptor, size_bytes)

    def sync(self, descriptor: int) -> None:
        if self.sync_error is not None:
            raise OSError(self.sync_error, "injected")
        super().sync(descriptor)

    def free_bytes(self, path: Path) -> int:
        self.looks += 1
        return super().free_bytes(path) if self.free is None else self.free


class Hook:
    """An event time that does something at the instant at which it is packed: inside an append, under its lock."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action

    def __index__(self) -> int:
        self._action()
        return 1


def test_the_stamp_is_part_of_the_record(bench: Bench) -> None:
    """The record is prefix + stamp(sequence) + suffix, and its header carries time, level and dataset."""
    writer = bench.writer()
    assert writer.append(b"a", b"c", timestamp_us=12, level=40, dataset="ml.inference") == 1
    with bench.reader() as reader:
        record = reader.read()
    writer.close()
    assert record is not None
    assert (record.payload, record.timestamp_us, record.level, record.dataset) == (
        b"a#1#1#c",
        12,
        40,
        "ml.inference",
    )


def test_sequences_from_many_threads_have_no_gap(bench: Bench) -> None:
    """Appends from many threads get 1, 2, 3 ... each once, in the order of the file."""
    writer = bench.writer(segment_max_bytes=4096)

    def work() -> None:
        for _ in range(200):
            assert bench.append(writer) is not None

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert bench.sequences() == list(range(1, 1201))


def test_the_folder_tells_who_and_where(bench: Bench) -> None:
    """An adopter learns service, namespace and destination from meta.json; records stay private to the user."""
    writer = SpoolWriter.open(
        bench.root,
        SpoolPolicy(free_space_floor_bytes=0),
        producer_id="p1",
        stamp=b"%d,%d",
        clock=bench.clock,
        service="fraud",
        namespace="team_a",
        destination="kafka:x/y",
        shipped_by="agent",
    )
    directory = writer.directory
    assert directory is not None
    meta = read_meta(directory)
    assert (meta.producer_id, meta.service, meta.namespace, meta.destination, meta.shipped_by) == (
        "p1",
        "fraud",
        "team_a",
        "kafka:x/y",
        "agent",
    )
    bench.append(writer)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()}
    assert (stat.S_IMODE(directory.stat().st_mode), modes) == (0o700, {0o600})
    writer.close()


def test_a_full_spool_drops_the_newest_and_counts_it(bench: Bench) -> None:
    """U15: with drop_newest a record over the cap is refused, counted under its reason, and leaves no gap."""
    writer = bench.writer(max_bytes=1 << 16)
    stored = [bench.append(writer, bytes(1000)) for _ in range(100)]
    kept = [sequence for sequence in stored if sequence is not None]
    assert kept == list(range(1, len(kept) + 1))
    assert writer.drops == {"spool_full": 100 - len(kept)}
    assert sum(count for _, count in bench.drops) == 100 - len(kept)
    writer.close()
    assert sum(path.stat().st_size for path in bench.folder().glob("*.segment")) <= 1 << 16
    assert bench.sequences() == kept


def test_room_that_a_reader_makes_is_used(bench: Bench) -> None:
    """After a reader has acknowledged and deleted segments, appends go through again, in sequence."""
    writer = bench.writer(max_bytes=1 << 16)
    while bench.append(writer, bytes(1000)) is not None:
        pass
    last = writer.last_sequence
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[-1].position)
        bench.clock.advance(1)
        assert bench.append(writer, bytes(1000)) == last + 1
        record = reader.read()
        assert record is not None
        assert (record.sequence, record.missing_before) == (last + 1, 0)
    writer.close()


def test_drop_oldest_keeps_the_newest_and_explains_the_gap(bench: Bench) -> None:
    """U15: with drop_oldest the newest records are always there; what went is counted and explained, not missing."""
    writer = bench.writer(max_bytes=1 << 16, when_full="drop_oldest")
    for expected in range(1, 301):
        assert bench.append(writer, bytes(1000)) == expected
    writer.close()
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert reader.damage.is_none
    assert [record.sequence for record in found] == list(range(301 - len(found), 301))
    assert found[0].missing_before == 0
    assert writer.drops == {"evicted": 300 - len(found)}


def test_drop_oldest_leaves_a_held_segment_alone(bench: Bench) -> None:
    """A segment whose records a reader has in hand is not evicted: none is both sent and counted as dropped."""
    writer = bench.writer(max_bytes=1 << 16, when_full="drop_oldest")
    bench.append(writer, bytes(1000))
    with bench.reader() as reader:
        first = reader.read()
        assert first is not None
        for _ in range(300):
            assert bench.append(writer, bytes(1000)) is not None
        rest = bench.drain(reader)
        assert reader.damage.missing_records == 0
        reader.acknowledge(rest[-1].position)
    writer.close()
    assert 1 + len(rest) + writer.drops["evicted"] == 301
    assert rest[-1].sequence == 301


def test_drop_oldest_does_not_count_what_was_acknowledged(bench: Bench) -> None:
    """Evicting a segment of which a part was delivered counts only the other part as dropped."""
    writer = bench.writer(max_bytes=1 << 16, when_full="drop_oldest")
    for _ in range(30):
        bench.append(writer, bytes(1000))
    with bench.reader() as reader:
        for _ in range(5):
            record = reader.read()
        assert record is not None
        reader.acknowledge(record.position)
    for _ in range(300):
        bench.append(writer, bytes(1000))
    writer.close()
    with bench.reader() as reader:
        left = bench.drain(reader)
        assert reader.damage.missing_records == 0
    assert 5 + len(left) + writer.drops["evicted"] == 330


def test_block_waits_for_room_up_to_its_timeout(bench: Bench) -> None:
    """U15: with block an append waits until a reader makes room, and no longer than the timeout."""
    writer = bench.writer(max_bytes=1 << 16, when_full="block", block_timeout_s=0.5, clock=SystemClock())
    while writer.last_sequence < 62:
        bench.append(writer, bytes(1000), level=40)

    def read() -> None:
        with bench.reader() as reader:
            reader.acknowledge(bench.drain(reader)[-1].position)

    thread = threading.Timer(0.1, read)
    thread.start()
    sequence = writer.last_sequence
    while (found := bench.append(writer, bytes(1000), level=40)) is not None and found < 70:
        sequence = found
    thread.join()
    assert sequence >= 69
    started = time.monotonic()
    while bench.append(writer, bytes(1000), level=40) is not None:
        started = time.monotonic()
    assert 0.45 < time.monotonic() - started < 2
    assert writer.drops == {"spool_full": 1}
    writer.close()


@pytest.mark.parametrize("truncate_error", [None, errno.EROFS])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.5])
def test_an_allocation_that_fails_half_way_costs_no_record(
    bench: Bench, part: float, truncate_error: int | None
) -> None:
    """U26: what a full disk allocated in part is given back (or left as zeros): no torn frame, no gap, counted drops."""
    disk = FaultyDisk()
    writer = bench.writer(disk=disk)
    assert bench.append(writer, bytes(1000)) == 1
    path = segment_path(bench.folder(), 1)
    size = path.stat().st_size
    disk.part, disk.error, disk.truncate_error = part, errno.ENOSPC, truncate_error
    assert bench.append(writer, bytes(size)) is None
    assert bench.append(writer, bytes(size)) is None
    assert writer.trouble
    assert truncate_error or path.stat().st_size == size
    disk.error = disk.truncate_error = None
    bench.clock.advance(1)
    assert bench.append(writer, bytes(size)) == 2
    assert bench.append(writer, b"after") == 3
    assert writer.trouble == ""
    writer.close()
    with bench.reader() as reader:
        found = bench.drain(reader)
        assert reader.damage.is_none
    assert [(record.sequence, record.missing_before) for record in found] == [(1, 0), (2, 0), (3, 0)]
    assert writer.drops == {"disk_full": 2}


def test_what_is_allocated_is_used_up_on_a_full_disk(bench: Bench) -> None:
    """U26: a record that has its place already is stored, however full the disk has become since."""
    disk = FaultyDisk()
    writer = bench.writer(disk=disk)
    bench.append(writer)
    disk.error = errno.ENOSPC
    assert bench.append(writer, bytes(1000)) == 2
    writer.close()
    assert bench.sequences() == [1, 2]


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EFBIG, "disk_full"),
        (errno.EROFS, "disk_error"),
        (errno.EIO, "disk_error"),
    ],
)
def test_disk_trouble_is_a_drop_and_never_an_exception(bench: Bench, number: int, reason: str) -> None:
    """U26: whatever the disk says, append returns None and counts; when the disk is well, it goes on."""
    disk = FaultyDisk()
    writer = bench.writer(disk=disk, segment_max_bytes=1024)
    disk.error = number
    assert [bench.append(writer) for _ in range(3)] == [None] * 3
    disk.error = None
    bench.clock.advance(0.1)
    assert bench.append(writer) == 1
    disk.error = number
    assert [bench.append(writer, bytes(1500)) for _ in range(5)] == [None] * 5
    disk.error = None
    bench.clock.advance(0.1)
    assert bench.append(writer) == 2
    assert writer.drops == {reason: 8}
    writer.close()
    assert bench.sequences() == [1, 2]


def test_a_full_disk_is_not_asked_for_each_record(bench: Bench) -> None:
    """U12: dropping costs no more than storing: what was refused is asked for again only after a moment."""

    class CountingDisk(FaultyDisk):
        asked = 0

        def create(self, path: Path) -> int:
            self.asked += 1
            return super().create(path)

    disk = CountingDisk()
    writer = bench.writer(disk=disk)
    disk.error = errno.ENOSPC
    disk.asked = 0
    for _ in range(500):
        assert bench.append(writer) is None
    assert disk.asked == 2, "a generous step, and what the record needs"
    bench.clock.advance(0.1)
    bench.append(writer)
    assert disk.asked == 4
    assert writer.drops == {"disk_full": 501}
    writer.close()


def test_a_small_disk_is_allocated_in_small_steps(bench: Bench) -> None:
    """U26: where a generous step has no room, what the record needs may have it."""

    class TightDisk(Disk):
        def allocate(self, descriptor: int, start: int, end: int) -> None:
            if end - start > 5000:
                raise OSError(errno.ENOSPC, "injected")
            super().allocate(descriptor, start, end)

    writer = bench.writer(disk=TightDisk())
    assert [bench.append(writer, bytes(2000)) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert bench.append(writer, bytes(6000)) is None
    writer.close()
    assert writer.drops == {"disk_full": 1}
    assert bench.sequences() == [1, 2, 3, 4, 5]


def test_segments_are_preallocated_and_cut_to_size(bench: Bench) -> None:
    """A file has blocks for all of its size while it is written, little at first, and only what it holds at the end."""
    writer = bench.writer(segment_max_bytes=4 << 20)
    bench.append(writer)
    path = segment_path(bench.folder(), 1)
    sizes = [path.stat().st_size]
    while len(list(bench.folder().glob("*.segment"))) == 1:
        found = path.stat()
        assert found.st_blocks * 512 >= found.st_size, "a hole: on a full disk it would kill the process"
        if found.st_size != sizes[-1]:
            sizes.append(found.st_size)
        bench.append(writer, bytes(10_000))
    assert sizes[0] == 1 << 18
    assert sizes == sorted(sizes)
    assert 3 <= len(sizes) <= 8
    assert (4 << 20) - 11_000 < path.stat().st_size <= 4 << 20
    writer.close()
    last = segment_path(bench.folder(), 2)
    assert last.stat().st_size < 11_000


def test_the_free_space_floor_holds_and_is_not_asked_at_each_append(bench: Bench) -> None:
    """U26: below the floor nothing is allocated; the file system is asked about once a second, not per record."""
    disk = FaultyDisk()
    disk.free = 100 << 20
    writer = bench.writer(disk=disk, free_space_floor_bytes=64 << 20, segment_max_bytes=1 << 16)
    for _ in range(100):
        assert bench.append(writer, bytes(1000)) is not None
    assert disk.looks == 1
    stored = writer.last_sequence
    disk.free = 64 << 20
    bench.clock.advance(1.1)
    taken = [bench.append(writer, bytes(1000)) for _ in range(200)]
    allocated = 2 * (1 << 16) // 1000
    assert sum(sequence is not None for sequence in taken) <= allocated - stored
    assert taken[-1] is None
    assert disk.looks == 2
    stored = writer.last_sequence
    disk.free = 100 << 20
    bench.clock.advance(0.2)
    assert bench.append(writer) == stored + 1
    assert writer.drops == {"free_space_floor": taken.count(None)}
    writer.close()


def test_drop_oldest_does_not_empty_the_spool_when_others_fill_the_disk(bench: Bench) -> None:
    """Below the floor by more than the spool holds, evicting could not help, so nothing is evicted."""
    disk = FaultyDisk()
    disk.free = 100 << 20
    writer = bench.writer(
        disk=disk,
        free_space_floor_bytes=64 << 20,
        when_full="drop_oldest",
        max_bytes=1 << 20,
        segment_max_bytes=4096,
    )
    for _ in range(50):
        bench.append(writer, bytes(1000))
    disk.free = 10 << 20
    bench.clock.advance(2)
    while bench.append(writer, bytes(1000)) is not None:
        pass
    last = writer.last_sequence
    assert last < 60
    writer.close()
    assert writer.drops == {"free_space_floor": 1}
    assert bench.sequences() == list(range(1, last + 1))


@pytest.mark.parametrize("what", ["folder", "root", "segment", "moved", "cut"])
@pytest.mark.parametrize("is_tended", [True, False])
def test_a_folder_that_is_taken_away_is_made_anew(bench: Bench, what: str, is_tended: bool) -> None:
    """A folder deleted under its writer costs what was in it; the writer notices and goes on, in sequence."""
    writer = bench.writer("p")
    for _ in range(10):
        bench.append(writer, bytes(1000))
    with bench.reader() as reader:
        reader.acknowledge(bench.drain(reader)[3].position)
    if is_tended:
        writer.sync_if_due()
    path = segment_path(bench.root / "p", 1)
    match what:
        case "folder":
            shutil.rmtree(bench.root / "p")
        case "root":
            shutil.rmtree(bench.root)
        case "segment":
            path.unlink()
        case "moved":
            (bench.root / "p").rename(bench.root / "q")
        case "cut":
            os.truncate(path, 5000)
    if is_tended:
        bench.clock.advance(5)
        writer.sync_if_due()
        assert bench.append(writer) == 11
    else:
        # Until it looks, it writes into what is mapped: nothing that was cut off, or it would die.
        for _ in range(100 if what != "cut" else 0):
            assert bench.append(writer, bytes(1000)) is not None
    last = bench.append(writer, bytes(200_000))
    assert last == writer.last_sequence
    assert writer.trouble == ""
    assert writer.drops == {}
    writer.close()
    with bench.reader(bench.root / "p") as reader:
        found = bench.drain(reader)
        assert found[-1].sequence == last
        first = min(record.sequence for record in found if record.sequence > 10)
        known = 4 if is_tended or what in ("segment", "cut") else 0
        in_hand = [record.sequence for record in found if record.sequence <= 10]
        assert reader.damage.missing_records == first - 1 - known - len(in_hand)


def test_a_failing_fsync_is_trouble_but_no_drop(bench: Bench) -> None:
    """A record that is stored but could not be synced is told as trouble; it is not counted as dropped too."""
    disk = FaultyDisk()
    writer = bench.writer(disk=disk, fsync="always")
    disk.sync_error = errno.EIO
    assert bench.append(writer) == 1
    assert writer.trouble
    disk.sync_error = None
    assert bench.append(writer) == 2
    assert writer.trouble == ""
    writer.close()
    assert bench.sequences() == [1, 2]
    assert writer.drops == {}


@pytest.mark.parametrize(("policy", "syncs"), [("never", 0), ("interval", 2), ("always", 10)])
def test_fsync_policies(bench: Bench, policy: str, syncs: int) -> None:
    """never syncs nothing, always each append, interval when the interval is over and at close."""

    class CountingDisk(Disk):
        synced = 0

        def sync(self, descriptor: int) -> None:
            self.synced += 1
            super().sync(descriptor)

    disk = CountingDisk()
    writer = bench.writer(disk=disk, fsync=policy, fsync_interval_s=1.0)
    for number in range(10):
        bench.append(writer)
        if number == 4:
            bench.clock.advance(1.5)
            writer.sync_if_due()
    writer.close()
    assert disk.synced == syncs


def test_an_unusable_root_drops_and_recovers(bench: Bench) -> None:
    """A root that cannot be made is reported, drops under its own reason, and is used as soon as it can be."""
    bench.root.write_text("in the way")
    writer = bench.writer()
    assert writer.directory is None
    assert str(bench.root) in writer.trouble
    assert [bench.append(writer) for _ in range(3)] == [None] * 3
    assert writer.drops == {"spool_unavailable": 3}
    bench.root.unlink()
    assert bench.append(writer) is None  # tried again at most once a second
    bench.clock.advance(2)
    assert bench.append(writer) == 1
    writer.close()
    assert bench.sequences() == [1]


def test_a_record_larger_than_the_spool_is_refused(bench: Bench) -> None:
    """U38: a record that can never fit is dropped at once under its own reason, whatever the policy."""
    writer = bench.writer(max_bytes=1 << 16, when_full="block", block_timeout_s=60)
    assert bench.append(writer, bytes(1 << 16)) is None
    assert bench.append(writer, bytes(40_000)) == 1
    assert writer.drops == {"too_large": 1}
    writer.close()
    assert bench.sequences() == [1]


def test_an_append_inside_an_append_is_dropped_not_waited_for(bench: Bench) -> None:
    """U08: what logs from inside our own append (a destructor, a signal handler) never waits for our lock."""
    inner: list[int | None] = []
    writer = bench.writer()
    hook = Hook(lambda: inner.append(bench.append(writer, b"inner")))
    assert bench.append(writer, timestamp_us=hook) == 1
    assert inner == [None]
    assert writer.drops == {"reentry": 1}
    writer.close()
    assert bench.sequences() == [1]


def test_an_append_of_another_thread_is_waited_for(bench: Bench) -> None:
    """A lock that another thread holds is no reason to drop a record."""
    writer = bench.writer()
    is_inside, may_go = threading.Event(), threading.Event()

    def stay() -> None:
        is_inside.set()
        may_go.wait(20)

    slow = threading.Thread(target=bench.append, args=(writer,), kwargs={"timestamp_us": Hook(stay)})
    slow.start()
    assert is_inside.wait(20)
    found: list[int | None] = []
    other = threading.Thread(target=lambda: found.append(bench.append(writer)))
    other.start()
    other.join(0.05)
    assert found == []
    may_go.set()
    slow.join()
    other.join()
    assert found == [2]
    assert writer.drops == {}
    writer.close()


def test_close_from_inside_an_append_lets_it_finish(bench: Bench) -> None:
    """A signal handler that closes while its own thread appends does not wait for itself; then nothing is taken."""
    writer = bench.writer()
    assert bench.append(writer, timestamp_us=Hook(writer.close)) is None
    assert bench.append(writer) is None
    assert writer.drops == {"closed": 2}
    writer.close()


def test_an_exception_of_the_application_is_not_taken_for_the_disk(bench: Bench) -> None:
    """A TimeoutError that a signal handler raises inside append reaches the application, and costs no record."""

    class AlarmingDisk(Disk):
        is_due = False

        def allocate(self, descriptor: int, start: int, end: int) -> None:
            super().allocate(descriptor, start, end)
            if self.is_due:
                raise TimeoutError

    disk = AlarmingDisk()
    writer = bench.writer(disk=disk)
    bench.append(writer)
    disk.is_due = True
    with pytest.raises(TimeoutError):
        bench.append(writer, bytes(1 << 20))
    disk.is_due = False
    assert bench.append(writer, bytes(1 << 20)) == 2
    writer.close()
    assert bench.sequences() == [1, 2]


def test_close_is_idempotent_and_later_appends_are_counted(bench: Bench) -> None:
    """U20: close may be called twice; what comes after it is dropped with reason closed."""
    writer = bench.writer()
    bench.append(writer)
    writer.close()
    writer.close()
    assert bench.append(writer) is None
    assert writer.drops == {"closed": 1}
    assert writer.last_sequence == 1


def test_an_empty_folder_is_removed_at_close(bench: Bench) -> None:
    """A process that logs nothing leaves nothing behind."""
    bench.writer().close()
    assert scan(bench.root) == []
    assert list(bench.root.iterdir()) == []


def test_segments_roll_at_their_size(bench: Bench) -> None:
    """A segment is closed before it would exceed its size; a larger record gets one of its own."""
    writer = bench.writer(segment_max_bytes=4096)
    for size in (1500, 1500, 1500, 9000, 100):
        bench.append(writer, bytes(size))
    folder = bench.folder()
    writer.close()
    sizes = [segment_path(folder, number).stat().st_size for number in (1, 2, 3, 4)]
    assert [size > 4096 for size in sizes] == [False, False, True, False]
    assert bench.sequences() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["", "a/b", "..", "x" * 33, ".new-x"])
def test_a_producer_id_that_is_no_name_is_a_programmers_error(bench: Bench, name: str) -> None:
    """A producer id becomes a folder's name, so it may not be anything else."""
    with pytest.raises(ValueError, match="producer id"):
        SpoolWriter.open(bench.root, SpoolPolicy(), producer_id=name, stamp=b"%d,%d", clock=bench.clock)


@pytest.mark.parametrize("stamp", [b"", b"%d", b"%d%d%d", b"%d%%d", b"%d %d %s"])
def test_a_stamp_has_two_places_for_the_sequence(bench: Bench, stamp: bytes) -> None:
    """A template that would not give the sequence, or an error at each record, is a programmer's error."""
    with pytest.raises(ValueError, match="stamp"):
        bench.writer(stamp=stamp)


@pytest.mark.parametrize(
    "policy",
    [
        {"max_bytes": 1000},
        {"segment_max_bytes": 10},
        {"free_space_floor_bytes": -1},
        {"fsync_interval_s": 0},
        {"block_timeout_s": -1},
    ],
)
def test_policies_out_of_range_are_refused(policy: dict[str, float]) -> None:
    """U39: values out of a sane range are refused at the start, in a sentence that names them."""
    with pytest.raises(ConfigurationError, match=r"spool\."):
        SpoolPolicy(**policy)  # type: ignore[arg-type]


@pytest.mark.parametrize("cycles", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_descriptors_return_after_a_thousand_cycles(cycles: int) -> None:
    """U21: threads and descriptors are the same after 1,000 open/append/close/read cycles as before."""
    descriptors = Path("/proc/self/fd")
    memory = Path("/dev/shm")  # a disk would make this test slow, and is not its subject
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        bench = Bench(Path(folder) / "spool")
        before = (len(list(descriptors.iterdir())), threading.active_count())
        for _ in range(cycles):
            writer = bench.writer()
            bench.append(writer)
            writer.close()
            with bench.reader() as reader:
                record = reader.read()
                assert record is not None
                reader.acknowledge(record.position)
                assert reader.read() is None
                reader.remove()
        assert (len(list(descriptors.iterdir())), threading.active_count()) == before
        assert list(bench.root.iterdir()) == []
