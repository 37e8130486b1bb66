"""Where an event goes. The roads ask here; `shipper.pipeline` answers.

Nothing is opened until the first record: a program that never logs makes no file and no thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:  # `import shipper` loads this module and should cost nothing more
    from shipper.ecs.encode import Encoder
    from shipper.ecs.event import Event
    from shipper.emit.fused import FusedRoad


class Writer(Protocol):
    """Takes encoded events; `shipper.spool.writer.SpoolWriter` is the one that lasts."""

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more, and drops what comes without counting it."""

    def append(
        self, prefix: bytes, suffix: bytes, *, timestamp_us: int, level: int, dataset: str
    ) -> int | None:
        """Keep prefix + stamp(sequence) + suffix; return the sequence, or None if it was dropped."""


class QuickWriter(Writer, Protocol):
    """A writer for the quick way."""

    def put(
        self,
        timestamp_us: int,
        tag: bytes,
        opening: bytes,
        value: object,
        first: bytes,
        second: bytes = b"",
        third: bytes = b"",
        fourth: bytes = b"",
        /,
    ) -> int | None:
        """Do as `append`, for callers that keep `shipper.spool.frame.frame_tag(level, dataset)`.

        The document begins with `opening % (value, sequence, sequence)`.
        """


class Diversion(Writer, Protocol):
    """A writer that takes what is logged in place of the spool: for tests."""

    @property
    def producer_id(self) -> str:
        """Identity of the documents that go there."""


class Outlet(Protocol):
    """Takes events; no method raises an `Exception` or waits past its budget."""

    @property
    def route(self) -> int:
        """A number that differs between outlets that do not share a pipeline."""

    @property
    def fused(self) -> FusedRoad | None:
        """The quick way for events whose shape is known; None: there is none now."""

    @property
    def has_own_time(self) -> bool:
        """Whether a clock was given: then events are stamped by it, not by their records."""

    @property
    def revision(self) -> int:
        """A number that changes when the facts do, and with them what `encoder` returns."""

    def now_us(self) -> int:
        """Return the time for events, microseconds since the epoch."""

    def encoder(self, producer_id: str) -> Encoder:
        """Return an encoder with this outlet's facts, for another producer."""

    def emit(self, event: Event) -> None:
        """Take one event."""

    def refuse(self, reason: str, detail: str, count: int = 1) -> None:
        """Count and report events that could not be taken."""

    def report(self, sentence: str) -> None:
        """Tell a person, at a bounded rate, on a path that is not the pipeline."""


class _Registry:
    """Holds what was provided, so that the roads need not know the composition root.

    Attributes:
        diversion: takes everything while it is set.
        current: what loggers without settings of their own use; None before it was asked for.
    """

    def __init__(self) -> None:
        self.diversion: Diversion | None = None
        self.current: Outlet | None = None
        self._load: Callable[[], Callable[[Mapping[str, object]], Outlet]] | None = None
        self._outlet: Callable[[Mapping[str, object]], Outlet] | None = None

    def register(self, load: Callable[[], Callable[[Mapping[str, object]], Outlet]]) -> None:
        """Say how to load the function that finds outlets; it is called at the first record."""
        self._load = load

    def outlet(self, groups: Mapping[str, object]) -> Outlet:
        """Return the outlet for these groups of settings; without any, the current one. Never raises."""
        if self._outlet is None:
            if self._load is None:
                raise RuntimeError("shipper.emit is used without shipper/__init__.py")
            self._outlet = self._load()
        return self._outlet(groups)


REGISTRY: Final = _Registry()
"""The one registry of this process; `shipper/__init__.py` fills it."""
