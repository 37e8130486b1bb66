"""What a sampler remembers: tokens per rule, and per kind of event what was dropped and is not told of yet.

Pure but for its own state; the time is passed in. Not thread-safe: the sampler has the lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

MOST_CELLS: Final = 4096
"""Kinds of events that are told apart; the one that was seen longest ago is summarised and forgotten."""

SUMMARY_S: Final = 10.0
"""What was dropped and found no kept event to stand for it is summarised after this."""


_NEVER: Final = float("inf")


class Kind(NamedTuple):
    """Events that are counted together.

    Attributes:
        rule: number of the rule.
        template, origin: only where equal events are folded.
    """

    rule: int
    logger: str
    level: int
    dataset: str
    action: str
    template: str = ""
    origin: tuple[str, int, str] | None = None


class Tally(NamedTuple):
    """For how many events one stands, and how many of them were folded into it."""

    weight: float
    folded: int


@dataclass(slots=True)
class _Cell:
    weight: float = 0.0
    folded: int = 0
    due_s: float = _NEVER
    folds_until_s: float = float("-inf")


class _Bucket:
    """Tokens: `per_second` of them arrive, at most `burst` are kept."""

    __slots__ = ("_at_s", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Take one token if there is one."""
        if self._at_s is not None:
            arrived = max(0.0, now_s - self._at_s) * self._per_second
            self._tokens = min(self._burst, self._tokens + arrived)
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Cells:
    """The memory of a sampler.

    Args:
        limits: for each rule, events per second (None: unlimited) and burst.

    Attributes:
        next_due_s: nothing is to be summarised before this, on the monotonic clock.
        has_evicted: or at once, because it was forgotten.
    """

    def __init__(self, limits: Sequence[tuple[float | None, int]]) -> None:
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """Forget everything; all tokens are there again."""
        self.next_due_s = _NEVER
        self._buckets = [None if limit is None else _Bucket(limit, burst) for limit, burst in self._limits]
        self._cells: OrderedDict[Kind, _Cell] = OrderedDict()
        self._evicted: list[tuple[Kind, Tally]] = []
        self.has_evicted = False

    def take(self, kind: Kind, own: Tally, fold_s: float, now_s: float) -> tuple[Tally | None, str]:
        """Return for how many events this one stands, all that was dropped before it included; or None and why."""
        cell = self._cells.get(kind)
        if cell is None:
            cell = self._cells[kind] = _Cell()
            self._make_room()
        else:
            self._cells.move_to_end(kind)
        if fold_s > 0 and now_s < cell.folds_until_s:
            cell.folded += 1
            self._keep(cell, own, min(cell.due_s, cell.folds_until_s))
            return None, "folded"
        bucket = self._buckets[kind.rule]
        if bucket is not None and not bucket.take(now_s):
            self._keep(cell, own, min(cell.due_s, now_s + SUMMARY_S))
            return None, "rate_limited"
        taken = Tally(own.weight + cell.weight, cell.folded)
        cell.weight, cell.folded, cell.due_s = 0.0, 0, _NEVER
        cell.folds_until_s = now_s + fold_s
        return taken, ""

    def due(self, now_s: float, *, is_end: bool) -> list[tuple[Kind, Tally]]:
        """Take out what is to be summarised now."""
        found, self._evicted, self.has_evicted = self._evicted, [], False
        if now_s < self.next_due_s and not is_end:
            return found
        next_due_s = _NEVER
        for kind, cell in self._cells.items():
            if cell.weight <= 0:
                continue
            if not is_end and now_s < cell.due_s:
                next_due_s = min(next_due_s, cell.due_s)
                continue
            found.append((kind, Tally(cell.weight, cell.folded)))
            cell.weight, cell.folded, cell.due_s = 0.0, 0, _NEVER
        self.next_due_s = next_due_s
        return found

    def _keep(self, cell: _Cell, own: Tally, due_s: float) -> None:
        cell.weight += own.weight
        cell.due_s = due_s
        self.next_due_s = min(self.next_due_s, due_s)

    def _make_room(self) -> None:
        if len(self._cells) > MOST_CELLS:
            kind, cell = self._cells.popitem(last=False)
            if cell.weight > 0:
                self._evicted.append((kind, Tally(cell.weight, cell.folded)))
                self.has_evicted = True
