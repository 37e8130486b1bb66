"""The plans of one encoder: made for shapes that come often, looked up for each event, bounded in number."""

from __future__ import annotations

from typing import Final

from shipper.ecs.encode import Encoder
from shipper.ecs.plan import Plan, make_plan

_WORTH_A_PLAN: Final = 4
"""A shape that came so often gets one: making it takes as long as encoding a hundred events."""

_MOST_PLANS: Final = 512
_MOST_SIGHTINGS: Final = 4096

Names = tuple[str, ...]
Values = tuple[object, ...]
_Kind = tuple[Names, tuple[type, ...]]


class Plans:
    """Finds the plan for an event. Threads may share it: each step replaces one entry of one dictionary.

    Args:
        encoder: plans are made from it.
        refused: events with such a name have no plan.
    """

    __slots__ = ("_all", "_encoder", "_pins", "_refused", "_sightings")

    def __init__(self, encoder: Encoder, refused: frozenset[str] = frozenset()) -> None:
        self._encoder = encoder
        self._refused = refused
        self._all: dict[tuple[_Kind, object], Plan] = {}
        self._pins: dict[_Kind, Plan | None] = {}
        self._sightings: dict[_Kind, int] = {}

    def find(self, names: Names, values: Values) -> Plan | None:
        """Return the plan for an event with these fields; None if there is none, or none yet."""
        kind = (names, tuple(map(type, values)))
        seen = self._sightings.get(kind, 0) + 1
        if seen < _WORTH_A_PLAN:
            if len(self._sightings) >= _MOST_SIGHTINGS:
                self._sightings.clear()
            self._sightings[kind] = seen
            return None
        model = self._pins.get(kind, _UNKNOWN)
        if model is None:
            return None
        if isinstance(model, Plan):
            pinned = None if model.pin is None else model.pin(values)
            plan = self._all.get((kind, pinned))
            if plan is None:
                plan = self._make(kind, values)
        else:
            plan = self._make(kind, values)
        return plan

    def _make(self, kind: _Kind, values: Values) -> Plan | None:
        if len(self._all) + len(self._pins) >= _MOST_PLANS:
            self._all.clear()
            self._pins.clear()
        plan = None
        if self._refused.isdisjoint(kind[0]):
            plan = make_plan(self._encoder, dict(zip(kind[0], values, strict=True)))
        self._pins[kind] = plan
        if plan is not None:
            self._all[kind, plan.pinned] = plan
        return plan


_UNKNOWN: Final = object()
