"""Which shapes of events may be planned: where the place and form of each value follow from names and types alone.

`shipper.ecs.plan` makes plans; what is refused here takes the general way of `shipper.ecs.encode`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from shipper.datasets import DATASETS
from shipper.ecs.document import DECLARED, open_object
from shipper.ecs.encode import SPECIAL
from shipper.ecs.limits import Limits

_KINDS: Final = frozenset({str, int, float, bool, type(None)})
_TAKES: Final = {
    "keyword": frozenset({str, int, float, bool}),
    "text": frozenset({str}),
    "long": frozenset({int}),
    "double": frozenset({int, float}),
    "boolean": frozenset({bool}),
    "doubles": frozenset({int, float}),
    "keywords": frozenset({str, int, float, bool}),
}
"""By the type of a field: values that go into it as they are, or as their text, whatever they are.

A text in a numeric field, for example, is not among them: "12" fits and "twelve" does not.
"""

_CALLS_OWN: Final = frozenset(
    {"message", "log", "process", "tags", "ml.nonfinite", "exc_info", "stack_info", "exception", "stack"}
)
_MOST_FIELDS: Final = 200
_DEEPEST: Final = 3
_PINNED_GROUPS: Final = ("git.", "ml.model.")
_DATASETS: Final = frozenset({"event.dataset", "dataset"})


class Slot(NamedTuple):
    """One value of a shape.

    Attributes:
        position: its place among the leaves.
        kind: its type.
        cap: longest text in characters that is kept whole; 0 for other types.
    """

    position: int
    kind: type
    cap: int


class Shape(NamedTuple):
    """What a plan needs to know of an event before its values.

    Attributes:
        slots: the values that a document shows as they come.
        pins: positions of values that decide over other parts of the document (dataset, model, commit); they
            are part of the plan.
    """

    slots: tuple[Slot, ...]
    pins: tuple[int, ...]


class _Unplannable(Exception):
    """Where a value goes does not follow from names and types."""


def leaves_of(fields: Mapping[str, object]) -> list[tuple[tuple[str, ...], object]]:
    """Return the values of an event with their paths, those of nested dictionaries included, in order.

    What lies too deep is its own leaf, and `shape_of` refuses it.
    """
    found: list[tuple[tuple[str, ...], object]] = []
    _collect(fields, (), found)
    return found


def _collect(
    fields: Mapping[str, object], path: tuple[str, ...], found: list[tuple[tuple[str, ...], object]]
) -> None:
    for name, value in fields.items():
        if type(value) is dict and len(path) < _DEEPEST and len(found) <= _MOST_FIELDS:
            _collect(value, (*path, name), found)
        else:
            found.append(((*path, name), value))


def shape_of(fields: Mapping[str, object], limits: Limits) -> Shape | None:
    """Return the shape of an event's fields, None if it cannot be planned."""
    slots: list[Slot] = []
    pins: list[int] = []
    leaves = leaves_of(fields)
    try:
        names = [_name(path, limits) for path, _ in leaves]
        if len(names) > _MOST_FIELDS or len(set(map(_place, names))) < len(names):
            return None
        for position, (name, (_, value)) in enumerate(zip(names, leaves, strict=True)):
            if type(value) not in _KINDS:
                return None
            if value is None:
                continue  # left out, whatever the name
            if _is_pin(name, value, limits):
                pins.append(position)
            else:
                slots.append(Slot(position, type(value), _cap(name, type(value), limits)))
    except _Unplannable:
        return None
    return Shape(tuple(slots), tuple(pins))


def _place(name: str) -> str:
    """Return what two names have in common that may ask for the same place: which gets it depends on their order."""
    return name.removeprefix("labels.").removeprefix("numeric_labels.").replace(".", "_")


def _name(path: tuple[object, ...], limits: Limits) -> str:
    """Return the dotted name of a leaf."""
    for part in path:
        # A name that begins with an underscore may be structlog's or ours.
        if type(part) is not str or not part or not part.isprintable() or part[0] == "_":
            raise _Unplannable
    name = ".".join(path)  # type: ignore[arg-type]
    root = name.partition(".")[0]
    if len(name) > limits.key or name in _CALLS_OWN or root in _CALLS_OWN:
        raise _Unplannable
    if (name in SPECIAL and name not in _DATASETS) or (len(path) > 1 and path[0] in SPECIAL):
        raise _Unplannable
    return name


def _is_pin(name: str, value: object, limits: Limits) -> bool:
    if name in _DATASETS:
        if type(value) is not str or value not in DATASETS:
            raise _Unplannable
        return True
    if not name.startswith(_PINNED_GROUPS):
        return False
    if type(value) is not str or len(value) > limits.keyword:
        raise _Unplannable
    return True


def _cap(name: str, kind: type, limits: Limits) -> int:
    """Return the cap of a value's text."""
    spec = DECLARED.get(name) or open_object(name)
    if spec is None:
        return limits.keyword if kind is str else 0
    if kind not in _TAKES.get(spec.type, ()):
        raise _Unplannable
    if kind is not str:
        return 0
    return limits.text if spec.type == "text" else min(spec.ignore_above, limits.keyword)
