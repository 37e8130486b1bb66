"""When a batch leaves: by size or by age, never by "nothing more is coming". Pure."""

from __future__ import annotations

from dataclasses import dataclass

from shipper.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of a batch; the fields are those of the settings group `ship`.

    Attributes:
        max_records, max_bytes: a batch with so many records or payload bytes leaves at once.
        linger_s: otherwise it leaves when its oldest record has been in hand so long, in seconds.
    """

    max_records: int = 1000
    max_bytes: int = 1 << 20
    linger_s: float = 0.2

    def __post_init__(self) -> None:
        if self.max_records < 1 or self.max_bytes < 1 or self.linger_s < 0:
            raise ConfigurationError(
                "ship.batch_max_records and ship.batch_max_bytes must be 1 or more, ship.linger_s 0 or more."
            )

    def is_full(self, records: int, size_bytes: int) -> bool:
        """Return whether a batch of this size takes no more. One record always fits, however large."""
        return records >= self.max_records or size_bytes >= self.max_bytes

    def wait_s(self, records: int, size_bytes: int, oldest_s: float, now_s: float) -> float:
        """Return how long a batch may still wait for company; 0 when it is due.

        Args:
            oldest_s: when its oldest record came into hand, on the clock of `now_s`.
        """
        if self.is_full(records, size_bytes):
            return 0.0
        return max(0.0, oldest_s + self.linger_s - now_s)
