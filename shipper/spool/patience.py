"""How long an append waits for room: by its level, and not over and over for nothing."""

from __future__ import annotations

import threading
from typing import Final

from shipper.clock import Clock
from shipper.spool.policy import DropReason, SpoolPolicy

_STEP_S: Final = 0.01
_WAITABLE: Final = frozenset({DropReason.SPOOL_FULL, DropReason.FREE_SPACE_FLOOR, DropReason.DISK_FULL})

IN_VAIN_AT_ONCE: Final = 5
IN_VAIN_EVERY_S: Final = 1.0
"""So many waits may be in vain one after the other, and then one in this time: while nothing is shipped for hours,
warnings cost an application 5 % of its time at the default of 50 ms, however many they are."""


class Patience:
    """Decides for the appends of one writer. `block` was asked for, and so waits each time.

    For many threads; a race costs one wait more or less.
    """

    def __init__(self, policy: SpoolPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._never = threading.Event()
        self._paid_until_s = float("-inf")

    def wait(self, refusal: DropReason, rank: int, deadline_s: float | None) -> float | None:
        """Wait a step; return until when this append may try again, or None if it is to be dropped now.

        Args:
            rank: see `rank_of`.
            deadline_s: what the last call for the same append returned; None: there was none.
        """
        if refusal not in _WAITABLE:
            return None
        now_s = self._clock.monotonic_s()
        if deadline_s is None:
            budget_s = self._policy.wait_s(rank)
            if not budget_s or self._is_exhausted(now_s):
                return None
            deadline_s = now_s + budget_s
        if now_s >= deadline_s:
            self._paid_until_s = max(self._paid_until_s, now_s) + IN_VAIN_EVERY_S
            return None
        self._clock.wait(self._never, min(_STEP_S, deadline_s - now_s))
        return deadline_s

    def _is_exhausted(self, now_s: float) -> bool:
        is_on_request = self._policy.when_full == "block"
        return not is_on_request and self._paid_until_s - now_s > (IN_VAIN_AT_ONCE - 1) * IN_VAIN_EVERY_S
