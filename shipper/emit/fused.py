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
from shipper.emit.reentry import THREADS, ThreadState, is_ours, remember, was_seen
from shipper.emit.road import settle_refused
from shipper.emit.stdlib import RECORD_ATTRIBUTES
from shipper.emit.third_party import is_read
from shipper.enrich.context import bound_fields
from shipper.observe.counters import Counters
from shipper.spool.frame import frame_tag

_MOST_SITES: Final = 4096
_MOST_THREADS: Final = 1024
_CLIENT_LOGGER: Final = "kafka"
_SECOND_US: Final = 1_000_000
_PREFIX_BYTES: Final = 64
_ANY_LEVEL: Final = 20
_LEVELS: Final = frozenset({10, 20, 30, 40, 50})
_STANDARD_NAMES: Final = (*makeLogRecord({}).__dict__,)
_STANDARD_COUNT: Final = len(_STANDARD_NAMES)
"""A record's own attributes come first, `extra` behind them."""
_OPENING: Final = b'{"@timestamp":"%b%%06dZ","event":{'

Fragment = orjson.Fragment
_Place = tuple[int, int, int, str]
_RecordPlace = tuple[str, int, str | None, int, str]
_Encoded = tuple[bytes, bytes]
"""A frame's tag and the document behind its stamp."""
_Here = tuple[object, str, Any]
"""The road, the thread's name, and the root `process`."""


