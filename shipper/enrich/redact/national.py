"""Numbers that a state gives to a person, where their form or a checksum tells them from other numbers."""

from __future__ import annotations

import re
from typing import Final

from shipper.enrich.redact.spans import Span

_SOCIAL_SECURITY: Final = re.compile(
    r"(?<![\w.\-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w]|[.\-]\d)", re.ASCII
)
_BRAZILIAN: Final = re.compile(r"(?<![\w.\-])\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w]|[.\-]\d)", re.ASCII)
_FRENCH: Final = re.compile(
    r"(?<![\w.\-])[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?![\w]|[.\-]\d)", re.ASCII
)
_CHINESE: Final = re.compile(
    r"(?<![\w.\-])[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX](?![\w]|[.\-]\d)",
    re.ASCII,
)
_ITALIAN: Final = re.compile(r"(?<![\w\-])[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z](?![\w\-])", re.ASCII)
_CHINESE_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ITALIAN_ODD: Final = (
    1,
    0,
    5,
    7,
    9,
    13,
    15,
    17,
    19,
    21,
    2,
    4,
    18,
    20,
    11,
    3,
    6,
    8,
    12,
    14,
    16,
    10,
    22,
    25,
    24,
    23,
)


def find_national_ids(text: str, found: list[Span]) -> None:
    """Add ids of digits: American (by their form), Brazilian, French and Chinese ones (by their checksum)."""
    found.extend(Span(*match.span(), "id") for match in _SOCIAL_SECURITY.finditer(text))
    for pattern, is_valid in ((_BRAZILIAN, is_brazilian), (_FRENCH, is_french), (_CHINESE, is_chinese)):
        found.extend(
            Span(*match.span(), "id") for match in pattern.finditer(text) if is_valid(_compact(match[0]))
        )


def find_tax_codes(text: str, found: list[Span]) -> None:
    """Add Italian tax codes, by their check letter."""
    found.extend(Span(*match.span(), "id") for match in _ITALIAN.finditer(text) if is_italian(match[0]))


def is_brazilian(digits: str) -> bool:
    """Tell whether 11 digits are a CPF: two check digits modulo 11, not all digits equal."""
    for size in (9, 10):
        total = sum(int(digit) * (size + 1 - at) for at, digit in enumerate(digits[:size]))
        if int(digits[size]) != total * 10 % 11 % 10:
            return False
    return len(set(digits)) > 1


def is_french(digits: str) -> bool:
    """Tell whether 15 digits are a NIR: the last two are 97 less the rest modulo 97."""
    return int(digits[13:]) == 97 - int(digits[:13]) % 97


def is_chinese(code: str) -> bool:
    """Tell whether 18 characters are a resident's id (GB 11643: ISO 7064 modulo 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(code, _CHINESE_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == code[17]


def is_italian(code: str) -> bool:
    """Tell whether 16 characters are a codice fiscale: the last letter is that of the sum modulo 26."""
    total = 0
    for at, letter in enumerate(code[:15]):
        value = int(letter, 36) - 10 if letter.isalpha() else int(letter)
        total += value if at % 2 else _ITALIAN_ODD[value]
    return chr(65 + total % 26) == code[15]


def _compact(text: str) -> str:
    return "".join(letter for letter in text if letter.isalnum())
