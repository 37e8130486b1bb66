"""How far shipping is behind, and why: the age of the oldest unsent record, the last trouble."""

from __future__ import annotations

from dataclasses import dataclass

from shipper.clock import Clock


@dataclass(frozen=True, slots=True)
class HealthReport:
    """State of shipping at one moment.

    Attributes:
        oldest_unsent_s: how long the oldest record in hand has been waiting for its acknowledgement, in
            seconds; None if nothing waits.
        oldest_unsent_event_us: its event time, microseconds since the epoch; None likewise.
        last_delivery_age_s: seconds since Kafka last acknowledged anything; None if it never did.
        trouble: why the last attempt failed, one sentence; "" if it did not.
    """

    oldest_unsent_s: float | None
    oldest_unsent_event_us: int | None
    last_delivery_age_s: float | None
    trouble: str

    @property
    def is_healthy(self) -> bool:
        """Whether the last attempt succeeded."""
        return not self.trouble


class Health:
    """Where the shipping thread notes its state. Each note is one store, so readers need no lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._oldest: tuple[float, int] | None = None
        self._delivered_at_s: float | None = None
        self._trouble = ""

    def note_oldest(self, oldest: tuple[float, int] | None) -> None:
        """Note the oldest record in hand: when it was read (monotonic clock, seconds), its event time (µs)."""
        self._oldest = oldest

    def note_delivery(self) -> None:
        """Kafka acknowledged something just now."""
        self._delivered_at_s = self._clock.monotonic_s()
        self._trouble = ""

    def note_trouble(self, sentence: str) -> None:
        """An attempt failed."""
        self._trouble = sentence

    def report(self) -> HealthReport:
        """Return the state now."""
        now_s = self._clock.monotonic_s()
        oldest, delivered_at_s = self._oldest, self._delivered_at_s
        return HealthReport(
            None if oldest is None else max(0.0, now_s - oldest[0]),
            None if oldest is None else oldest[1],
            None if delivered_at_s is None else max(0.0, now_s - delivered_at_s),
            self._trouble,
        )
