"""What all builders share: the form of an event, names and units, and that odd values never raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Final, Literal, ParamSpec, TypeAlias

from shipper.ecs.limits import Limits
from shipper.ecs.values import is_mapping, json_text, key_text, pairs, plain, text, type_name

Number: TypeAlias = "int | float"
Moment: TypeAlias = "datetime | int | float | str"
"""A date-time (without zone: UTC), ISO 8601 text, or a number since the epoch (seconds, ms, µs or ns by size)."""

Split: TypeAlias = Literal["train", "validation", "test", "production"]
EventFields: TypeAlias = dict[str, object]
"""Declared fields by dotted name."""

LIMITS: Final = Limits()
"""Caps for what a builder turns into text itself; the encoder applies those of the settings."""

MOST_NAMES: Final = 1024
_KEY: Final = 128
_EMPTY: Final = (list, tuple, dict)

_Arguments = ParamSpec("_Arguments")


def builder(function: Callable[_Arguments, EventFields]) -> Callable[_Arguments, EventFields]:
    """Make a builder total: where a value raises when it is read, all values are tamed to JSON values first.

    A call that does not fit the signature raises `TypeError` as any other: that is no odd value, but a mistake.
    """

    @wraps(function)
    def total(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> EventFields:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            trace = error.__traceback__
            if isinstance(error, TypeError) and trace is not None and trace.tb_next is None:
                raise  # the call itself failed: nothing of the builder ran
            try:
                tame: Callable[..., EventFields] = function
                return tame(
                    *(plain(value, LIMITS) for value in args),
                    **{name: plain(value, LIMITS) for name, value in kwargs.items()},
                )
            except Exception:  # noqa: BLE001 - what is left of the event is that it happened
                reason = f"the event could not be built: {type_name(error)}"
                return {"event.action": function.__name__.replace("_", "-"), "event.reason": reason}

    return total


def typed(dataset: str, action: str, fields: Mapping[str, object]) -> EventFields:
    """Return the fields of an event of `dataset`; what is None or an empty collection is left out."""
    event: EventFields = {"event.dataset": dataset, "event.kind": "event", "event.action": action}
    for name, value in fields.items():
        if value is None or (type(value) in _EMPTY and not value):
            continue
        event[name] = value
    return event


def named(prefix: str, values: Mapping[str, object] | None) -> EventFields:
    """Return invented names under an open object of the schema; what is no mapping stays under `prefix` itself."""
    if values is None:
        return {}
    if not is_mapping(values):
        return {prefix: values}
    found: EventFields = {}
    for name, value in pairs(values, MOST_NAMES):  # type: ignore[arg-type]
        if value is not None:
            found[f"{prefix}.{name if type(name) is str else key_text(name, _KEY)}"] = value
    return found


def mapping_of(values: object) -> dict[str, object] | None:
    """Return a mapping with text as keys, None for None, and `{"value": ...}` for what is no mapping."""
    if values is None:
        return None
    if not is_mapping(values):
        return {"value": values}
    return {key_text(name, _KEY): value for name, value in pairs(values, MOST_NAMES)}  # type: ignore[arg-type]


def label_text(label: object) -> str | None:
    """Return a class as text; None for None. Whole floats lose their point: 1.0 and 1 are one class."""
    if label is None or type(label) is str:
        return label
    if issubclass(type(label), float):  # asked of the type: `__class__` may raise
        found = float.__add__(label, 0.0)  # type: ignore[operator]
        return str(int(found)) if found.is_integer() and abs(found) < 1e15 else repr(found)
    return text(label, LIMITS.keyword)


def raw_text(value: object) -> str | None:
    """Return raw input or output as text: text as it is, mappings and lists as JSON, arrays as a summary."""
    if value is None or type(value) is str:
        return value
    if is_mapping(value) or type(value) in (list, tuple):
        return json_text(value, LIMITS)
    return text(value, LIMITS.text)
