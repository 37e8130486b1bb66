"""The quick way of one call: a known shape, encoded by a plan, appended.

It does what the roads do by way of an `Event`, for calls whose shape has been seen before, and gives the same
document. What it cannot do it leaves alone (`False`), and the general way takes the event from its start.
"""

from __future__ import annotations

from time import time_ns
from types import FrameType
from typing import Any, Final

import orjson

from shipper.clock import Clock, SystemClock
from shipper.ecs.encode import STAMP_MAX_BYTES, Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.plans import Plans
from shipper.ecs.timestamps import LAST_US, iso_timestamp
from shipper.emit.origin import is_machinery, origin
from shipper.emit.outlet import Writer
from shipper.emit.reentry import THREAD, is_ours
from shipper.emit.road import settle_refused
from shipper.enrich.context import bound_fields
from shipper.observe.counters import Counters

_MOST_ORIGINS: Final = 4096
_MOST_THREADS: Final = 1024
_CLIENT_LOGGER: Final = "kafka"
_SECOND_US: Final = 1_000_000
_PREFIX_BYTES: Final = 64
_ANY_LEVEL: Final = 20
_Place = tuple[int, int, int, str]

Fragment = orjson.Fragment


def _system_us() -> int:
    return time_ns() // 1000


class FusedRoad:
    """Takes events of one producer whose shape is known.

    Args:
        encoder: the general encoder; the plans are made from it.
        writer: where documents go.
        clock: the time of events.
        counters: told of each event that is taken.
    """

    __slots__ = (
        "_counters", "_encoder", "_has_own_time", "_largest", "_now_us", "_origins", "_plans",
        "_second", "_threads", "_writer",
    )  # fmt: skip

    def __init__(
        self, encoder: Encoder, writer: Writer, clock: Clock, counters: Counters, *, has_own_time: bool
    ) -> None:
        self._encoder = encoder
        self._writer = writer
        self._counters = counters
        self._has_own_time = has_own_time
        self._largest = encoder.limits.record_bytes - STAMP_MAX_BYTES - _PREFIX_BYTES
        self._now_us = _system_us if type(clock) is SystemClock else clock.now_us
        self._plans = Plans(encoder)
        # What the ids belong to is kept, so that they stay its own.
        self._origins: dict[_Place, tuple[object, Fragment | None]] = {}
        self._threads: dict[tuple[int, str], tuple[Fragment | None]] = {}
        self._second: tuple[int, bytes] = (-1, b"")

    def emit(
        self, level: int, logger: str, message: object, fields: dict[str, Any], frame: FrameType
    ) -> bool:
        """Store one event of a structlog logger; return whether that was done.

        Args:
            level: one of the five.
            logger: its name.
            message: what happened.
            fields: what the logger binds and the call gives; read only.
            frame: the caller's.
        """
        state = THREAD
        if state.is_inside or type(message) is not str:
            return False
        state.is_inside = True
        try:
            bound = bound_fields()
            if bound:
                fields = {**bound, **fields}
            values = (*fields.values(),)
            plan = self._plans.find((*fields,), values)
            if plan is None:
                return False
            found = self._origins.get((id(frame.f_code), frame.f_lineno, level, logger))
            log = found[1] if found is not None else self._learn_origin(level, logger, frame)
            name = state.thread.name
            here = self._threads.get((state.native_id, name))
            process = here[0] if here is not None else self._learn_thread(state.native_id, name)
            if log is None or process is None:
                return False
            suffix = plan.encode(log, process, message, values)
            return suffix is not None and self._store(level, plan.dataset, suffix, self._now_us())
        finally:
            if state.refused:
                settle_refused(f"a logging call of {logger}")
            state.is_inside = False

    def _store(self, level: int, dataset: str, suffix: bytes, moment_us: int) -> bool:
        second, micro = divmod(moment_us, _SECOND_US)
        known = self._second
        if known[0] != second:
            if not 0 <= moment_us < LAST_US:
                return False
            known = self._second = second, iso_timestamp(moment_us)[:-7].encode()
        if len(suffix) > self._largest:
            return False
        prefix = b'{"@timestamp":"%b%06dZ","event":{' % (known[1], micro)
        self._counters.count_emitted()
        writer = self._writer
        sequence = writer.append(prefix, suffix, timestamp_us=moment_us, level=level, dataset=dataset)
        if sequence is None and writer.is_closed:
            # Closed between the call and here: the general way takes the event to the next spool.
            self._counters.withdraw()
            return False
        return True

    def _learn_thread(self, number: int, name: str) -> Fragment | None:
        """Return the root `process` for a thread; None on threads of ours, whose records may be about our work."""
        fragment = None
        if not is_ours(_CLIENT_LOGGER):
            fragment = self._fragment(Event(_ANY_LEVEL, "", "", thread=(number, name)), "process")
        if len(self._threads) >= _MOST_THREADS:
            self._threads.clear()
        self._threads[number, name] = (fragment,)
        return fragment

    def _learn_origin(self, level: int, logger: str, frame: FrameType) -> Fragment | None:
        """Return the root `log` for a place in the program; None where the caller is to be looked for."""
        fragment = None
        if not is_machinery(frame) and not is_ours(logger):
            fragment = self._fragment(Event(level, "", logger, origin=origin(frame)), "log")
        if len(self._origins) >= _MOST_ORIGINS:
            self._origins.clear()
        self._origins[id(frame.f_code), frame.f_lineno, level, logger] = frame.f_code, fragment
        return fragment

    def _fragment(self, event: Event, root: str) -> Fragment:
        """Return one root of the document that the general encoder makes of an event."""
        encoded = self._encoder.encode(event, 0)
        document = orjson.loads(encoded.prefix + stamp("", 0) + encoded.suffix)
        return Fragment(orjson.dumps(document[root]))
