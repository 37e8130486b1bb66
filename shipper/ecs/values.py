"""Any Python value to JSON values. Total: nothing a value does can raise out of here, only be described.

`KeyboardInterrupt` and `SystemExit` pass, as everywhere.
"""

from __future__ import annotations

import enum
import math
import os
import re
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from itertools import islice
from typing import Final, TypeAlias

import orjson

from shipper.ecs.limits import Limits, cut
from shipper.ecs.summaries import summary
from shipper.ecs.tensors import is_missing, scalar
from shipper.ecs.timestamps import iso_timestamp, parse_timestamp

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"
"""What goes into a document."""

LONG_MAX: Final = (1 << 63) - 1
"""Largest value of Elasticsearch's `long`; the smallest is `-LONG_MAX - 1`."""

_ORDINARY: Final = Limits()
_SIMPLE: Final = frozenset({str, int, float, bool, bytes, type(None)})
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_SPEAKS_FOR_ITSELF: Final = (
    Decimal, Fraction, uuid.UUID, os.PathLike, date, time, timedelta, IPv4Address, IPv6Address,
)  # fmt: skip


def type_name(value: object) -> str:
    """Return the qualified name of the type of `value`; builtins stand without their module."""
    try:
        kind = type(value)
        module, name = kind.__module__, kind.__qualname__
        return str(name) if module == "builtins" else f"{module}.{name}"
    except Exception:  # noqa: BLE001 - a metaclass may do anything
        return "object"


def text(value: object, limit: int) -> str:
    """Return `value` as text of at most `limit` (>= 64) characters; odd values carry their type."""
    if type(value) is str:
        return value if len(value) <= limit else cut(value, limit)
    try:
        return cut(_text(value), limit)
    except Exception as error:  # noqa: BLE001 - hostile __repr__, __str__, __class__
        return cut(f"<{type_name(value)} without text: {type_name(error)}>", limit)


def _text(value: object) -> str:  # noqa: PLR0911 - one line per kind of value
    if value is True or value is False or value is None:
        return str(value).lower() if value is not None else "None"
    if isinstance(value, str):
        return _enum_value(value) if isinstance(value, enum.Enum) else str.__str__(value)
    if isinstance(value, enum.Enum):
        return _enum_value(value)
    if isinstance(value, int):
        return _integer_text(int.__add__(value, 0))
    if isinstance(value, float):
        return float.__repr__(float.__pos__(value))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes_text(value)
    if isinstance(value, datetime):
        moment = parse_timestamp(value)
        return str(value) if moment is None else iso_timestamp(moment)
    if isinstance(value, _SPEAKS_FOR_ITSELF):
        return str(value)
    if isinstance(value, BaseException):
        return f"{type_name(value)}: {value}"
    return _text_of_foreign(value)


def _text_of_foreign(value: object) -> str:
    if is_mapping(value) or elements(value, 0) is not None:
        return json_text(value, _ORDINARY)
    if is_missing(value):
        return "NA"
    one = scalar(value)
    if one is not None:
        return _text(one)
    described = summary(value)
    if described is not None:
        return described
    shown = str(repr(value))
    name = type_name(value)
    return shown if name.rpartition(".")[2] in shown else f"<{name}> {shown}"


def _enum_value(value: enum.Enum) -> str:
    return _text(value.value) if isinstance(value.value, (str, int, float)) else str(value)


def _integer_text(value: int) -> str:
    # Beyond some thousand digits Python refuses (and takes quadratic time for) decimal text.
    return str(value) if value.bit_length() <= 4096 else f"<int of {value.bit_length()} bits>"


def _bytes_text(value: bytes | bytearray | memoryview) -> str:
    size = value.nbytes if isinstance(value, memoryview) else len(value)
    head = bytes(value[:65_536])
    shown = head.decode("utf-8", "backslashreplace")
    return shown if size <= len(head) else f"{shown} …[cut, {size} bytes]"


def number(value: object) -> int | float | None:
    """Return `value` as a number if it is one, holds exactly one, or is its plain decimal text; else None.

    May be NaN or infinite; may be an integer of any size.
    """
    kind = type(value)
    if kind is float or kind is int:
        return value  # type: ignore[return-value]
    try:
        return _number(value)
    except Exception:  # noqa: BLE001 - hostile __float__, __class__
        return None


def _number(value: object) -> int | float | None:
    if isinstance(value, int):
        return int.__add__(value, 0)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, str):
        plain = str.__str__(value)
        if len(plain) > 40 or not _NUMBER.match(plain):
            return None
        return int(plain) if plain.lstrip("+-").isdigit() else float(plain)
    if isinstance(value, (Decimal, Fraction)):
        return math.nan if isinstance(value, Decimal) and value.is_nan() else float(value)
    one = math.nan if value is not None and is_missing(value) else scalar(value)
    return _number(one) if isinstance(one, (int, float, Decimal)) else None