class _Site:
    """A place in the program from which events come.

    Attributes:
        level: their level.
        log: the root `log`; None if it has to be found out for each event.
        known: plan of the last event and the tag of its frame; most places log one shape.
    """

    __slots__ = ("_code", "known", "level", "log")

    def __init__(self, level: int, log: Fragment | None, code: object) -> None:
        self.level = level
        self.log = log
        self.known: tuple[Plan | None, bytes] = (None, b"")
        self._code = code  # kept, so that its id stays its own


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
        "_counters", "_encoder", "_has_own_time", "_largest", "_now_us", "_plans", "_record_plans",
        "_record_sites", "_route", "_second", "_sites", "_threads", "_tick", "_writer",
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
        self._route = route
        self._tick = counters.tick
        self._sites: dict[_Place, _Site] = {}
        self._record_sites: dict[_RecordPlace, _Site] = {}
        self._threads: dict[tuple[int, str], Fragment] = {}
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
        state = THREADS.state
        if state.is_inside or type(message) is not str:
            return False
        state.is_inside = True
        try:
            try:
                bound = bound_fields()
                if bound:
                    fields = {**bound, **fields}
                site = self._sites.get((id(frame.f_code), frame.f_lasti, level, logger))
                if site is None:
                    site = self._learn_site(level, logger, frame)
                encoded = self._encode(state, site, self._plans, message, (*fields,), (*fields.values(),))
            except Exception:  # noqa: BLE001 - the general way finds out what is wrong, and says so
                return False
            return encoded is not None and self._store(encoded, self._now_us())
        finally:
            if state.refused:
                settle_refused(f"a logging call of {logger}")
            state.is_inside = False

    def emit_record(self, record: LogRecord) -> bool:
        """Store one record of `logging`; return whether that was done, now or by another handler before."""
        state = THREADS.state
        if state.is_inside:
            return False
        state.is_inside = True
        try:
            try:
                encoded = self._encode_record(state, record)
                if encoded is None:
                    return False
                if was_seen(self._route, record):
                    return True
                moment_us = self._now_us() if self._has_own_time else round(record.created * _SECOND_US)
            except Exception:  # noqa: BLE001 - as above
                return False
            if not self._store(encoded, moment_us):
                return False
            remember(self._route, record)
            return True
        finally:
            if state.refused:
                settle_refused(f"a logging call of {record.name}")
            state.is_inside = False

    def _encode_record(self, state: ThreadState, record: LogRecord) -> _Encoded | None:
        if record.exc_info or record.exc_text or record.stack_info:
            return None
        message, arguments = record.msg, record.args
        if arguments:
            message = merge(message, arguments)
        # Without even an empty tuple it was prepared by a QueueHandler, whose message may hold a traceback.
        if arguments is None or type(message) is not str or record.thread != get_ident():
            return None
        if record.threadName != state.thread.name:
            return None
        attributes = record.__dict__
        names, values = (*attributes,), (*attributes.values(),)
        if names[:_STANDARD_COUNT] != _STANDARD_NAMES:
            return None
        names, values = names[_STANDARD_COUNT:], values[_STANDARD_COUNT:]
        bound = bound_fields()
        if bound:
            fields = {**bound, **dict(zip(names, values, strict=True))}
            names, values = (*fields,), (*fields.values(),)
        place = (record.pathname, record.lineno, record.funcName, record.levelno, record.name)
        site = self._record_sites.get(place)
        if site is None:
            site = self._learn_record_site(place)
        return self._encode(state, site, self._record_plans, message, names, values)

    def _encode(
        self,
        state: ThreadState,
        site: _Site,
        plans: Plans,
        message: str,
        names: tuple[str, ...],
        values: tuple[object, ...],
    ) -> _Encoded | None:
        plan, tag = site.known
        if (
            plan is None
            or plan.names != names
            or plan.types != (*map(type, values),)
            or (plan.pin is not None and plan.pin(values) != plan.pinned)
        ):
            plan = plans.find(names, values)
            if plan is None:
                return None
            tag = frame_tag(site.level, plan.dataset)
            site.known = plan, tag
        log = site.log
        if log is None:
            return None
        here = state.here
        if here is None or here[0] is not self or here[1] != state.thread.name:
            here = self._learn_thread(state)
            if here is None:
                return None
        suffix = plan.encode(log, here[2], message, values)
        return None if suffix is None else (tag, suffix)

    def _store(self, encoded: _Encoded, moment_us: int) -> bool:
        second, micro = divmod(moment_us, _SECOND_US)
        known = self._second
        if known[0] != second:
            if not 0 <= moment_us < LAST_US:
                return False
            known = self._second = second, _OPENING % iso_timestamp(moment_us)[:-7].encode()
        tag, suffix = encoded
        if len(suffix) > self._largest:
            return False
        self._tick()
        writer = self._writer
        if writer.put(known[1] % micro, suffix, moment_us, tag) is None and writer.is_closed:
            # Closed between the call and here: the general way takes the event to the next spool.
            self._counters.withdraw()
            return False
        return True

    def _learn_thread(self, state: ThreadState) -> _Here | None:
        """Note the root `process` for this thread; None on threads of ours, whose records may be about our work."""
        name = state.thread.name
        if is_ours(_CLIENT_LOGGER):
            return None
        known = self._threads.get((state.native_id, name))
        if known is None:
            if len(self._threads) >= _MOST_THREADS:
                self._threads.clear()
            event = Event(_ANY_LEVEL, "", "", thread=(state.native_id, name))
            known = self._threads[state.native_id, name] = self._fragment(event, "process")
        state.here = here = (self, name, known)
        return here

    def _learn_site(self, level: int, logger: str, frame: FrameType) -> _Site:
        log = None  # in machinery the caller has to be looked for, each time
        if not is_machinery(frame):
            log = self._fragment(Event(level, "", logger, origin=origin(frame)), "log")
        if len(self._sites) >= _MOST_SITES:
            self._sites.clear()
        site = self._sites[id(frame.f_code), frame.f_lasti, level, logger] = _Site(level, log, frame.f_code)
        return site

    def _learn_record_site(self, place: _RecordPlace) -> _Site:
        path, line, function, level, logger = place
        log = None
        if level in _LEVELS and type(logger) is str and not is_read(logger):
            at = os.path.basename(str(path)), line, str(function)  # noqa: PTH119
            log = self._fragment(Event(level, "", logger, origin=at), "log")
        if len(self._record_sites) >= _MOST_SITES:
            self._record_sites.clear()
        site = self._record_sites[place] = _Site(level, log, None)
        return site

    def _fragment(self, event: Event, root: str) -> Fragment:
        """Return one root of the document that the general encoder makes of an event."""
        encoded = self._encoder.encode(event, 0)
        document = orjson.loads(encoded.prefix + stamp("", 0) + encoded.suffix)
        return Fragment(orjson.dumps(document[root]))
