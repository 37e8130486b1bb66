"""What is to be redacted: the choices of the settings, as the redaction needs them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

PATTERNS: Final = (
    "token",
    "jwt",
    "private-key",
    "login",
    "secret",
    "personal",
    "email",
    "card",
    "iban",
    "phone",
    "id",
)
"""Kinds of things that are found in texts by default."""

OPTIONAL_PATTERNS: Final = ("ip",)
"""Kinds that are found on request."""

PersonalMode = Literal["scan", "pseudonym", "drop"]
"""What happens to fields of class `personal`."""


@dataclass(frozen=True)
class Policy:
    """The choices of one redaction.

    Attributes:
        off: kinds of `PATTERNS` that are not looked for.
        ip: whether IP addresses are masked.
        keys: further names whose values are masked.
        allowed: names whose values are never masked because of the name.
        patterns: further patterns, compiled; what they match is masked.
        personal: what happens to fields of class personal; `pseudonym` needs a keyring.
        pseudonyms: names and paths whose values become pseudonyms where there is a keyring.
    """

    off: frozenset[str] = frozenset()
    ip: bool = False
    keys: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    patterns: tuple[re.Pattern[str], ...] = ()
    personal: PersonalMode = "scan"
    pseudonyms: frozenset[str] = frozenset({"user.id"})
