"""What all builders share: the form of an event, names and units."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

Number: TypeAlias = "int | float"
Moment: TypeAlias = "datetime | int | float | str"
"""A date-time (without zone: UTC), ISO 8601 text, or a number since the epoch (seconds, ms, µs or ns by size)."""

Split: TypeAlias = Literal["train", "validation", "test", "production"]
EventFields: TypeAlias = dict[str, object]
"""Declared fields by dotted name."""


def typed(dataset: str, action: str, fields: Mapping[str, object]) -> EventFields:
    """Return the fields of an event of `dataset`; what is None or an empty collection is left out."""
    given = {"event.dataset": dataset, "event.kind": "event", "event.action": action, **fields}
    return {name: value for name, value in given.items() if not _is_absent(value)}


def named(prefix: str, values: Mapping[str, object] | None) -> EventFields:
    """Return invented names under an open object of the schema."""
    if values is None:
        return {}
    return {f"{prefix}.{name}": value for name, value in values.items() if value is not None}


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, (list, tuple, dict)) and not value)
