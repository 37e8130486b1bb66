"""A spool whose shipping thread starts with the first record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shipper.spool.writer import SpoolWriter


class Starter(Protocol):
    """What starts the thread."""

    def start(self) -> bool:
        """Start it if it does not run; return whether it does."""


class ShippedSpool:
    """Takes records as `SpoolWriter` does, and starts a worker after the first.

    Attributes:
        append, put: of the writer; until the worker runs, ones that also start it. Once it does, this object
            costs a record nothing: so look them up for each record, and do not keep them.
    """

    __slots__ = ("_spool", "_worker", "append", "put")

    def __init__(self, spool: SpoolWriter, worker: Starter) -> None:
        self._spool = spool
        self._worker = worker
        self.append: Callable[..., int | None] = self._append_first
        self.put: Callable[..., int | None] = self._put_first

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more."""
        return self._spool.is_closed

    def _append_first(
        self, prefix: bytes, suffix: bytes, *, timestamp_us: int, level: int, dataset: str
    ) -> int | None:
        sequence = self._spool.append(prefix, suffix, timestamp_us=timestamp_us, level=level, dataset=dataset)
        self._start()
        return sequence

    def _put_first(
        self, timestamp_us: int, tag: bytes, opening: bytes, value: object, *suffix: bytes
    ) -> int | None:
        sequence = self._spool.put(timestamp_us, tag, opening, value, *suffix)
        self._start()
        return sequence

    def _start(self) -> None:
        if self._worker.start():
            self.append, self.put = self._spool.append, self._spool.put
