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

Encode = Callable[[str, Mapping[str, object]], bytes | None]
"""Encodes the message and the fields of an event."""

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
        names: of the mapping that will be given, in order, those included that are no part of the plan.
        fields: fields of this shape; their leaves are the arguments v0, v1 ... in order.
        pinned: names of arguments that must have a certain value, and the value.
        caps: names of the texts, and how many characters of each are kept whole; at least one.
        looked_at: names of the texts that must hold nothing to redact.
        numbers: names of the numbers that are shown as text and may hold something to redact if they are long.
        redaction: tells whether a text holds something to redact; None: nothing is looked for.
    """

    names: Sequence[str]
    fields: Mapping[str, object]
    pinned: Sequence[tuple[str, str]]
    caps: Sequence[tuple[str, int]]
    looked_at: Sequence[str]
    numbers: Sequence[str]
    redaction: Redaction | None

    def lines(self, namespace: dict[str, object]) -> Iterator[str]:
        """Yield the statements that take the values from `fields` and check all that can be before encoding."""
        doubles: list[str] = []
        yield from _readings("fields", self.names, self.fields, namespace, doubles, itertools.count())
        for argument, value in self.pinned:
            yield f"if {argument} != {value!r}: return MISS"
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
    source: str,
    names: Sequence[str],
    fields: Mapping[str, object],
    namespace: dict[str, object],
    doubles: list[str],
    number: itertools.count[int],
) -> Iterator[str]:
    """Yield the statements that take values from nested dictionaries; note the arguments that are doubles.

    Names and types are compared as whole lists, and all values taken at once: the interpreter's own loops do in a few
    steps what takes a dozen for each field if it is written out. So the order of the fields matters.
    """
    namespace[f"{source}_names"] = [*names]
    namespace[f"{source}_kinds"] = [type(value) for value in fields.values()]
    yield f"if [*{source}] != {source}_names: return MISS"
    yield f"{source}_values = [*{source}.values()]"
    if len(names) > len(fields):
        runs = _runs([position for position, name in enumerate(names) if name in fields])
        yield f"{source}_values = {' + '.join(f'{source}_values[{start}:{stop}]' for start, stop in runs) or '[]'}"
    yield f"if [*map(type, {source}_values)] != {source}_kinds: return MISS"
    targets: list[str] = []
    deeper: list[str] = []
    for position, value in enumerate(fields.values()):
        if type(value) is dict:
            inner = f"{source}_{position}"
            targets.append(inner)
            deeper += _readings(inner, [*value], value, namespace, doubles, number)
        else:
            targets.append(f"v{next(number)}")
            if type(value) is float:
                doubles.append(targets[-1])
    if targets:
        yield f"{', '.join(targets)}, = {source}_values"
    yield from deeper


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Return the stretches of consecutive numbers as start and stop."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and runs[-1][1] == position:
            runs[-1] = (runs[-1][0], position + 1)
        else:
            runs.append((position, position + 1))
    return runs


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
    """Return a function (message, fields) that encodes a document's tree behind its stamp, and leaves it open.

    It returns `MISS` for fields of another shape, and None where a value needs the general encoder.

    Args:
        roots: the document with markers, `event` first; what no use covers stays as it is.
        given: roots that are arguments themselves.
        uses: what stands where.
    """
    namespace: dict[str, object] = {
        "LARGEST": _LARGEST,
        "MISS": MISS,
        "OPENING": len('{"event":{'),
        "OutOfPlan": _OutOfPlan,
        "Unencodable": orjson.JSONEncodeError,
        "dumps": orjson.dumps,
        "SHORT": _SHORT,
        "is_clean": None if checks.redaction is None else checks.redaction.is_clean,
        "scan": None if checks.redaction is None else checks.redaction.scan,
        "isfinite": isfinite,
        "out_of_plan": _out_of_plan,
    }
    members = [f"{name!r}: {_expression(value, (name,), uses, namespace)}" for name, value in roots.items()]
    members += [f"{name!r}: {name}" for name in given]
    source = "\n".join(
        (
            "def encode(message, fields):",
            "    try:",
            *(f"        {line}" for line in checks.lines(namespace)),
            f"        encoded = dumps({{{', '.join(members)}}})",
            *(f"        {line}" for line in checks.lines_behind()),
            "        return encoded[OPENING:-1]",
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
