"""Values that an application may hand to a logging call by accident or malice, each made afresh."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import threading
import types
import uuid
from collections import ChainMap, OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.unit.emit.spooled import strict


class LyingDict(dict[Any, Any]):
    """Says that it is empty."""

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return False


class HugeDict(dict[Any, Any]):
    """Says that it is larger than it can be."""

    def __len__(self) -> int:
        return 2**62


class NegativeLength(list[Any]):
    """Has no length that Python would take."""

    def __len__(self) -> int:
        return -1  # noqa: PLE0303


class EndlessMapping(Mapping[Any, Any]):
    """Never ends."""

    def __getitem__(self, key: Any) -> Any:
        return self

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        number = 0
        while True:
            yield number
            number += 1


class Liar:
    """Says that it is an integer."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int


class DictLiar:
    """Says that it is a dict."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return dict


class StrLiar:
    """Says that it is text."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return str


class EvilStr(str):
    """Text whose methods raise."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no str")

    def __len__(self) -> int:
        raise RuntimeError("no len")

    def __getitem__(self, key: Any) -> Any:
        raise RuntimeError("no item")

    def encode(self, *_: Any) -> Any:
        raise RuntimeError("no encode")

    def __hash__(self) -> int:
        return 5

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")


class EvilMeta(type):
    """A class that cannot be named."""

    def __getattribute__(cls, name: str) -> Any:
        raise RuntimeError("no attribute of the class")


class Unnameable(metaclass=EvilMeta):
    """An instance of it."""


class WrongRepr:
    """Returns what is no text."""

    def __repr__(self) -> Any:
        return 5


class Colour(enum.Enum):
    """Names with values."""

    RED = "red"
    DEEP = (1, 2)


class Flags(enum.IntFlag):
    """Bits."""

    A = 1
    B = 2


@dataclasses.dataclass
class Card:
    """Plain data, referring to itself."""

    name: str
    other: Any = None


Point = namedtuple("Point", "x y")  # noqa: PYI024


def nested(depth: int, kind: str) -> Any:
    """Return something nested so deep that a recursive walk would end the stack."""
    found: Any = 1
    for _ in range(depth):
        found = {"a": found} if kind == "dict" else [found] if kind == "list" else (found,)
    return found


def _card() -> Card:
    card = Card("ace")
    card.other = card
    return card


def _web() -> dict[str, Any]:
    """Return a dict that refers to itself so often that following all ways down would take for ever."""
    found: dict[str, Any] = {}
    found.update({f"k{number}": found for number in range(100)})
    return found


def _list_web() -> list[Any]:
    found: list[Any] = []
    found.extend([found] * 60)
    return found


def _layers() -> dict[str, Any]:
    """Return few dicts without a single value, each shared a hundred times by the one above: 100^20 ways."""
    found: dict[str, Any] = {}
    for _ in range(20):
        found = {f"k{number}": found for number in range(100)}
    return found


def _released() -> memoryview:
    view = memoryview(b"abc")
    view.release()
    return view


VALUES: dict[str, Callable[[], Any]] = {
    "lying dict": lambda: LyingDict(a=1), "huge dict": lambda: HugeDict(a=1), "negative length": lambda: NegativeLength([1]),
    "endless mapping": EndlessMapping, "lies int": Liar, "lies dict": DictLiar, "lies str": StrLiar, "evil str": lambda: EvilStr("x"),
    "unnameable": Unnameable, "unnameable class": lambda: Unnameable, "wrong repr": WrongRepr, "deep dict": lambda: nested(10_000, "dict"),
    "deep list": lambda: nested(10_000, "list"), "deep tuple": lambda: nested(10_000, "tuple"), "huge integer": lambda: 10**5_000,
    "larger integer": lambda: -(1 << 200_000), "bool": lambda: True, "colour": lambda: Colour.RED, "tuple colour": lambda: Colour.DEEP,
    "flags": lambda: Flags.A | Flags.B, "card": _card, "card class": lambda: Card, "point": lambda: Point(1, 2), "uuid": lambda: uuid.UUID(int=7),
    "path": lambda: pathlib.PurePosixPath("/a/b"), "surrogate path": lambda: pathlib.PurePosixPath("/a/\udcff"),
    "Decimal NaN": lambda: decimal.Decimal("NaN"), "Decimal sNaN": lambda: decimal.Decimal("sNaN"),
    "Decimal inf": lambda: decimal.Decimal("-Infinity"), "Decimal huge": lambda: decimal.Decimal("1e999999"),
    "memoryview": lambda: memoryview(b"abc\xff"), "released view": _released, "view of floats": lambda: memoryview(bytearray(16)).cast("d"),
    "bytearray": lambda: bytearray(b"a\0b"), "many bytes": lambda: b"\xff" * 3_000_000, "set": lambda: {1, "a", None}, "frozen": lambda: frozenset({b"x"}),
    "deque": lambda: deque([1, 2], maxlen=5), "ordered": lambda: OrderedDict(a=1), "default": lambda: defaultdict(list, a=[1]),
    "chain map": lambda: ChainMap({"a": 1}, {"b": 2}), "user dict": lambda: UserDict({"a": 1}), "proxy": lambda: types.MappingProxyType({"a": 1}),
    "web of dicts": _web, "web of lists": _list_web, "shared layers": _layers,
    "namespace": lambda: types.SimpleNamespace(a=1), "module": lambda: types, "function": lambda: strict, "lambda": lambda: lambda: 1,
    "lock": threading.Lock, "error": lambda: ValueError("x", {"y": 1}), "group": lambda: ExceptionGroup("g", [ValueError("x")]),
    "date-time": lambda: dt.datetime(2026, 3, 29, 2, 30), "first date": lambda: dt.datetime.min, "last date": lambda: dt.datetime.max,  # noqa: DTZ001, DTZ901
    "time": lambda: dt.time(1, 2), "ip": lambda: ipaddress.ip_address("::1"), "complex": lambda: complex(1, float("nan")), "range": lambda: range(10**12),
    "NUL": lambda: "a\0b", "surrogates": lambda: "\ud800\udfff\udc00", "controls": lambda: "".join(map(chr, range(160))),
    "lines": lambda: 'x\n{"@timestamp":"2026-01-01T00:00:00Z","message":"forged"}\r\u2028\u2029\x85', "type": lambda: int, "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented, "collision": lambda: {1: "a", "1": "b", b"1": "c", 1.5: "d", (1,): "e", None: "f", "None": "g"},
    "odd keys": lambda: {"": 1, " ": 2, ".": 3, "\0": 4, "\ud800": 5, "a.b": 6, "a": {"b": 7}, Colour.RED: 8, uuid.UUID(int=1): 9},
}  # fmt: skip
