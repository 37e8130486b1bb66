"""The plans of one encoder: made for shapes that come often, looked up for each event, bounded in number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.ecs.encode import Encoder
from shipper.ecs.plan import Plan, make_plan
from shipper.ecs.shape import leaves_of, shape_of

_WORTH_A_PLAN: Final = 4
"""A shape that came so often gets one: making it takes as long as encoding a hundred events."""

_MOST_PLANS: Final = 512
_MOST_SIGHTINGS: Final = 4096

_NamesAndTypes = tuple[tuple[str, object], ...]
_Kind = tuple[_NamesAndTypes | None, _NamesAndTypes | None]
_Pinned = tuple[object, ...]
_Names = tuple[str, ...]
_DEEPEST: Final = 3
_MOST_NAMES: Final = 200
_LONGEST_NAME: Final = 256


class Plans:
    """Finds the plan for an event. Threads may share it: each step replaces one entry of one dictionary.

    Args:
        encoder: plans are made from it.
        beside: names that the mappings hold without being fields of the event: the attributes of a record.
        refused: events with a field of such a name have no plan.
    """

    __slots__ = ("_all", "_beside", "_encoder", "_pins", "_refused", "_sightings")

    def __init__(
        self,
        encoder: Encoder,
        beside: frozenset[str] = frozenset(),
        refused: frozenset[str] = frozenset(),
    ) -> None:
        self._encoder = encoder
        self._beside = beside
        self._refused = refused
        self._all: dict[tuple[_Kind, _Pinned, _Names], Plan | None] = {}
        self._pins: dict[_Kind, tuple[int, ...] | None] = {}
        self._sightings: dict[_Kind, int] = {}

    def find(self, given: Mapping[str, object], bound: Mapping[str, object]) -> Plan | None:
        """Return the plan for an event that gives these fields where those are bound; None if there is none, or none yet."""
        beside = self._beside
        own = {name: value for name, value in given.items() if name not in beside} if beside else given
        kind = _kind(own), _kind(bound)
        if None in kind:
            return None
        seen = self._sightings.get(kind, 0) + 1
        if seen < _WORTH_A_PLAN:
            if len(self._sightings) >= _MOST_SIGHTINGS:
                self._sightings.clear()
            self._sightings[kind] = seen
            return None
        if len(given) != len(own) + len(beside) or not self._refused.isdisjoint({*own, *bound}):
            return None
        if len(self._all) + len(self._pins) >= _MOST_PLANS:
            self._all.clear()
            self._pins.clear()
        fields = {**bound, **own}
        if kind not in self._pins:
            shape = shape_of(fields, self._encoder.limits)
            self._pins[kind] = None if shape is None else shape.pins
        pins = self._pins[kind]
        if pins is None:
            return None
        values = leaves_of(fields) if pins else []
        names = tuple(given) if beside else ()
        key = (kind, tuple(values[position][1] for position in pins), names)
        if key not in self._all:
            self._all[key] = make_plan(self._encoder, own, bound=bound, names=names)
        return self._all[key]


def _kind(fields: Mapping[str, object]) -> _NamesAndTypes | None:
    """Return names and types, those in nested dictionaries included; None for what is too large to be kept."""
    names = 0

    def read(level: Mapping[str, object], depth: int) -> _NamesAndTypes | None:
        nonlocal names
        names += len(level)
        if names > _MOST_NAMES:
            return None
        found: list[tuple[str, object]] = []
        for name, value in level.items():
            kind: object = type(value)
            if kind is dict and depth < _DEEPEST:
                kind = read(value, depth + 1)  # type: ignore[arg-type]
            if kind is None or type(name) is not str or len(name) > _LONGEST_NAME:
                return None
            found.append((name, kind))
        return tuple(found)

    return read(fields, 0)
