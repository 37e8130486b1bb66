"""How long to wait for a server, and what to tell meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from shipper.clock import Clock

_REPORT_INTERVAL_S = 30.0
_STEP_S = 1.0


class Interrupted(Exception):
    """A stop was asked for while waiting. Work in hand is given up, never half counted."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `initial_s` to `max_s`; half of each is left to chance."""

    initial_s: float = 0.1
    max_s: float = 15.0

    def pause_s(self, attempt: int, random: Random) -> float:
        """Return the pause before the repeat number `attempt` (from 0)."""
        whole = min(self.max_s, self.initial_s * 2.0 ** min(attempt, 30))
        return whole * (0.5 + 0.5 * random.random())


class Patience:
    """Waits without limit for something that can be repaired, and says so.

    Args:
        keep_alive: called at least once a second while waiting.
        report: takes one sentence for a person.
    """

    def __init__(
        self,
        backoff: Backoff,
        *,
        clock: Clock,
        random: Random,
        stop: threading.Event,
        keep_alive: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        self._backoff = backoff
        self._clock = clock
        self._random = random
        self._stop = stop
        self._keep_alive = keep_alive
        self._report = report
        self._attempt = 0
        self._since_s: float | None = None
        self._reported_s: float | None = None
        self._is_reported = False

    def wait(self, why: str) -> None:
        """Pause before the next attempt; the longer the trouble lasts, the longer.

        Raises:
            Interrupted: a stop was asked for.
        """
        now = self._clock.monotonic_s()
        if self._since_s is None:
            self._since_s = now
        self._tell(why, now)
        left_s = self._backoff.pause_s(self._attempt, self._random)
        self._attempt += 1
        while left_s > 0:
            self._keep_alive()
            if self._clock.wait(self._stop, min(left_s, _STEP_S)):
                raise Interrupted
            left_s -= _STEP_S

    @property
    def is_over(self) -> bool:
        """Whether a stop was asked for: nothing new is to be begun."""
        return self._stop.is_set()

    def stay(self) -> None:
        """Do what has to be done at least once a second while waiting for something else than time."""
        self._keep_alive()

    def progressed(self) -> None:
        """Something succeeded: the next trouble starts with a short pause again."""
        if self._is_reported and self._since_s is not None:
            self._report(f"going on after {self._clock.monotonic_s() - self._since_s:.0f} s")
        self._is_reported = False
        self._attempt = 0
        self._since_s = None

    def _tell(self, why: str, now: float) -> None:
        """A pause under a second is ordinary life; what lasts is told at once and then now and then."""
        if self._since_s is None or now - self._since_s < _STEP_S:
            return
        if self._reported_s is None or now - self._reported_s >= _REPORT_INTERVAL_S:
            self._report(f"waiting, nothing is lost: {why}")
            self._reported_s = now
            self._is_reported = True
