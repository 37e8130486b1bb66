"""Where a value ends that follows a name in a text: quoted, bracketed, to the end of the line, or bare."""

from __future__ import annotations

import re
from typing import Final

from shipper.enrich.redact.vocabulary import words

_OPENING: Final = re.compile(r"(?:[bBuUrRfF]{1,2}(?=\\*[\"']))?(?P<quote>\\*[\"'`]|%22|%27|&quot;)")
# Greedy, not possessive: nothing follows, so nothing is ever tried again; and possessive groups are broken in
# Python before 3.11.5.
_BARE: Final = re.compile(
    r"(?:[^\s,;&\"'<>()\[\]{}|]++|\([^()\s]{0,256}\)|[,;&](?!\s|$|[\w.\-%]{1,64}[=:])|[)\]}|<>](?=[\w$#@!%^*])|[(\[{]|[\"'](?=[\w$#@!%^*]))*"
)
_SCHEMES: Final = re.compile(
    r"(?i)(?:bearer|basic|token|digest|negotiate|apikey|api-key|key|aws4-hmac-sha256|hmac|oauth|ntlm|jwt|sso-key|hawk|signature)"
    r"(?:[ \t]{1,4}|%20|\+)"
)
_DIGITS: Final = re.compile(r"[+(]?\d[\d() .\-/]*\d")
_LINE_END: Final = re.compile(r"\r|\n|\\r|\\n|\Z")
_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_STOP_WORDS: Final = words("""
    is was are were must the a an not for incorrect invalid required wrong failed failure expired missing
    too cannot should has have reset changed mismatch none null nil true false empty unset undefined and or
    of to in on at from with no yes ok accepted rejected denied verified valid nan n/a unknown does do did
    will can may be been being by you your please enter it this that found refused unavailable unsupported
    optional
""")
_EMPTY: Final = frozenset({"", "-", "*", "?", "''", '""', "%s", "{}", "...", "…", ":", "=", "%r", "?,", "\\"})


def value_end(
    text: str, start: int, *, to_line_end: bool = False, is_number: bool = False
) -> tuple[int, int]:
    """Return where the value that begins at or after `start` begins and ends; equal where there is none."""
    opening = _OPENING.match(text, start)
    if opening is not None:
        return opening.end(), _closing(text, opening.end(), opening["quote"])
    if start < len(text) and text[start] in _CLOSING:
        return start, _bracket_end(text, start)
    if to_line_end:
        found = _LINE_END.search(text, start)
        return start, len(text) if found is None else found.start()
    if is_number:
        digits = _DIGITS.match(text, start)
        if digits is not None:
            return start, digits.end()
    scheme = _SCHEMES.match(text, start)
    begin = start if scheme is None else scheme.end()
    bare = _BARE.match(text, begin)
    return start, begin if bare is None else bare.end()


def _closing(text: str, at: int, quote: str) -> int:
    """Return where the closing quote stands, or the end of the text where it was cut off."""
    start = at
    while True:
        found = text.find(quote, at)
        if found < 0:
            return len(text)
        slashes = found
        while slashes > start and text[slashes - 1] == "\\":
            slashes -= 1
        if (found - slashes) % 2 == 0:
            return found
        at = found + len(quote)


def _bracket_end(text: str, start: int) -> int:
    """Return where the bracket at `start` is closed, or the end of the text."""
    expected: list[str] = []
    at = start
    while at < len(text):
        letter = text[at]
        if letter in "\"'":
            at = _closing(text, at + 1, letter)
        elif letter in _CLOSING:
            expected.append(_CLOSING[letter])
        elif letter in ")]}":
            if letter == expected[-1]:
                expected.pop()
            if not expected:
                return at + 1
        at += 1
    return len(text)


def says_nothing(value: str) -> bool:
    """Tell whether a value stands for no value at all, or was hidden before."""
    plain = value.strip(" \t'\"`,;.")
    return plain in _EMPTY or plain.lower() in _STOP_WORDS or not plain.strip("*•x.-_<>[]{}()\\ X#?")


def is_prose(value: str) -> bool:
    """Tell whether a bare value is a plain word, as in `unexpected token: name`."""
    return value.isalpha() and value.islower()
