"""The quick way of one call: a known shape, encoded by a plan, appended.

It does what the roads do by way of an `Event`, for calls whose shape has been seen before, and gives the same
document. What it cannot do it leaves alone (`False`), and the general way takes the event from its start.
"""

from __future__ import annotations

import os.path
from logging import LogRecord, makeLogRecord
from threading import get_ident
from time import time_ns
from types import FrameType
from typing import Any, Final

import orjson

from shipper.clock import Clock, SystemClock
from shipper.ecs.encode import STAMP_MAX_BYTES, Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.plan import Plan
from shipper.ecs.plans import Plans
from shipper.ecs.timestamps import LAST_US, iso_timestamp
from shipper.emit.message import merge
from shipper.emit.origin import is_machinery, origin
from shipper.emit.outlet import QuickWriter
from shipper.emit.reentry import THREAD, ThreadState, is_ours, remember, was_seen
from shipper.emit.road import settle_refused
from shipper.emit.stdlib import RECORD_ATTRIBUTES
from shipper.enrich.context import bound_fields
from shipper.observe.counters import Counters
from shipper.spool.frame import frame_tag

_MOST_ORIGINS: Final = 4096
_MOST_THREADS: Final = 1024
_CLIENT_LOGGER: Final = "kafka"
_SECOND_US: Final = 1_000_000
_PREFIX_BYTES: Final = 64
_ANY_LEVEL: Final = 20
_LEVELS: Final = frozenset({10, 20, 30, 40, 50})
_STANDARD_NAMES: Final = (*makeLogRecord({}).__dict__,)
_STANDARD_COUNT: Final = len(_STANDARD_NAMES)
"""A record's own attributes come first, `extra` behind them."""

