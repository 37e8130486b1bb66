"""Keyed pseudonyms: equal values get equal ones, and without the key nobody can tell or try out whose they are."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Sequence
from typing import Final

KEY_BYTES: Final = 32
_FEWEST_BYTES: Final = 16
_FORM: Final = re.compile(r"pseudonym:[a-z0-9\-]{1,32}:[0-9a-f]{32}\Z")
_NAME: Final = re.compile(r"[a-z0-9\-]{1,32}\Z")


class KeyringError(ValueError):
    """A key is not usable; says which line and why, never the key."""


class Keyring:
    """Keys by name; the first is used, the others are those used before.

    `repr` shows names only.
    """

    __slots__ = ("_keys", "names")

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        if not keys:
            raise KeyringError("it holds no key")
        self._keys = tuple(keys)
        self.names = tuple(name for name, _ in keys)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """Read keys, one a line or separated by commas: `<name>:<base64 of at least 16 bytes>`; `#` begins a remark.

        Raises:
            KeyringError: a line is not of this form, or there is none.
        """
        keys: list[tuple[str, bytes]] = []
        for number, line in enumerate(text.replace(",", "\n").splitlines(), 1):
            plain = line.strip()
            if plain and not plain.startswith("#"):
                keys.append(_parse_line(number, plain))
        if len({name for name, _ in keys}) < len(keys):
            raise KeyringError("two keys have the same name")
        return cls(keys)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.names)})"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a keyring is not to be pickled")

    def pseudonym(self, value: str) -> str:
        """Return `pseudonym:<key name>:<32 hexadecimal digits>`: HMAC-SHA-256, cut to 128 bits."""
        if _FORM.match(value):
            return value
        return _pseudonym(self._keys[0], value)

    def all_pseudonyms(self, value: str) -> list[str]:
        """Return the pseudonym under each key, the current one first: to find what was written before a rotation."""
        return [_pseudonym(key, value) for key in self._keys]


def new_key_line(name: str) -> str:
    """Return a line for a key file with a fresh random key.

    Raises:
        KeyringError: the name is not 1 to 32 of a-z, 0-9 and `-`.
    """
    if not _NAME.match(name):
        raise KeyringError("a key's name is 1 to 32 of a-z, 0-9 and -")
    return f"{name}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def _pseudonym(key: tuple[str, bytes], value: str) -> str:
    digest = hmac.digest(key[1], value.encode("utf-8", "surrogatepass"), "sha256")
    return f"pseudonym:{key[0]}:{digest[:16].hex()}"


def _parse_line(number: int, line: str) -> tuple[str, bytes]:
    name, colon, encoded = line.partition(":")
    name = name.strip()
    if not colon or not _NAME.match(name):
        raise KeyringError(f"line {number} is not <name>:<base64>, with a name of a-z, 0-9 and -")
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise KeyringError(f"line {number}: the key {name} is not base64") from None
    if len(key) < _FEWEST_BYTES:
        raise KeyringError(f"line {number}: the key {name} has less than {_FEWEST_BYTES} bytes")
    return name, key
