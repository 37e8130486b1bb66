"""Lists of words as they are read best: in lines, not one string literal a word."""

from __future__ import annotations


def words(lines: str) -> frozenset[str]:
    """Return the words that blanks separate."""
    return frozenset(lines.split())
