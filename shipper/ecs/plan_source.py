"""From a document with markers to the functions that make such documents: the inner side of `shipper.ecs.plan`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple

import orjson

from shipper.ecs.values import JsonValue

Path = tuple[str, ...]
"""Names from a document's root to a value."""

Encode = Callable[[orjson.Fragment, orjson.Fragment, str, tuple[object, ...]], bytes | None]
"""Encodes the roots `log` and `process`, the message and the values of an event."""

_LARGEST: Final = 1 << 53
"""Integers up to here are the same as `long`, as `double` and as text; larger ones are looked at one by one."""

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
        arguments: names of all values, in order.
        doubles: names of those that must be finite.
        caps: names of the texts, and how many characters of each are kept whole; at least one.
        looked_at: names of the texts that must hold nothing to redact.
        is_clean: tells whether a text holds nothing to redact.
        tail: end of the document, encoded.
    """

    arguments: Sequence[str]
    doubles: Sequence[str]
    caps: Sequence[tuple[str, int]]
    looked_at: Sequence[str]
    is_clean: Callable[[str], bool] | None
    tail: bytes


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
    """Return a function (log, process, message, values) that encodes a document's tree behind its stamp.

    It returns None where `checks` do not hold, for an integer that is too large and for a lone surrogate.

    Args:
        roots: the document with markers, `event` first; what no use covers stays as it is.
        given: roots that are arguments themselves.
        uses: what stands where.
    """
    namespace: dict[str, object] = {
        "LARGEST": _LARGEST,
        "OutOfPlan": _OutOfPlan,
        "Unencodable": orjson.JSONEncodeError,
        "OPENING": len('{"event":{'),
        "dumps": orjson.dumps,
        "isfinite": isfinite,
        "is_clean": checks.is_clean,
        "out_of_plan": _out_of_plan,
        "tail": checks.tail,
    }
    members = [f"{name!r}: {_expression(value, (name,), uses, namespace)}" for name, value in roots.items()]
    members += [f"{name!r}: {name}" for name in given]
    lines = []
    if checks.arguments:
        lines.append(f"{', '.join(checks.arguments)}, = values")
    if checks.doubles:
        # One NaN or infinity makes the sum so; a sum of finite ones that overflows costs the quick way only.
        lines.append(f"if not isfinite({' + '.join(checks.doubles)}): return None")
    lines.append(f"encoded = dumps({{{', '.join(members)}}})")
    long = " or ".join(f"len({name}) > {cap}" for name, cap in checks.caps)
    lines.append(f"if len(encoded) > {min(cap for _, cap in checks.caps)} and ({long}): return None")
    if checks.looked_at:
        seen = "\\n".join(f"{{{name}}}" for name in checks.looked_at)
        lines.append(f'if not is_clean(f"{seen}"): return None')
    lines.append("return encoded[OPENING:-1] + tail")
    source = "\n".join(
        (
            "def encode(log, process, message, values):",
            "    try:",
            *(f"        {line}" for line in lines),
            "    except (OutOfPlan, Unencodable):",
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
