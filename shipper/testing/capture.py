"""An in-memory end of the road, in place of the spool."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

import shipper.process
from shipper.ecs.encode import stamp
from shipper.emit.logger import CHAIN
from shipper.emit.outlet import REGISTRY
from shipper.emit.processors import ship
from shipper.record import Record, new_producer_id


class CapturedRecords:
    """What was logged while it was in place; grows as more is logged."""

    def __init__(self) -> None:
        self.producer_id = new_producer_id()
        self.is_closed = False
        self._records: list[Record] = []
        self._sequence_start = 1
        self._lock = threading.RLock()

    @property
    def records(self) -> list[Record]:
        """The encoded records, in order."""
        return list(self._records)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The documents as Elasticsearch would get them."""
        return [json.loads(record.payload) for record in self._records]

    @property
    def messages(self) -> list[str]:
        """The messages alone."""
        return [document["message"] for document in self.documents]

    def clear(self) -> None:
        """Forget what was captured; sequences go on."""
        with self._lock:
            self._sequence_start = self._next()
            self._records.clear()

    def _next(self) -> int:
        return self._sequence_start + len(self._records)

    def append(
        self, prefix: bytes, suffix: bytes, *, timestamp_us: int, level: int, dataset: str
    ) -> int | None:
        """Take one record, as the spool would."""
        with self._lock:
            sequence = self._next()
            payload = prefix + stamp(self.producer_id, sequence) + suffix
            self._records.append(Record(self.producer_id, sequence, timestamp_us, level, dataset, payload))
            return sequence

    def __len__(self) -> int:
        return len(self._records)


@contextmanager
def capture() -> Iterator[CapturedRecords]:
    """Divert all that is logged on any road and any thread into memory, whatever is configured.

    Works with loggers and handlers that exist already. Nested captures: the innermost takes all.
    """
    found = CapturedRecords()
    before, REGISTRY.diversion = REGISTRY.diversion, found
    try:
        yield found
    finally:
        REGISTRY.diversion = before


def reset() -> None:
    """Close all pipelines (within a second) and forget them, the threshold and structlog's configuration: a fresh start."""
    shipper.process.forget()
    CHAIN[:] = [ship]
    structlog.reset_defaults()
