"""Gaps, doubles and dead letters of one producer's sequence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.index.books import _book

numbers = st.sets(st.integers(1, 60))


@given(stored=numbers, dead=numbers, doubled=numbers)
def test_every_number_is_in_exactly_one_place(stored: set[int], dead: set[int], doubled: set[int]) -> None:
    """U19: stored, dead-lettered and missing are apart and together the whole sequence; doubles are named."""
    doubled &= stored
    book = _book("p", "s", sorted([*stored, *doubled]), dead)
    assert book.stored + book.dead_lettered + book.missing_count == book.last
    missing = {number for first, last in book.missing for number in range(first, last + 1)}
    assert missing == set(range(1, book.last + 1)) - stored - dead
    assert set(book.doubled) == doubled
    assert book.is_balanced == (not missing and not doubled)
    assert all(one[1] + 1 < other[0] for one, other in zip(book.missing, book.missing[1:], strict=False))
