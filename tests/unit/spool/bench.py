"""A spool root with short ways to write and read in it, for all tests of the spool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipper.clock import Clock, ManualClock
from shipper.spool.directory import scan
from shipper.spool.disk import Disk
from shipper.spool.policy import SpoolPolicy
from shipper.spool.reader import SpoolReader
from shipper.spool.run import SpooledRecord
from shipper.spool.writer import SpoolWriter


class Bench:
    """A spool root with short ways to write and read in it."""

    def __init__(self, root: Path, writes: str = "auto") -> None:
        self.root = root
        self.writes = writes
        self.clock = ManualClock()
        self.drops: list[tuple[str, int]] = []
        self._made = 0

    def beside(self, name: object) -> Bench:
        """Return another spool root of the same kind, beside this one."""
        return Bench(self.root.parent / str(name), self.writes)

    def writer(
        self,
        producer_id: str | None = None,
        *,
        disk: Disk | None = None,
        clock: Clock | None = None,
        stamp: bytes = b"#%d#%d#",
        **policy: Any,
    ) -> SpoolWriter:
        """Open a writer; without a free-space floor unless asked for, so that the test machine's disk is no part.

        And without waiting for room: waiting moves a clock that is moved by hand.
        """
        self._made += 1
        policy = {"free_space_floor_bytes": 0, "warning_wait_s": 0, "writes": self.writes, **policy}
        return SpoolWriter.open(
            self.root,
            SpoolPolicy(**policy),
            producer_id=producer_id or f"producer-{self._made}",
            stamp=stamp,
            clock=clock or self.clock,
            service="bench",
            on_drop=lambda reason, count: self.drops.append((reason, count)),
            disk=disk,
        )

    def append(self, writer: SpoolWriter, body: bytes = b"body", **meta: Any) -> int | None:
        """Append one record with defaults."""
        meta = {"timestamp_us": 1, "level": 20, "dataset": "ml.app", **meta}
        return writer.append(b"<", body + b">", **meta)

    def folder(self) -> Path:
        """Return the only folder under the root."""
        (found,) = scan(self.root)
        return found

    @contextmanager
    def reader(self, directory: Path | None = None, disk: Disk | None = None) -> Iterator[SpoolReader]:
        """Open a reader that must get the lease; close it."""
        reader = SpoolReader.open(directory or self.folder(), disk=disk or Disk())
        assert reader is not None
        try:
            yield reader
        finally:
            reader.close()

    def drain(self, reader: SpoolReader, limit: int = 100_000) -> list[SpooledRecord]:
        """Read until there is nothing now; `limit` guards against a loop."""
        found: list[SpooledRecord] = []
        while (record := reader.read()) is not None:
            found.append(record)
            assert len(found) <= limit, "the reader loops"
        return found

    def sequences(self, directory: Path | None = None) -> list[int]:
        """Return the sequences of all records in a folder that are not acknowledged."""
        with self.reader(directory) as reader:
            return [record.sequence for record in self.drain(reader)]
