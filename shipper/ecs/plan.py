"""A plan: how to encode events of one shape, worked out once.

Most calls of a program repeat a few shapes: the same names with values of the same types. For a shape the
general encoder is asked once, with markers in place of the values; where the markers turn up in its document
decides where the values of later events go. So a plan can only say what the general encoder says, and all that
depends on values (length, finiteness, secrets) is checked for each event: `Plan.encode` returns None where the
general encoder must look itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from shipper.ecs.encode import Encoder
from shipper.ecs.event import Event
from shipper.ecs.plan_source import Checks, Encode, Use, encode_function, leaves
from shipper.ecs.plan_tree import Path
from shipper.ecs.redaction import Redaction
from shipper.ecs.shape import Shape, Slot, leaves_of, shape_of
from shipper.ecs.values import JsonValue
from shipper.treatment import Treatment

_LEVEL: Final = 20
_MESSAGE: Final = "\ue000message\ue001"
_FIRST_INTEGER: Final = 1 << 40
_FIRST_DOUBLE: Final = 1_048_576.5
_CALLS_OWN: Final = ("message", "log", "process")
_STAMPED: Final = ("id", "sequence")

_NOTHING: Final[Mapping[str, object]] = {}

_Tree = dict[str, JsonValue]


class _Given(NamedTuple):
    """The first arguments of `Checks`."""

    names: Sequence[str]
    fields: Mapping[str, object]
    bound: Mapping[str, type]
    own: frozenset[str]


class Plan(NamedTuple):
    """How to encode events of one shape; made by `make_plan`.

    Attributes:
        dataset: the dataset of these events.
        encode: returns the part of a document behind its stamp, from the message, the call's fields and the bound
            ones; `MISS` for fields of another shape, None if the general encoder must look itself. Behind it come the roots `log` and
            `process`, each with a comma before it, and the tail.
        tail: the end of all these documents.
    """

    dataset: str
    encode: Encode
    tail: bytes


def make_plan(
    encoder: Encoder,
    own: Mapping[str, object],
    *,
    bound: Mapping[str, object] = _NOTHING,
    names: Sequence[str] = (),
) -> Plan | None:
    """Return a plan for events with fields like these, None if there can be none.

    Args:
        encoder: is asked, and its facts become part of the plan.
        own: what the call gives.
        bound: what is bound around it; the call's own win.
        names: of the mappings that `Plan.encode` will get, in order, if they hold more than the call's fields.
    """
    fields = {**bound, **own}
    shape = shape_of(fields, encoder.limits)
    if shape is None:
        return None
    document = _document(encoder, _marked(fields, shape, None))
    uses = _uses(document, shape)
    for slot in shape.slots:
        if slot.kind is bool:
            uses |= _differences(document, _document(encoder, _marked(fields, shape, slot)), slot)
    shown = {use.argument for use in uses.values()}
    looked_at = _looked_at(uses, encoder.redaction)
    if looked_at is None or not shown.issuperset({_MESSAGE_ARGUMENT, *map(_argument, shape.slots)}):
        return None
    given = _Given(
        names or [*own], fields, {name: type(value) for name, value in bound.items()}, frozenset(own)
    )
    return _compile(encoder, given, shape, document, uses, looked_at)


_MESSAGE_ARGUMENT: Final = "message"


def _argument(slot: Slot) -> str:
    return f"v{slot.position}"


def _marked(fields: Mapping[str, object], shape: Shape, true: Slot | None) -> dict[object, object]:
    """Return the fields with a marker in each slot; of the truth values only that of slot `true` is true."""
    leaves = leaves_of(fields)
    marked: dict[Any, Any] = _copy(fields)
    for slot in shape.slots:
        *above, name = leaves[slot.position][0]
        place = marked
        for part in above:
            place = place[part]
        place[name] = slot is true if slot.kind is bool else _marker(slot)
    return marked


def _copy(fields: Mapping[str, object]) -> dict[Any, Any]:
    return {name: _copy(value) if type(value) is dict else value for name, value in fields.items()}


def _marker(slot: Slot) -> str | int | float:
    if slot.kind is str:
        return f"\ue000{slot.position}\ue001"
    return (_FIRST_INTEGER if slot.kind is int else _FIRST_DOUBLE) + slot.position


def _document(encoder: Encoder, fields: Mapping[object, object]) -> _Tree:
    """Return the general encoder's document, without what is known only at the call."""
    document = encoder.document(Event(_LEVEL, _MESSAGE, "", fields))
    del document["@timestamp"]
    for name in _STAMPED:
        del document["event"][name]
    return document


def _uses(document: _Tree, shape: Shape) -> dict[Path, Use]:
    """Return where the markers turned up."""
    markers: dict[tuple[type, object], Use] = {(str, _MESSAGE): Use(_MESSAGE_ARGUMENT, str, is_text=False)}
    for slot in shape.slots:
        if slot.kind is not bool:
            marker = _marker(slot)
            markers[slot.kind, marker] = Use(_argument(slot), slot.kind, is_text=False)
            if slot.kind is not str:
                markers[str, repr(marker)] = Use(_argument(slot), slot.kind, is_text=True)
    found = {}
    for path, value in leaves(document):
        use = None if isinstance(value, list) else markers.get((type(value), value))
        if use is not None:
            found[path] = use
    return found


def _differences(document: _Tree, other: _Tree, slot: Slot) -> dict[Path, Use]:
    """Return where a truth value shows, by what changed when it did."""
    before = dict(leaves(document))
    return {
        path: Use(_argument(slot), bool, is_text=isinstance(value, str))
        for path, value in leaves(other)
        if before.get(path) != value
    }


def _looked_at(uses: Mapping[Path, Use], redaction: Redaction | None) -> list[Use] | None:
    """Return the texts that redaction wants to see; None if it wants more than to look."""
    wanted: list[Use] = []
    for path, use in uses.items():
        treatment = Treatment.PASS if redaction is None else redaction.treatment(".".join(path))
        if treatment is Treatment.SCAN:
            if use.kind is not bool and (use.kind is str or use.is_text):
                wanted.append(use)
        elif treatment is not Treatment.PASS:
            return None
    return wanted


def _compile(
    encoder: Encoder,
    given: _Given,
    shape: Shape,
    document: _Tree,
    uses: Mapping[Path, Use],
    looked_at: list[Use],
) -> Plan:
    moving = {path[0] for path in uses} | {"event"}
    roots = {name: document[name] for name in document if name in moving and name not in _CALLS_OWN}
    roots["message"] = document["message"]
    still = {name: document[name] for name in document if name not in moving and name not in _CALLS_OWN}
    values = [value for _, value in leaves_of(given.fields)]
    checks = Checks(
        *given,
        pinned=[(f"v{position}", str(values[position])) for position in shape.pins],
        caps=[
            (_MESSAGE_ARGUMENT, encoder.limits.text),
            *((_argument(slot), slot.cap) for slot in shape.slots if slot.kind is str),
        ],
        looked_at=sorted({use.argument for use in looked_at if use.kind is str}),
        numbers=sorted({use.argument for use in looked_at if use.kind is not str}),
        redaction=encoder.redaction,
    )
    tail = b"".join(b"," + orjson.dumps({name: part})[1:-1] for name, part in still.items()) + b"}"
    event: Any = document["event"]
    return Plan(event["dataset"], encode_function(roots, uses, checks), tail)
