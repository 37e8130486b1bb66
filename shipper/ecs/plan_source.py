"""From a document with markers to the functions that make such documents: the inner side of `shipper.ecs.plan`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import orjson

from shipper.ecs.values import JsonValue

Path = tuple[str, ...]
"""Names from a document's root to a value."""

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


class OutOfPlan(Exception):
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


def leaves(tree: Mapping[str, JsonValue], path: Path = ()) -> Iterator[tuple[Path, JsonValue]]:
    """Yield all values of a document that are no objects, with their paths."""
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, name))
        else:
            yield (*path, name), value


def tree_function(
    roots: Mapping[str, JsonValue], given: Iterable[str], uses: Mapping[Path, Use], arguments: str
) -> Callable[..., dict[str, Any]]:
    """Return a function of `arguments` that returns the tree of a document.

    Args:
        roots: the document with markers; what no use covers stays as it is.
        given: roots that are arguments themselves.
        uses: what stands where.
    """
    namespace: dict[str, object] = {"LARGEST": _LARGEST, "out_of_plan": _out_of_plan}
    members = [f"{name!r}: {_expression(value, (name,), uses, namespace)}" for name, value in roots.items()]
    members += [f"{name!r}: {name}" for name in given]
    return make_function(arguments, "{" + ", ".join(members) + "}", namespace)


def make_function(arguments: str, expression: str, namespace: dict[str, object]) -> Callable[..., Any]:
    """Compile `def f(arguments): return expression`.

    All names in the source are arguments numbered by us and literals made by `repr`: no text of a caller is code.
    """
    exec(f"def made({arguments}):\n    return {expression}", namespace)  # noqa: S102 - see above
    made: Callable[..., Any] = namespace["made"]  # type: ignore[assignment]
    return made


def _out_of_plan() -> None:
    raise OutOfPlan


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