def double(value: int | float) -> int | float:  # noqa: PYI041 - the difference is the point
    """Return a number that a `double` holds: integers beyond 2^53 become floats, too large ones infinite."""
    if isinstance(value, float) or -(1 << 53) <= value <= 1 << 53:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def is_mapping(value: object) -> bool:
    """Tell whether `value` is a mapping; False if it refuses to say."""
    kind = type(value)
    if kind is dict:
        return True
    if kind in _SIMPLE:  # asking an abstract class takes longer than all the rest
        return False
    try:
        return isinstance(value, Mapping)
    except Exception:  # noqa: BLE001 - hostile __class__
        return False


def pairs(value: Mapping[object, object], most: int) -> list[tuple[object, object]]:
    """Return the first `most` pairs of a mapping; fewer where it raises on the way."""
    found: list[tuple[object, object]] = []
    try:
        source: Iterable[tuple[object, object]] = (
            dict.items(value) if isinstance(value, dict) else value.items()
        )
        for key, item in islice(source, most):
            found.append((key, item))  # what came before a failure is kept
    except Exception:  # noqa: BLE001 - a mapping that changes or raises while it is read
        return found
    return found


def elements(value: object, most: int) -> list[object] | None:
    """Return the first `most` elements of a list, tuple or set (sets in the order of their text), else None."""
    if type(value) in _SIMPLE:
        return None
    try:
        if isinstance(value, (list, tuple, deque)):
            return list(islice(value, most))
        if isinstance(value, AbstractSet):
            few = list(islice(value, most))
            return sorted(few, key=lambda item: text(item, 256))
    except Exception:  # noqa: BLE001 - a subclass that raises when it is read
        return None
    return None


class Room:
    """How many parts of a value may still be looked at: what refers to itself often has endless ways down."""

    __slots__ = ("left",)

    def __init__(self, most: int) -> None:
        self.left = most


def plain(  # noqa: PLR0911 - one line per kind of value
    value: object,
    limits: Limits,
    depth: int = 0,
    name: str = "",
    nonfinite: list[str] | None = None,
    *,
    room: Room | None = None,
) -> JsonValue:
    """Return `value` as JSON values of bounded depth, width and number.

    NaN and infinity become None, and their names, below `name`, are added to `nonfinite`. Cycles end at
    the depth limit, or where there is no `room` left: there a container is described instead of followed.
    """
    room = room or Room(limits.parts)
    kind = type(value)
    if kind is str:
        return text(value, limits.keyword)
    if value is None or kind is bool:
        return value  # type: ignore[return-value]
    if is_mapping(value):
        if depth >= limits.depth or room.left <= 0:
            return _too_deep(value)
        tree: dict[str, JsonValue] = {}
        given = pairs(value, min(limits.names, room.left))  # type: ignore[arg-type]
        room.left -= len(given)
        for key, item in given:
            part = key_text(key, limits.key)
            tree[part] = plain(item, limits, depth + 1, f"{name}.{part}", nonfinite, room=room)
        return tree
    parts = elements(value, min(limits.items, max(0, room.left)))
    if parts is not None:
        if depth >= limits.depth or room.left <= 0:
            return _too_deep(value)
        room.left -= len(parts)
        return [plain(item, limits, depth + 1, name, nonfinite, room=room) for item in parts]
    return _plain_scalar(value, limits, name, nonfinite)


def _plain_scalar(value: object, limits: Limits, name: str, nonfinite: list[str] | None) -> JsonValue:
    try:
        found = None if isinstance(value, (str, enum.Enum)) else number(value)
    except Exception:  # noqa: BLE001 - hostile __class__
        found = None
    if found is None:
        return text(value, limits.keyword)
    if isinstance(found, float):
        if math.isfinite(found):
            return found
        if nonfinite is not None:
            nonfinite.append(name)
        return None
    return found if -LONG_MAX <= found <= LONG_MAX else text(found, limits.keyword)


def _too_deep(value: object) -> str:
    try:
        size = len(value) if isinstance(value, Collection) else 0
    except Exception:  # noqa: BLE001 - hostile __len__
        size = 0
    return f"<{type_name(value)} of {size}, too deep>"


def key_text(key: object, limit: int) -> str:
    """Return a key as text: not empty, without NUL (Elasticsearch refuses both)."""
    found = text(key, limit).replace("\0", "\N{REPLACEMENT CHARACTER}")
    return found if found.strip() else "_"


def json_text(value: object, limits: Limits, room: Room | None = None) -> str:
    """Return a list, set or deep mapping as compact JSON text, for a label; `room` as for `plain`."""
    # Each part takes a character of the text at least: what lies beyond as many would be cut off anyway.
    own = Room(limits.keyword if room is None else min(limits.keyword, room.left))
    before = own.left
    tidy = plain(value, limits, 1, room=own)
    if room is not None:
        room.left -= before - own.left
    try:
        return cut(orjson.dumps(tidy).decode(), limits.keyword)
    except (TypeError, ValueError):  # lone surrogates
        return cut(repr(tidy).encode("utf-8", "backslashreplace").decode(), limits.keyword)
