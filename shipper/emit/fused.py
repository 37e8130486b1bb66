"""The quick way of one call: a known shape, encoded by a plan, appended.

It does what the roads do by way of an `Event`, for calls whose shape has been seen before, and gives the same
document. What it cannot do it leaves alone (`False`), and the general way takes the event from its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import LogRecord, makeLogRecord
from threading import get_ident
from time import time_ns
from types import FrameType
from typing import Any, Final

from shipper.clock import Clock, SystemClock
from shipper.ecs.encode import STAMP_MAX_BYTES, Encoder
from shipper.ecs.plan_source import MISS
from shipper.ecs.plans import Plans
from shipper.ecs.timestamps import LAST_US, iso_timestamp
from shipper.emit.message import merge
from shipper.emit.outlet import QuickWriter
from shipper.emit.reentry import THREADS, ThreadState
from shipper.emit.road import settle_refused
from shipper.emit.sampling import Sampler
from shipper.emit.sites import Fragment, Site, Sites
from shipper.emit.stdlib import RECORD_ATTRIBUTES
from shipper.enrich.context import bound_fields
from shipper.observe.counters import Counters
from shipper.spool.frame import frame_tag

_SECOND_US: Final = 1_000_000
_PREFIX_BYTES: Final = 64
_STANDARD_NAMES: Final = frozenset(makeLogRecord({}).__dict__)

_Call = tuple[Site, Fragment, str, Mapping[str, object], int | None]
"""Where an event comes from, its root `process`, message, fields, and its own time in microseconds."""


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
        sampler: says which events pass as they are; the others are not taken. None: all pass.
    """

    __slots__ = (
        "_counters", "_has_own_time", "_largest", "_now_us", "_opening", "_plans", "_record_plans",
        "_route", "_sampler", "_sites", "_tick", "_writer",
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
        sampler: Sampler | None = None,
    ) -> None:
        self._writer = writer
        self._counters = counters
        self._has_own_time = has_own_time
        self._largest = encoder.limits.record_bytes - STAMP_MAX_BYTES - _PREFIX_BYTES
        self._now_us = _system_us if type(clock) is SystemClock else clock.now_us
        self._plans = Plans(encoder)
        self._record_plans = Plans(encoder, _STANDARD_NAMES, RECORD_ATTRIBUTES - _STANDARD_NAMES)
        self._route = route
        self._sampler = sampler
        self._tick = counters.tick
        self._sites = Sites(encoder)
        self._opening: tuple[int, bytes] = (-1, b"")

    def emit(
        self, level: int, logger: str, message: object, fields: dict[str, Any], frame: FrameType
    ) -> bool:
        """Store one event of a structlog logger; return whether that was done.

        Args:
            level: one of the five.
            logger: its name; empty: that of the caller's module.
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
                site = self._sites.of_calls.get((id(frame.f_code), frame.f_lasti, level, logger))
                if site is None:
                    site = self._sites.learn_call(level, logger, frame)
                here = state.here
                if here is None or here[0] is not self._sites or here[1] != state.thread.name:
                    here = self._sites.learn_thread(state)
                    if here is None:
                        return False
            except Exception:  # noqa: BLE001 - the general way finds out what is wrong, and says so
                return False
            return self._take(site, self._plans, here[2], message, fields, None)
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
                call = self._read(record, state)
                if call is None:
                    return False
                if (state.open or state.held is record) and state.has_passed(self._route, record):
                    return True
                site, process, message, fields, moment_us = call
            except Exception:  # noqa: BLE001 - as above
                return False
            if not self._take(site, self._record_plans, process, message, fields, moment_us):
                return False
            if record.args:
                state.note_passed(self._route, record)
            else:
                state.hold_passed(self._route, record)
            return True
        finally:
            if state.refused:
                settle_refused(f"a logging call of {record.name}")
            state.is_inside = False

    def _read(self, record: LogRecord, state: ThreadState) -> _Call | None:
        """Return what a record says; None if it says more than a call on this thread without an exception."""
        # Without even an empty tuple it was prepared by a `QueueHandler`, and its message may hold a traceback.
        if record.exc_info or record.exc_text or record.stack_info or record.args is None:
            return None
        if record.thread != get_ident():
            return None
        here = state.here
        if here is None or here[0] is not self._sites or here[1] != record.threadName:
            here = None if record.threadName != state.thread.name else self._sites.learn_thread(state)
            if here is None:
                return None
        message = merge(record.msg, record.args) if record.args else record.msg
        if type(message) is not str:
            return None
        fields = record.__dict__
        bound = bound_fields()
        if bound:
            if not RECORD_ATTRIBUTES.isdisjoint(bound):
                return None
            fields = {**bound, **fields}
        place = (record.pathname, record.lineno, record.funcName, record.levelno, record.name)
        site = self._sites.of_records.get(place) or self._sites.learn_record(place)
        moment_us = None if self._has_own_time else round(record.created * _SECOND_US)
        return site, here[2], message, fields, moment_us

    def _take(
        self,
        site: Site,
        plans: Plans,
        process: Fragment,
        message: str,
        fields: Mapping[str, object],
        moment_us: int | None,
    ) -> bool:
        """Encode by the plan and store; return whether that was done. Without a moment the clock is asked."""
        try:
            log = site.log
            if log is None:
                return False
            sampler = self._sampler
            if sampler is not None and not sampler.is_free(site.logger, site.level, fields):
                return False
            plan, tag = site.known
            suffix = MISS if plan is None else plan.encode(log, process, message, fields)
            if suffix is MISS:
                plan = plans.find(fields)
                if plan is None:
                    return False
                tag = frame_tag(site.level, plan.dataset)
                site.known = plan, tag
                suffix = plan.encode(log, process, message, fields)
            if not suffix or len(suffix) > self._largest:
                return False
            if moment_us is None:
                moment_us = self._now_us()
            second, micro = divmod(moment_us, _SECOND_US)
            opening = self._opening
            if opening[0] != second:
                opening = self._opening = second, _opening(moment_us)
            prefix = opening[1] % micro
        except Exception:  # noqa: BLE001 - as above
            return False
        return self._store(prefix, suffix, moment_us, tag)

    def _store(self, prefix: bytes, suffix: bytes, moment_us: int, tag: bytes) -> bool:
        self._tick()
        writer = self._writer
        if writer.put(prefix, suffix, moment_us, tag) is None and writer.is_closed:
            # Closed between the call and here: the general way takes the event to the next spool.
            if (
                self._tick is self._counters.tick
            ):  # else a signal handler forked: in the child nothing was counted
                self._counters.withdraw()
            return False
        return True


def _opening(moment_us: int) -> bytes:
    """Return the begin of all documents of a second, with a place for the microseconds.

    Raises:
        ValueError: the time is not one that a document can have.
    """
    if not 0 <= moment_us < LAST_US:
        raise ValueError(f"{moment_us} is not between 1970 and 2262")
    return b'{"@timestamp":"%b%%06dZ","event":{' % iso_timestamp(moment_us)[:-7].encode()
