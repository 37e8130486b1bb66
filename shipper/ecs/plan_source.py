"""From a document with markers to the functions that make such documents: the inner side of `shipper.ecs.plan`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple

import orjson

from shipper.ecs.redaction import Redaction
from shipper.ecs.values import JsonValue

Path = tuple[str, ...]
"""Names from a document's root to a value."""

MISS: Final = b""
"""Answer of a plan to fields of another shape."""

Encode = Callable[[orjson.Fragment, orjson.Fragment, str, Mapping[str, object]], bytes | None]
"""Encodes the roots `log` and `process`, the message and the fields of an event."""

_KINDS: Final = {str: "str", int: "int", float: "float", bool: "bool", type(None): "NoneType"}

_LARGEST: Final = 1 << 53
"""Integers up to here are the same as `long`, as `double` and as text; larger ones are looked at one by one."""

_SHORT: Final = 1_000_000
"""Numbers below have too few digits before the point to be a card's, a telephone's or any other's."""

_FORMS: Final = {
    (str, False): "{v}",
    (float, False): "{v}",
    (float, True): "repr({v})",
    (int, False): "{v} if -LARGEST <= {v} <= LARGEST else out_of_plan()",
    (int, True): "str({v}) if -LARGEST <= {v} <= LARGEST else out_of_plan()",
    (bool, False): "{v}",
    (bool, True): "'true' if {v} else 'false'",
}
"""How a value is shown, by its type and whether it stands as text."""


class _OutOfPlan(Exception):
    """A value needs the general encoder."""


class Use(NamedTuple):
    """A place of the document that shows a value.

    Attributes:
        argument: name of the value's argument.
        kind: its type.
        is_text: whether it stands there as text.
    """

    argument: str
    kind: type
    is_text: bool

    @property
    def source(self) -> str:
        """The expression that stands for it."""
        return _FORMS[self.kind, self.is_text].format(v=self.argument)


@dataclass(frozen=True, slots=True)
class Checks:
    """What has to hold for the values of an event.

    Attributes:
        count: how many fields there are, those included that are no part of the plan.
        fields: fields of this shape; their leaves are the arguments v0, v1 ... in order.
        pinned: names of arguments that must have a certain value, and the value.
        caps: names of the texts, and how many characters of each are kept whole; at least one.
        looked_at: names of the texts that must hold nothing to redact.
        numbers: names of the numbers that are shown as text and may hold something to redact if they are long.
        redaction: tells whether a text holds something to redact; None: nothing is looked for.
        tail: end of the document, encoded.
    """

    count: int
    fields: Mapping[str, object]
    pinned: Sequence[tuple[str, str]]
    caps: Sequence[tuple[str, int]]
    looked_at: Sequence[str]
    numbers: Sequence[str]
    redaction: Redaction | None
    tail: bytes

    def lines(self) -> Iterator[str]:
        """Yield the statements that take the values from `fields` and check all that can be before encoding."""
        yield f"if len(fields) != {self.count}: return MISS"
        by_kind: dict[type, list[str]] = {}
        yield from _readings("fields", self.fields, by_kind, itertools.count())
        for kind, arguments in by_kind.items():
            # A chain: each value's type is that of the one before, and the first one's is the kind.
            chain = " is ".join(f"type({argument})" for argument in arguments)
            yield f"if not ({_KINDS[kind]} is {chain}): return MISS"
        for argument, value in self.pinned:
            yield f"if {argument} != {value!r}: return MISS"
        doubles = by_kind.get(float)
        if doubles:
            # One NaN or infinity makes the sum so; a sum of finite ones that overflows costs the quick way only.
            yield f"if not isfinite({' + '.join(doubles)}): return None"

    def lines_behind(self) -> Iterator[str]:
        """Yield the statements that check the rest, once `encoded` is there."""
        long = " or ".join(f"len({name}) > {cap}" for name, cap in self.caps)
        yield f"if len(encoded) > {min(cap for _, cap in self.caps)} and ({long}): return None"
        if self.looked_at:
            seen = "\\n".join(f"{{{name}}}" for name in self.looked_at)
            unchanged = " and ".join(f"scan({name}) == {name}" for name in self.looked_at)
            # All at once is quick, one by one is exact.
            yield f'if not is_clean(f"{seen}") and not ({unchanged}): return None'
        for name in self.numbers:
            yield f"if not -SHORT < {name} < SHORT and scan(str({name})) != str({name}): return None"


