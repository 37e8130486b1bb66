"""The spool against an in-memory twin: random histories of writing, reading, crashing, reopening."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shipper.spool.frame import HEADER_BYTES as FRAME_BYTES
from shipper.spool.policy import SpoolPolicy, rank_of
from shipper.spool.reader import SpoolReader
from shipper.spool.run import SpooledRecord
from shipper.spool.segment import HEADER_BYTES
from shipper.spool.tail import SegmentTail
from shipper.spool.writer import SpoolWriter
from tests.unit.spool.bench import Bench


class SpoolAgainstTwin(RuleBasedStateMachine):
    """The twin is a list of stored bodies, how far they are acknowledged, and how many were evicted."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.bench = Bench(self.folder / "spool")
        self.reader: SpoolReader | None = None
        self.handed_out: list[SpooledRecord] = []
        self.stored: list[bytes] = []
        self.refused = 0
        self.acknowledged = 0
        self.delivered = 0

    @initialize(
        when_full=st.sampled_from(["drop_newest", "drop_oldest", "block"]),
        segment=st.sampled_from([1024, 4096, 16384]),
        writes=st.sampled_from(["mapped", "plain"]),
    )
    def open(self, when_full: str, segment: int, writes: str) -> None:
        """Start with an empty folder of a random shape."""
        self.writer: SpoolWriter = self.bench.writer(
            "p",
            max_bytes=1 << 16,
            segment_max_bytes=segment,
            when_full=when_full,
            block_timeout_s=0,
            writes=writes,
        )
        self.policy = SpoolPolicy(max_bytes=1 << 16, when_full=when_full)  # type: ignore[arg-type]

    @rule(
        records=st.lists(
            st.tuples(st.sampled_from([0, 1, 100, 3000, 17000]), st.sampled_from([10, 20, 30, 40, 50])),
            min_size=1,
            max_size=12,
        )
    )
    def append(self, records: list[tuple[int, int]]) -> None:
        """Each append is stored under the next sequence, or refused and counted, and nothing else."""
        self.bench.clock.advance(1)
        for size, level in records:
            body = b"%d:" % len(self.stored) + bytes(size)
            sequence = self.bench.append(self.writer, body, level=level)
            if sequence is None:
                self.refused += 1
            else:
                self.stored.append(b"<#%d#%d#%s>" % (sequence, sequence, body))
                assert sequence == len(self.stored)
            if self.policy.when_full != "drop_oldest" and not self.writer.is_closed:
                self.the_share_of_the_level_decided(level, len(body), is_stored=sequence is not None)

    def the_share_of_the_level_decided(self, level: int, body_bytes: int, *, is_stored: bool) -> None:
        """What is stored is within its level's share of the cap; what is refused would not have been."""
        used = sum(path.stat().st_size for path in self.bench.root.glob("p/*.segment"))
        tail = self.writer._tail
        if isinstance(tail, SegmentTail):
            used -= tail.allocated_bytes - tail.at
        share = self.policy.max_bytes - self.policy.kept_bytes(rank_of(level))
        if is_stored:
            assert used <= share
        else:
            digits = 2 * len(b"%d" % (len(self.stored) + 1))
            frame = FRAME_BYTES + len(b"ml.app<###>") + digits + body_bytes
            assert used + HEADER_BYTES + frame > share

    @rule(count=st.integers(1, 20))
    def read(self, count: int) -> None:
        """What is read is what was stored, in order, from behind the last acknowledgement; gaps are evictions."""
        if self.reader is None:
            self.reader = SpoolReader.open(self.bench.root / "p")
            assert self.reader is not None
        for _ in range(count):
            record = self.reader.read()
            if record is None:
                break
            last = self.handed_out[-1].sequence if self.handed_out else self.acknowledged
            assert record.sequence > last
            assert record.missing_before == 0
            assert record.payload == self.stored[record.sequence - 1]
            self.handed_out.append(record)

    @precondition(lambda self: self.handed_out)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """Any prefix of what was handed out may be acknowledged."""
        assert self.reader is not None
        count = data.draw(st.integers(1, len(self.handed_out)))
        last = self.handed_out[count - 1]
        self.reader.acknowledge(last.position)
        self.acknowledged = last.sequence
        self.delivered += count
        del self.handed_out[:count]

    @rule()
    def reader_dies(self) -> None:
        """Without its reader the folder forgets what was handed out and not acknowledged."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None
            self.handed_out = []

    @precondition(lambda self: hasattr(self, "writer"))
    @rule()
    def writer_dies(self) -> None:
        """After the death of the writer nothing is stored, all that was stored is there, and its number is noted."""
        self.writer.abandon_in_child()
        before = dict(self.writer.drops)
        assert self.bench.append(self.writer, b"late") is None
        assert self.writer.drops == {**before, "closed": before.get("closed", 0) + 1}
        self.refused += 1

    @invariant()
    def nothing_exceeds_the_cap(self) -> None:
        """The segments never take more than the cap."""
        used = sum(path.stat().st_size for path in self.bench.root.glob("p/*.segment"))
        assert used <= 1 << 16

    def teardown(self) -> None:
        """At the end every record has exactly one fate."""
        try:
            if hasattr(self, "writer"):
                self.writer.close()
                self.finish()
        finally:
            if self.reader is not None:
                self.reader.close()
            shutil.rmtree(self.folder)

    def finish(self) -> None:
        """Drain what is left and do the sum: stored = delivered + evicted."""
        drops = self.writer.drops
        assert sum(count for reason, count in drops.items() if reason != "evicted") == self.refused
        if not (self.bench.root / "p").exists():
            assert not self.stored
            return
        while True:
            before = len(self.handed_out)
            self.read(20)
            if len(self.handed_out) == before:
                break
        assert self.reader is not None
        if self.handed_out:
            self.reader.acknowledge(self.handed_out[-1].position)
            self.delivered += len(self.handed_out)
        assert self.delivered + drops.get("evicted", 0) == len(self.stored)
        assert self.reader.damage.is_none
        assert self.reader.is_finished()


TestSpoolAgainstTwin = SpoolAgainstTwin.TestCase
TestSpoolAgainstTwin.settings = settings(max_examples=80, stateful_step_count=25, deadline=None)
