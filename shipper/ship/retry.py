"""Backoff with full jitter, as an immutable value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shipper.errors import ConfigurationError

_DOUBLINGS_MAX = 40


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the next attempt; there is no limit on their number.

    Attributes:
        initial_s: ceiling of the first wait, seconds, > 0.
        max_s: ceiling of all waits, seconds, >= initial_s.
        failures: attempts that failed in a row.
    """

    initial_s: float = 0.1
    max_s: float = 15.0
    failures: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.initial_s <= self.max_s:
            raise ConfigurationError(
                f"ship.retry_initial_s ({self.initial_s}) must be more than 0 "
                f"and at most ship.retry_max_s ({self.max_s})."
            )

    def failed(self) -> Backoff:
        """Return the value after one more failure."""
        return replace(self, failures=self.failures + 1)

    def succeeded(self) -> Backoff:
        """Return the value after a success."""
        return self if self.failures == 0 else replace(self, failures=0)

    @property
    def ceiling_s(self) -> float:
        """Longest wait before the next attempt: doubles with each failure up to `max_s`; 0 without one."""
        if self.failures == 0:
            return 0.0
        return min(self.max_s, self.initial_s * 2.0 ** min(self.failures - 1, _DOUBLINGS_MAX))

    def delay_s(self, random: Callable[[], float]) -> float:
        """Return a wait drawn evenly from 0 to the ceiling; `random` gives numbers from [0, 1).

        Drawn from the whole range, so that many who failed together do not come back together.
        """
        return self.ceiling_s * random()
