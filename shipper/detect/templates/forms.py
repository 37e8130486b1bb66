"""The form of a message: the words that are left of it once its variable parts are masked, and their fingerprint."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

from shipper.detect.templates.masking import SLOT, masked, shape_of

Form = tuple[str, ...]
"""Words and signs in order, `<*>` or a word with it for what varies."""

MOST_TOKENS: Final = 256
_LONGEST_REPEATED: Final = 6
_TOKEN: Final = re.compile(r"\.\.+|(?:<\*>|(?!\.\.)[^\s=:,;()\[\]{}|\"'<>])+|[=:,;()\[\]{}|\"'<>]")
SIGNS: Final = frozenset("=:,;()[]{}|\"'<>")


def form_of(message: str) -> Form:
    """Return the form of a message; pure, bounded in time and size, never raises.

    Whitespace does not count, and of a run of equal groups of words that hold a slot only one is kept: a message
    that lists three blocks has the form of one that lists four.
    """
    return _form_of_shape(shape_of(message))


@lru_cache(maxsize=4096)
def _form_of_shape(shape: str) -> Form:
    tokens: list[str] = _TOKEN.findall(masked(shape))[:MOST_TOKENS]
    for length in range(1, _LONGEST_REPEATED + 1):
        tokens = _once(tokens, length)
    return tuple(tokens)


def fingerprint(form: Form) -> str:
    """Return 16 hexadecimal digits that are equal for equal forms, in every process and after every restart."""
    return hashlib.sha256("\x1f".join(form).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def text_of(form: Form) -> str:
    """Return the form for a person."""
    return " ".join(form)


def _once(tokens: list[str], length: int) -> list[str]:
    """Leave out repetitions of `length` tokens that follow one another and hold a slot."""
    kept: list[str] = []
    at = 0
    while at < len(tokens):
        run = tokens[at : at + length]
        if len(run) < length or not any(SLOT in token for token in run):
            kept.append(tokens[at])
            at += 1
            continue
        kept += run
        at += length
        while tokens[at : at + length] == run:
            at += length
    return kept
