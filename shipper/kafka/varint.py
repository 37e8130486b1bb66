"""Numbers as Kafka writes them in its records, zigzag as in protocol buffers; what comes again and again is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

_T = TypeVar("_T")


def varint(number: int) -> bytes:
    """Return a number >= 0 as zigzag varint."""
    left = number << 1
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)


class _Kept(dict[int, _T]):
    """What is made of numbers; of those that come again and again it is kept."""

    def __init__(self, make: Callable[[int], _T]) -> None:
        self._make = make

    def __missing__(self, number: int) -> _T:
        made = self._make(number)
        if number < _KEPT_NUMBERS:
            self[number] = made
        return made


_KEPT_NUMBERS: Final = 1 << 13
known_varint: Final = _Kept(varint).__getitem__
"""As `varint`."""
framed_size: Final = _Kept(lambda size: size + len(varint(size))).__getitem__
"""Size of a value with its length in front."""


@lru_cache(maxsize=8)
def varint_beyond(fixed: int) -> Callable[[int], bytes]:
    """Return what makes varints of numbers that are so much larger than the one it is given."""
    return _Kept(lambda number: varint(fixed + number)).__getitem__
