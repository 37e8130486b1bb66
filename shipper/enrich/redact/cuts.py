"""The ends of a text that a length cap cut: what the cut went through may be half of a secret."""

from __future__ import annotations

import re
from typing import Final

from shipper.enrich.redact.spans import MARK, Span

_MARK: Final = re.compile(r"\s?…\[cut, \d{1,20} (?:characters|bytes)\]")
_WORD_BEFORE: Final = re.compile(r"(?:[+(]?\d[\d() .\-]{0,24})?[^\s]{1,512}\Z")
_WORD_AFTER: Final = re.compile(r"\n?[^\s]{1,512}(?:[ \-]\d[\d .\-]{0,24})?")
_REACH: Final = 540


def find_cut_ends(text: str, found: list[Span]) -> None:
    """Add the words that a cut went through, unless they are plain words."""
    for mark in _MARK.finditer(text):
        before = _WORD_BEFORE.search(text[max(0, mark.start() - _REACH) : mark.start()])
        if before is not None and _may_be_secret(before[0]):
            found.append(Span(mark.start() - len(before[0]), mark.start(), "cut"))
        after = _WORD_AFTER.match(text, mark.end())
        if (
            after is not None
            and text[mark.end() : mark.end() + 1] == "\n"
            and _may_be_secret(after[0].lstrip("\n"))
        ):
            found.append(Span(mark.end() + 1, after.end(), "cut"))


def _may_be_secret(word: str) -> bool:
    if MARK in word:
        return False
    return not (word.isalpha() and word.islower()) or len(word) > 40
