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
_PINNED_GROUPS: Final = ("git.", "ml.model.")
_DATASETS: Final = frozenset({"event.dataset", "dataset"})


class Slot(NamedTuple):
    """One value of a shape.

    Attributes:
        position: its place among the values.
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
        pins: places of values that decide over other parts of the document (dataset, model, commit); they
            are part of the plan.
    """

    slots: tuple[Slot, ...]
    pins: tuple[int, ...]


class _Unplannable(Exception):
    """Where a value goes does not follow from names and types."""


def shape_of(fields: Mapping[str, object], limits: Limits) -> Shape | None:
    """Return the shape of an event's fields, None if it cannot be planned."""
    slots: list[Slot] = []
    pins: list[int] = []
    try:
        if len(fields) > _MOST_FIELDS or len(set(map(_place, fields))) < len(fields):
            return None
        for position, (name, value) in enumerate(fields.items()):
            _check(name, value, limits)
            if value is None:
                continue  # left out, whatever the name
            if _is_pin(name, value, limits):
                pins.append(position)
            else:
                slots.append(Slot(position, type(value), _cap(name, type(value), limits)))
    except _Unplannable:
        return None
    return Shape(tuple(slots), tuple(pins))


def pins_of(fields: Mapping[str, object], limits: Limits) -> tuple[str, ...] | None:
    """Return the names whose values are part of the plan, None if there can be none for fields like these."""
    shape = shape_of(fields, limits)
    names = list(fields)
    return None if shape is None else tuple(names[position] for position in shape.pins)


def _place(name: object) -> str:
    """Return what two names have in common that may ask for the same place: which gets it depends on their order."""
    return str(name).removeprefix("labels.").removeprefix("numeric_labels.").replace(".", "_")


def _check(name: object, value: object, limits: Limits) -> None:
    if type(name) is not str or type(value) not in _KINDS:
        raise _Unplannable
    # A name that begins with an underscore may be structlog's or ours.
    if not 0 < len(name) <= limits.key or not name.isprintable() or name[0] == "_":
        raise _Unplannable
    if (
        name in _CALLS_OWN
        or name.partition(".")[0] in _CALLS_OWN
        or (name in SPECIAL and name not in _DATASETS)
    ):
        raise _Unplannable


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