def _readings(
    source: str, fields: Mapping[str, object], by_kind: dict[type, list[str]], number: itertools.count[int]
) -> Iterator[str]:
    """Yield the statements that take values from nested dictionaries; note their arguments by type."""
    for position, (name, value) in enumerate(fields.items()):
        if type(value) is dict:
            inner = f"{source}_{position}"
            yield f"{inner} = {source}[{name!r}]"
            yield f"if type({inner}) is not dict or len({inner}) != {len(value)}: return MISS"
            yield from _readings(inner, value, by_kind, number)
        else:
            argument = f"v{next(number)}"
            yield f"{argument} = {source}[{name!r}]"
            by_kind.setdefault(type(value), []).append(argument)


def leaves(tree: Mapping[str, JsonValue], path: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Yield all values of a document that are no objects, with their paths."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def encode_function(
    roots: Mapping[str, JsonValue], given: Iterable[str], uses: Mapping[Path, Use], checks: Checks
) -> Encode:
    """Return a function (log, process, message, fields) that encodes a document's tree behind its stamp.

    It returns `MISS` for fields of another shape, and None where a value needs the general encoder.

    Args:
        roots: the document with markers, `event` first; what no use covers stays as it is.
        given: roots that are arguments themselves.
        uses: what stands where.
    """
    namespace: dict[str, object] = {
        "LARGEST": _LARGEST,
        "MISS": MISS,
        "NoneType": type(None),
        "OPENING": len('{"event":{'),
        "OutOfPlan": _OutOfPlan,
        "Unencodable": orjson.JSONEncodeError,
        "dumps": orjson.dumps,
        "SHORT": _SHORT,
        "is_clean": None if checks.redaction is None else checks.redaction.is_clean,
        "scan": None if checks.redaction is None else checks.redaction.scan,
        "isfinite": isfinite,
        "out_of_plan": _out_of_plan,
        "tail": checks.tail,
    }
    members = [f"{name!r}: {_expression(value, (name,), uses, namespace)}" for name, value in roots.items()]
    members += [f"{name!r}: {name}" for name in given]
    source = "\n".join(
        (
            "def encode(log, process, message, fields):",
            "    try:",
            *(f"        {line}" for line in checks.lines()),
            f"        encoded = dumps({{{', '.join(members)}}})",
            *(f"        {line}" for line in checks.lines_behind()),
            "        return encoded[OPENING:-1] + tail",
            "    except KeyError:",
            "        return MISS",
            "    except (OutOfPlan, Unencodable):  # a large integer, a lone surrogate",
            "        return None",
        )
    )
    # All names in the source are ours, and literals are made by `repr`: no text of a caller becomes code.
    exec(source, namespace)  # noqa: S102 - see above
    made: Encode = namespace["encode"]  # type: ignore[assignment]
    return made


def _out_of_plan() -> None:
    raise _OutOfPlan


def _expression(value: JsonValue, path: Path, uses: Mapping[Path, Use], namespace: dict[str, object]) -> str:
    use = uses.get(path)
    if use is not None:
        return use.source
    if not isinstance(value, dict) or not any(used[: len(path)] == path for used in uses):
        name = f"constant_{len(namespace)}"
        namespace[name] = orjson.Fragment(orjson.dumps(value))
        return name
    parts = (f"{name!r}: {_expression(part, (*path, name), uses, namespace)}" for name, part in value.items())
    return "{" + ", ".join(parts) + "}"
