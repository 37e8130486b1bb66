"""The plans of one encoder: made for shapes that come often, looked up for each event, bounded in number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shipper.ecs.encode import Encoder
from shipper.ecs.plan import Plan, make_plan
from shipper.ecs.shape import pins_of

_WORTH_A_PLAN: Final = 4
"""A shape that came so often gets one: making it takes as long as encoding a hundred events."""

_MOST_PLANS: Final = 512
_MOST_SIGHTINGS: Final = 4096

_Kind = tuple[tuple[str, ...], tuple[type, ...]]
_Pinned = tuple[object, ...]


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
        self._all: dict[tuple[_Kind, _Pinned], Plan | None] = {}
        self._pins: dict[_Kind, tuple[str, ...] | None] = {}
        self._sightings: dict[_Kind, int] = {}

    def find(self, given: Mapping[str, object]) -> Plan | None:
        """Return the plan for an event with these fields; None if there is none, or none yet."""
        beside = self._beside
        fields = {name: value for name, value in given.items() if name not in beside} if beside else given
        kind = (tuple(fields), tuple(map(type, fields.values())))
        seen = self._sightings.get(kind, 0) + 1
        if seen < _WORTH_A_PLAN:
            if len(self._sightings) >= _MOST_SIGHTINGS:
                self._sightings.clear()
            self._sightings[kind] = seen
            return None
        if len(given) != len(fields) + len(beside) or not self._refused.isdisjoint(fields):
            return None
        if len(self._all) + len(self._pins) >= _MOST_PLANS:
            self._all.clear()
            self._pins.clear()
        if kind not in self._pins:
            self._pins[kind] = pins_of(fields, self._encoder.limits)
        pins = self._pins[kind]
        if pins is None:
            return None
        key = (kind, tuple(fields[name] for name in pins))
        if key not in self._all:
            self._all[key] = make_plan(self._encoder, fields, beside=len(beside))
        return self._all[key]
