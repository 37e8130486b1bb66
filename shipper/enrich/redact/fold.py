"""Look-alikes of characters made plain, so that a full-width digit or an invisible joint hides nothing."""

from __future__ import annotations

import unicodedata
from typing import Final

_ELLIPSIS: Final = "…"
_INVISIBLE: Final[dict[int, str | None]] = dict.fromkeys(
    [
        0xAD,
        0x34F,
        0x61C,
        0x180E,
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
    ]
)
_PLAIN: Final = {**_INVISIBLE, **dict.fromkeys([*range(0x2010, 0x2016), 0x2212, 0xFE63, 0xFF0D], "-")}


def folded(text: str) -> str:
    """Return `text` with compatibility forms made plain (NFKC), invisible characters left out, digits made ASCII.

    Folding twice changes nothing more. The ellipsis stays: it marks where a text was cut.
    """
    parts = [unicodedata.normalize("NFKC", part.translate(_PLAIN)) for part in text.split(_ELLIPSIS)]
    plain = _ELLIPSIS.join(parts)
    if plain.isascii():
        return plain
    return "".join(_ascii_digit(letter) for letter in plain)


def _ascii_digit(letter: str) -> str:
    return str(unicodedata.decimal(letter)) if not letter.isascii() and letter.isdecimal() else letter
