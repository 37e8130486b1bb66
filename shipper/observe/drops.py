"""Drops, each of them counted, and told of at a rate that costs nothing: who is full drops as fast as others log."""

from __future__ import annotations

from typing import Final

from shipper.observe.counters import Counters
from shipper.observe.report import Reporter

_BUNCH: Final = 16
"""So many are handed to the reporter at once, which has a limit of rate of its own: to make a sentence of each drop
would cost more than to store the record."""


class Drops:
    """Counts and tells what one spool dropped. Thread-safe as far as it counts; a told number may miss a few."""

    def __init__(self, counters: Counters, reporter: Reporter) -> None:
        self._counters = counters
        self._reporter = reporter
        self._untold: dict[str, int] = {}

    def note(self, reason: str, count: int, trouble: str) -> None:
        """Count `count` drops, and tell of them: the first of a reason at once, later ones together.

        Args:
            trouble: why, as a clause, or "".
        """
        self._counters.count_dropped(reason, count)
        before = self._untold.get(reason)
        untold = count if before is None else before + count
        if before is not None and untold < _BUNCH:
            self._untold[reason] = untold
            return
        self._untold[reason] = 0
        self._tell(reason, untold, trouble)

    def _tell(self, reason: str, count: int, trouble: str) -> None:
        because = f": {trouble}" if trouble else ""
        self._reporter.report(f"drop.{reason}", f"{count} records dropped, {reason}{because}", count)

    def flush(self) -> None:
        """Tell what was counted and not told yet."""
        for reason, count in list(self._untold.items()):
            if count:
                self._untold[reason] = 0
                self._tell(reason, count, "")
