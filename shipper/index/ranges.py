"""Sets of sequence numbers as ranges: a producer's million records are one range, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

Range = tuple[int, int]
"""First and last number, both included."""


class Ranges:
    """An immutable set of whole numbers. Every operation costs by the number of ranges, not of numbers."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterable[Range] = ()) -> None:
        """Take ranges in any order; they may overlap. An empty one (last below first) holds nothing."""
        joined: list[Range] = []
        for first, last in sorted(part for part in parts if part[0] <= part[1]):
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(joined[-1][1], last))
            else:
                joined.append((first, last))
        self._parts: Final = tuple(joined)

    @classmethod
    def of(cls, numbers: Iterable[int]) -> Ranges:
        """Return the set of these numbers; those that rise one by one cost no memory."""
        return cls(_runs(numbers))

    @property
    def parts(self) -> tuple[Range, ...]:
        """The ranges, rising, apart from each other by one number at least."""
        return self._parts

    @property
    def last(self) -> int:
        """The highest number; 0 where there is none."""
        return self._parts[-1][1] if self._parts else 0

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self._parts)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def __iter__(self) -> Iterator[int]:
        for first, last in self._parts:
            yield from range(first, last + 1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)

    def __repr__(self) -> str:
        return f"Ranges({list(self._parts)})"

    def __or__(self, other: Ranges) -> Ranges:
        """Return what is in either."""
        return Ranges((*self._parts, *other._parts))

    def __sub__(self, other: Ranges) -> Ranges:
        """Return what is in this one alone."""
        return Ranges(_difference(self._parts, other._parts))

    def up_to(self, limit: int) -> Ranges:
        """Return the numbers that are not above `limit`."""
        return Ranges((first, min(last, limit)) for first, last in self._parts if first <= limit)


def _runs(numbers: Iterable[int]) -> Iterator[Range]:
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif last <= number <= last + 1:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last


def _difference(parts: tuple[Range, ...], others: tuple[Range, ...]) -> Iterator[Range]:
    position = 0
    for first, last in parts:
        start = first
        while position < len(others) and others[position][1] < start:
            position += 1
        at = position
        while at < len(others) and others[at][0] <= last:
            if others[at][0] > start:
                yield start, others[at][0] - 1
            start = max(start, others[at][1] + 1)
            at += 1
        if start <= last:
            yield start, last
