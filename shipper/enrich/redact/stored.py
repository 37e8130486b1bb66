"""Passwords as they are stored: hashes that can be tried against a dictionary, in the forms that programs write them."""

from __future__ import annotations

import re
from typing import Final

from shipper.enrich.redact.spans import Span

_HASH: Final = re.compile(
    r"(?<![\w$])(?:"
    # crypt(3) and PHC: bcrypt, argon2, scrypt, yescrypt, PBKDF2, MD5-, SHA-256- and SHA-512-crypt, Apache's
    r"\$(?:2[abxy]?|argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha\d{1,3})?|bcrypt-sha256|apr1|sha1|gy|y|[1567])"
    r"\$[\w./+=,$\-]{16,256}"
    # Django, then Werkzeug
    r"|(?:pbkdf2_sha(?:1|256)|bcrypt(?:_sha256)?|argon2|scrypt|md5|sha1)\$[\w./+=,$\-]{16,256}"
    r"|(?:scrypt|pbkdf2:sha\d{1,3})(?::\d{1,9}){1,3}\$[\w./+=$\-]{16,256}"
    r")"
)
_IN_DIRECTORY: Final = re.compile(r"\{(?:S?(?:SHA(?:256|384|512)?|MD5)|CRYPT)\}[\w+/=$.\-]{16,256}")
"""As directories (LDAP, RFC 2307) store them."""


def may_hold_stored(text: str) -> bool:
    """Tell whether there can be a stored password."""
    return text.count("$") >= 2 or ("}" in text and ("{S" in text or "{M" in text or "{CRYPT" in text))


def find_stored(text: str, found: list[Span]) -> None:
    """Add stored passwords."""
    if "$" in text:
        found.extend(Span(*match.span(), "secret") for match in _HASH.finditer(text))
    if "}" in text:
        found.extend(Span(*match.span(), "secret") for match in _IN_DIRECTORY.finditer(text))
