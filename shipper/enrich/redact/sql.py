"""Literals in SQL that stand for a secret column only by their position, and what databases quote of a row."""

from __future__ import annotations

import re
from typing import Final

from shipper.enrich.redact.assignments import Classify
from shipper.enrich.redact.names import NameClass
from shipper.enrich.redact.spans import Span
from shipper.enrich.redact.values import value_end

_INSERT: Final = re.compile(
    r"(?i)(?:into|replace)\s{1,8}[\w.\"`\[\]$]{1,200}\s{0,8}\((?P<columns>[^()]{1,8000})\)"
    r"(?P<between>[^()']{0,80}?)values\s{0,8}(?=\()"
)
_PARAMETERS: Final = re.compile(r"(?i)\[?(?:parameters|params|args|bind(?:s| values)?)\s?[:=]\s?(?=[(\[{])")
_ROW: Final = re.compile(r"(?i)failing row contains (?=\()")
_NEXT_ROW: Final = re.compile(r"\s{0,8},\s{0,8}(?=\()")
_KEY_PAIR: Final = re.compile(r"\((?P<columns>[\w, \"]{1,200})\)=\((?P<values>[^()\n]{1,2000})\)")
_MOST_ROWS: Final = 1000


def find_sql(text: str, classify: Classify, found: list[Span]) -> None:
    """Add literals of secret columns; all literals of a row where they cannot be told apart."""
    done = 0
    has_secret_column = False
    for match in _INSERT.finditer(text):
        columns = [column.strip(' \t\r\n"`[]') for column in match["columns"].split(",")]
        denied = {at for at, column in enumerate(columns) if classify(column) is not NameClass.FREE}
        if denied and match.start() >= done:
            has_secret_column = True
            done = _find_in_rows(text, match.end(), denied, len(columns), found)
    for pattern in (_PARAMETERS, _ROW) if has_secret_column else (_ROW,):
        done = 0
        for match in pattern.finditer(text):
            if match.start() >= done and text[match.end() : match.end() + 1] != "{":
                start, done = value_end(text, match.end())
                found.append(Span(start + 1, max(start + 1, done - (text[done - 1] in ")]")), "secret"))
    found.extend(
        Span(*match.span("values"), "personal")
        for match in _KEY_PAIR.finditer(text)
        if any(classify(column.strip(' "')) is not NameClass.FREE for column in match["columns"].split(","))
    )


def _find_in_rows(text: str, at: int, denied: set[int], width: int, found: list[Span]) -> int:
    """Add the literals of denied columns in the rows from `at` on; return where the last row ends."""
    for _ in range(_MOST_ROWS):
        start, end = value_end(text, at)
        literals = _literals(text, start + 1, end - 1 if text[end - 1 : end] == ")" else end)
        if len(literals) == width:
            found.extend(Span(*literals[position], "secret") for position in denied)
        else:
            found.append(Span(start + 1, end, "secret"))
        comma = _NEXT_ROW.match(text, end)
        if comma is None:
            break
        at = comma.end()
    return end


def _literals(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return the places of the literals between commas; commas in quotes and brackets do not count."""
    places: list[tuple[int, int]] = []
    first = at = start
    while at < end:
        letter = text[at]
        if letter in "\"'(":
            opened, closed = value_end(text, at)
            at = min(end, max(closed if letter == "(" else closed + 1, opened))
            continue
        if letter == ",":
            places.append(_trimmed(text, first, at))
            first = at + 1
        at += 1
    places.append(_trimmed(text, first, end))
    return places


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start] in " \t\r\n'\"":
        start += 1
    while end > start and text[end - 1] in " \t\r\n'\"":
        end -= 1
    return start, end
