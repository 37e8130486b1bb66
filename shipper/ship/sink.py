"""Where records go, and the answer for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from shipper.errors import ShipperError
from shipper.record import Record


@dataclass(frozen=True, slots=True)
class Delivery:
    """The answer for one record: accepted, a retriable failure, or a refusal for good.

    Attributes:
        error: None if accepted; otherwise it says itself whether a repeat can help.
    """

    error: ShipperError | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the destination has it, durably."""
        return self.error is None

    @property
    def is_retriable(self) -> bool:
        """Whether the same record may be accepted later."""
        return self.error is not None and self.error.retriable


ACCEPTED: Final = Delivery()


Answers = Callable[[], Sequence[Delivery]]
"""Waits for what became of a batch: one delivery per record, in the same order. To be called once."""


class Sink(Protocol):
    """A destination. Used by one thread; may block up to its own stated timeout, must not raise."""

    def begin(self, batch: Sequence[Record]) -> Answers:
        """Begin to deliver the whole batch; its answers come later, while more batches may be begun.

        Batches are asked for their answers in the order in which they were begun.
        """

    def send(self, batch: Sequence[Record]) -> Sequence[Delivery]:
        """Deliver the whole batch and return its answers."""

    def close(self, timeout_s: float) -> None:
        """Let go of connections within `timeout_s` seconds."""

    def abandon_in_child(self) -> None:
        """In a forked child: forget inherited connections without using or closing them for the parent."""


class SinkAtOnce:
    """Base of sinks that deliver while they are asked to: nothing of theirs is ever under way."""

    def send(self, batch: Sequence[Record]) -> Sequence[Delivery]:
        """See `Sink.send`."""
        raise NotImplementedError

    def begin(self, batch: Sequence[Record]) -> Answers:
        """See `Sink.begin`."""
        answers = self.send(batch)
        return lambda: answers
