"""JSON as both roads into Elasticsearch take it: strict, of bounded depth, no number rounded away."""

from __future__ import annotations

import json
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import msgspec
import orjson

_DIGITS_MAX: Final = 1000
"""Longer numbers the server refuses; and a few bytes could ask for a billion digits."""

NESTING_MAX: Final = 100
"""Objects and lists in one another, the document itself among them. Logstash dies of a few hundred (its stack ends
when it writes them), and would again at each start; the two roads take the same."""


class FieldTwice(Exception):
    """An object has a name twice; the only argument is that name."""


def parsed(value: bytes) -> object:
    """Decode JSON. Raises orjson.JSONDecodeError."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        # A number beyond a double is JSON as well. Nothing else is let through: the standard library's decoder
        # takes NaN and half a surrogate pair, which would spoil every answer with that document for others.
        try:
            _is_json(value)
            return json.loads(value.decode())
        except (ValueError, RecursionError, msgspec.DecodeError):
            pass
        raise


_is_json: Final = msgspec.json.Decoder(msgspec.Raw).decode


def may_be_deep(value: bytes, *, has_lists: bool = True) -> bool:
    """Return whether there are enough brackets in a value, be it in texts, for it to be nested too deeply.

    Args:
        has_lists: False where it is known that no square bracket is in it.
    """
    # `bytes.count` of one character looks at each byte; what is left without it is found faster (CPython 3.11). To look
    # whether there is one at all is cheaper still.
    left = len(value.replace(b"{", b""))
    lists = value.count(b"[") if has_lists and b"[" in value else 0
    return len(value) - left + lists > NESTING_MAX


def is_too_deep(parsed: object) -> bool:
    """Return whether objects and lists lie in one another more than `NESTING_MAX` deep."""
    level = [parsed]
    for _ in range(NESTING_MAX):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)  # type: ignore[attr-defined]
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def mutable(value: bytes) -> dict[str, Any]:
    """Decode an object to write it anew. The standard library keeps integers of any length.

    Raises:
        FieldTwice: the server would refuse it.
        ValueError, ArithmeticError, RecursionError: it cannot be written anew.
    """
    found: dict[str, Any] = json.loads(value, object_pairs_hook=_each_once, parse_float=_number)
    return found


def _number(text: str) -> float | int:
    """Read a number with a fraction or an exponent; one beyond a double becomes the integer that it is."""
    number = float(text)
    if isfinite(number):
        return number
    exact = Decimal(text)
    if exact.adjusted() >= _DIGITS_MAX:
        raise ValueError(f"a number with more than {_DIGITS_MAX} digits")
    return int(exact)


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object, as the server would: it refuses one that has a name twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise FieldTwice(twice)
    return found


def dumps(value: object) -> bytes:
    """Encode without blanks. Raises ValueError: a number is not finite."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