_Place = tuple[int, int, int, str]
_RecordPlace = tuple[str, int, str | None, int, str]

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
        route: identity of the pipeline.
        has_own_time: whether `clock` is a simulated one, by which records of `logging` are stamped, too.
    """

    __slots__ = (
        "_counters", "_encoder", "_has_own_time", "_largest", "_now_us", "_origins", "_plans", "_record_origins",
        "_record_plans", "_route", "_second", "_tags", "_threads", "_writer",
    )  # fmt: skip

    def __init__(
        self,
        encoder: Encoder,
        writer: QuickWriter,
        clock: Clock,
        counters: Counters,
        *,
        route: int,
        has_own_time: bool,
    ) -> None:
        self._encoder = encoder
        self._writer = writer
        self._counters = counters
        self._has_own_time = has_own_time
        self._largest = encoder.limits.record_bytes - STAMP_MAX_BYTES - _PREFIX_BYTES
        self._now_us = _system_us if type(clock) is SystemClock else clock.now_us
        self._plans = Plans(encoder)
        self._record_plans = Plans(encoder, RECORD_ATTRIBUTES)
        self._record_origins: dict[_RecordPlace, Fragment] = {}
        self._route = route
        # What the ids belong to is kept, so that they stay its own.
        self._origins: dict[_Place, tuple[object, Fragment | None]] = {}
        self._threads: dict[tuple[int, str], tuple[Fragment | None]] = {}
        self._tags: dict[tuple[int, str], bytes] = {}
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
            try:
                bound = bound_fields()
                if bound:
                    fields = {**bound, **fields}
                values = (*fields.values(),)
                plan = self._plans.find((*fields,), values)
                if plan is None:
                    return False
                found = self._origins.get((id(frame.f_code), frame.f_lasti, level, logger))
                log = found[1] if found is not None else self._learn_origin(level, logger, frame)
                name = state.thread.name
                here = self._threads.get((state.native_id, name))
                process = here[0] if here is not None else self._learn_thread(state.native_id, name)
                if log is None or process is None:
                    return False
                suffix = plan.encode(log, process, message, values)
            except Exception:  # noqa: BLE001 - the general way finds out what is wrong, and says so
                return False
            return suffix is not None and self._store(level, plan.dataset, suffix, self._now_us())
        finally:
            if state.refused:
                settle_refused(f"a logging call of {logger}")
            state.is_inside = False

    def emit_record(self, record: LogRecord) -> bool:
        """Store one record of `logging`; return whether that was done, now or by another handler before."""
        state = THREAD
        if state.is_inside:
            return False
        state.is_inside = True
        try:
            try:
                found = self._encode_record(state, record)
                if found is None:
                    return False
                if was_seen(self._route, record):
                    return True
                plan, suffix = found
                moment_us = self._now_us() if self._has_own_time else round(record.created * _SECOND_US)
            except Exception:  # noqa: BLE001 - as above
                return False
            if not self._store(record.levelno, plan.dataset, suffix, moment_us):
                return False
            remember(self._route, record)
            return True
        finally:
            if state.refused:
                settle_refused(f"a logging call of {record.name}")
            state.is_inside = False

    def _encode_record(self, state: ThreadState, record: LogRecord) -> tuple[Plan, bytes] | None:
        attributes = record.__dict__
        names = (*attributes,)
        if (
            names[:_STANDARD_COUNT] != _STANDARD_NAMES
            or record.exc_info
            or record.exc_text
            or record.stack_info
        ):
            return None
        message, arguments = record.msg, record.args
        if arguments:
            message = merge(message, arguments)
        # Without even an empty tuple it was prepared by a QueueHandler, whose message may hold a traceback.
        if arguments is None or type(message) is not str or record.thread != get_ident():
            return None
        names, values = names[_STANDARD_COUNT:], (*attributes.values(),)[_STANDARD_COUNT:]
        bound = bound_fields()
        if bound:
            fields = {**bound, **dict(zip(names, values, strict=True))}
            names, values = (*fields,), (*fields.values(),)
        plan = self._record_plans.find(names, values)
        if plan is None:
            return None
        place = (record.pathname, record.lineno, record.funcName, record.levelno, record.name)
        log = self._record_origins.get(place) or self._learn_record_origin(place)
        here = self._threads.get((state.native_id, record.threadName or ""))
        process = here[0] if here is not None else self._learn_thread(state.native_id, record.threadName)
        if log is None or process is None:
            return None
        suffix = plan.encode(log, process, message, values)
        return None if suffix is None else (plan, suffix)

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
        tag = self._tags.get((level, dataset))
        if tag is None:
            tag = self._tags[level, dataset] = frame_tag(level, dataset)
        self._counters.count_emitted()
        writer = self._writer
        sequence = writer.put(prefix, suffix, moment_us, tag)
        if sequence is None and writer.is_closed:
            # Closed between the call and here: the general way takes the event to the next spool.
            self._counters.withdraw()
            return False
        return True

    def _learn_thread(self, number: int, name: str | None) -> Fragment | None:
        """Return the root `process` for a thread; None on threads of ours, whose records may be about our work."""
        if not name:
            return None
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
        if not is_machinery(frame):
            fragment = self._fragment(Event(level, "", logger, origin=origin(frame)), "log")
        if len(self._origins) >= _MOST_ORIGINS:
            self._origins.clear()
        self._origins[id(frame.f_code), frame.f_lasti, level, logger] = frame.f_code, fragment
        return fragment

    def _learn_record_origin(self, place: _RecordPlace) -> Fragment | None:
        path, line, function, level, logger = place
        if level not in _LEVELS or type(logger) is not str:
            return None
        event = Event(level, "", logger, origin=(os.path.basename(str(path)), line, str(function)))  # noqa: PTH119
        if len(self._record_origins) >= _MOST_ORIGINS:
            self._record_origins.clear()
        fragment = self._record_origins[place] = self._fragment(event, "log")
        return fragment

    def _fragment(self, event: Event, root: str) -> Fragment:
        """Return one root of the document that the general encoder makes of an event."""
        encoded = self._encoder.encode(event, 0)
        document = orjson.loads(encoded.prefix + stamp("", 0) + encoded.suffix)
        return Fragment(orjson.dumps(document[root]))
