"""Whether a text can hold anything to redact at all: quick, and never wrong when it says no.

Each test is of the kind "does not occur in the text". So what is clean as a whole is clean in each of its lines.
"""

from __future__ import annotations

import re
from typing import Final

CUT_MARK: Final = "…[cut, "
"""Where the length caps cut a text; see `shipper.ecs.limits`."""

_LETTERS: Final = bytes(range(65, 91)) + bytes(range(97, 123))
_DIGITS: Final = b"0123456789"
_DULL: Final = _LETTERS + b" ,.;!?*\r\n\t" + bytes(range(128, 256))
_NO_DIGITS: Final = bytes(sorted(set(range(256)) - set(_DIGITS)))
_TOKEN: Final = _LETTERS + _DIGITS + b"_-"
_RUNS: Final = bytes(97 if byte in _TOKEN else 32 for byte in range(256))
_LONG_RUN: Final = b"a" * 16
_FEWEST_DIGITS: Final = 9
_DIGIT_ROW: Final = re.compile(r"\d(?:[ \-.()/_\u00a0\u2010-\u2015]{0,2}\d){8}")

STEMS: Final = (
    "pass", "pw", "secret", "token", "auth", "key", "cred", "cook", "sess", "connect", "hook", "bearer", "basic ",
    "jwt", "srf", "cv", "otp", "pin", "code", "phrase", "mnemonic", "signature", "answer", "identified", "contrase",
    "mail", "phone", "mobile", "fax", "ssn", "iban", "bic", "dob", "birth", "name", "card", "cc", "account", "bank",
    "routing", "sort", "social", "national", "tax", "license", "licence", "address", "nhs", "insurance", "aadhaar",
    "pesel", "cpf", "nino", "cell", "failing row",
)  # fmt: skip
"""One of these is part of each name that is denied, and of each word that announces a secret."""

_FOREIGN_STEMS: Final = ("пароль", "密码", "口令", "パスワード", "비밀번호")
_STEM: Final = re.compile("|".join(map(re.escape, STEMS)))


def may_hold_address(text: str) -> bool:
    """Tell whether there can be an e-mail address or a login in a URL."""
    return "@" in text or "%40" in text


def may_hold_number(text: str) -> bool:
    """Tell whether there can be a card, account or phone number."""
    return _DIGIT_ROW.search(text) is not None


def may_hold_token(text: str) -> bool:
    """Tell whether there can be an issued key, a web token or a private key."""
    if "-----" in text:
        return True
    return _LONG_RUN in text.encode("utf-8", "surrogatepass").translate(_RUNS)


def may_hold_assignment(text: str, more: tuple[str, ...] = ()) -> bool:
    """Tell whether there can be a name that announces a secret."""
    lower = text.lower()
    for stem in STEMS:
        if stem in lower:
            return True
    if ("?" in lower or "&" in lower or "%3f" in lower or "%26" in lower) and (
        "=" in lower or "%3d" in lower
    ):
        return True
    if not lower.isascii() and any(stem in lower for stem in _FOREIGN_STEMS):
        return True
    return any(stem in lower for stem in more)


def is_surely_clean(text: str, more_stems: tuple[str, ...] = ()) -> bool:
    """Tell whether nothing in a text (folded, if it is not ASCII) can be of a kind that is looked for."""
    data = text.encode("utf-8", "surrogatepass")
    special = data.translate(None, _DULL)
    if not special and not more_stems and text.isascii():
        return "asic " not in text and "earer " not in text and "ASIC " not in text and "EARER " not in text
    if b"@" in special or "%40" in text or "-----" in text or CUT_MARK in text:
        return False
    if len(data.translate(None, _NO_DIGITS)) >= _FEWEST_DIGITS and may_hold_number(text):
        return False
    if _LONG_RUN in data.translate(_RUNS):
        return False
    return not may_hold_assignment(text, more_stems)
