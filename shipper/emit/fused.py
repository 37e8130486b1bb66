"""The quick way of one call: a known shape, encoded by a plan, appended.

It does what the roads do by way of an `Event`, for calls whose shape has been seen before, and gives the same
document. What it cannot do it leaves alone (`False`), and the general way takes the event from its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from logging import LogRecord, makeLogRecord
from time import time_ns
from types import FrameType
from typing import Any, Final

from shipper.clock import Clock, SystemClock
from shipper.ecs.encode import DIFFERS_US, STAMP_MAX_BYTES, Encoder
from shipper.ecs.plan_source import MISS
from shipper.ecs.plans import Plans
from shipper.ecs.timestamps import LAST_US, iso_timestamp
from shipper.emit.message import merge
from shipper.emit.outlet import QuickWriter
from shipper.emit.reentry import THREADS
from shipper.emit.road import settle_refused
from shipper.emit.sampling import Sampler
from shipper.emit.sites import Site, Sites
from shipper.emit.stdlib import RECORD_ATTRIBUTES
from shipper.enrich.context import bound_fields
from shipper.observe.counters import Counters
from shipper.spool.frame import frame_tag

_SECOND_US: Final = 1_000_000
_PREFIX_BYTES: Final = 64
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
_STANDARD_NAMES: Final = frozenset(makeLogRecord({}).__dict__)


class FusedRoad:
    """Takes events of one producer whose shape is known.

    Args:
        encoder: the general encoder; the plans are made from it.
        stamp: the producer's; see `shipper.ecs.encode.stamp_template`.
        writer: where documents go.
        clock: the time of events.
        counters: told of each event that is taken.
        route: identity of the pipeline.
        has_own_time: whether `clock` is a simulated one, by which records of `logging` are stamped, too.
        sampler: says which events pass as they are; the others are not taken. None: all pass.
    """

    __slots__ = (
        "_counters", "_has_own_time", "_largest", "_now_ns", "_opening", "_plans", "_record_plans",
        "_route", "_sampler", "_sites", "_stamp", "_tick", "_writer",
    )  # fmt: skip

    def __init__(
        self,
        encoder: Encoder,
        stamp: bytes,
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
        self._now_ns = time_ns if type(clock) is SystemClock else lambda: clock.now_us() * 1000
        self._plans = Plans(encoder)
        self._record_plans = Plans(encoder, _STANDARD_NAMES, RECORD_ATTRIBUTES - _STANDARD_NAMES)
        self._route = route
        self._sampler = sampler
        self._tick = counters.tick
        self._sites = Sites(encoder)
        self._stamp = stamp
        self._opening: tuple[int, bytes] = (-_SECOND_US, b"")

    def emit(
        self,
        level: int,
        logger: str,
        message: object,
        fields: dict[str, Any],
        frame: FrameType,
        moment_us: int | None = None,
    ) -> bool:
        """Store one event of a structlog logger; return whether that was done.

        Args:
            level: one of the five.
            logger: its name; empty: that of the caller's module.
            message: what happened.
            fields: what the logger binds and the call gives; read only.
            frame: the caller's.
            moment_us: when it happened, as the call itself says; one far from now is left alone. None: now.
        """
        state = THREADS.state
        if state.is_inside or type(message) is not str:
            return False
        state.is_inside = True
        try:
            try:
                bound = bound_fields()
                sites = self._sites
                try:
                    site = sites.of_calls[id(frame.f_code), frame.f_lasti, level, logger]
                except KeyError:
                    site = sites.learn_call(level, logger, frame)
                owner, name, process = state.here
                if owner is not sites or name != state.thread._name:  # type: ignore[attr-defined]  # noqa: SLF001 - `name` is a call
                    owner, name, process = sites.learn_thread(state)
                    if owner is not sites:
                        return False
                if moment_us is not None and abs(self._now_ns() // 1000 - moment_us) >= DIFFERS_US:
                    return False
            except Exception:  # noqa: BLE001 - the general way finds out what is wrong, and says so
                return False
            return self._take(site, self._plans, process, message, fields, bound, moment_us)
        finally:
            if state.refused:
                settle_refused(f"a logging call of {logger}")
            state.is_inside = False

    def emit_record(self, record: LogRecord) -> bool:  # noqa: C901, PLR0911 - taken apart, the calls are felt
        """Store one record of `logging`; return whether that was done, now or by another handler before.

        One that says more than a call on this thread without an exception is left alone. Without even an empty tuple
        of arguments it was prepared by a `QueueHandler`, and its message may hold a traceback.
        """
        state = THREADS.state
        if state.is_inside:
            return False
        state.is_inside = True
        try:
            try:
                # Its dictionary is asked, not the record: with fields of the caller in it, that is several times quicker.
                fields: Mapping[str, object] = record.__dict__
                given: Mapping[str, Any] = fields
                args = given["args"]
                if given["exc_info"] or given["exc_text"] or given["stack_info"] or args is None:
                    return False
                message = merge(given["msg"], args) if args else given["msg"]
                if type(message) is not str or given["thread"] != state.ident:
                    return False
                owner, name, process = state.here
                if owner is not self._sites or name != given["threadName"]:
                    owner, name, process = self._sites.learn_thread(state)
                    if owner is not self._sites or name != given["threadName"]:
                        return False
                if (state.open or state.held is record) and state.has_passed(self._route, record):
                    return True
                bound = bound_fields()
                place = given["pathname"], given["lineno"], given["funcName"], given["levelno"], given["name"]
                site = self._sites.of_records.get(place) or self._sites.learn_record(place)
                moment_us = None if self._has_own_time else round(given["created"] * _SECOND_US)
            except Exception:  # noqa: BLE001 - as above
                return False
            if not self._take(site, self._record_plans, process, message, fields, bound, moment_us):
                return False
            if not args or (type(args) is tuple and _PLAIN.issuperset(map(type, args))):
                state.hold_passed(self._route, record)
            else:
                state.note_passed(self._route, record)
            return True
        finally:
            if state.refused:
                settle_refused(f"a logging call of {record.name}")
            state.is_inside = False

    def _take(
        self,
        site: Site,
        plans: Plans,
        process: bytes,
        message: str,
        fields: Mapping[str, object],
        bound: Mapping[str, object],
        moment_us: int | None,
    ) -> bool:
        """Encode by the plan and store; return whether that was done. Without a moment the clock is asked."""
        try:
            sampler = self._sampler
            if sampler is not None and not sampler.is_free(site.logger, site.level, {**bound, **fields}):
                return False
            log = site.log
            encode, tag, tail, room = site.known
            body = encode(message, fields, bound)
            if body is MISS:
                plan = plans.find(fields, bound)
                if plan is None:
                    return False
                encode, tag, tail, room = site.known = (
                    plan.encode,
                    frame_tag(site.level, plan.dataset),
                    plan.tail,
                    self._largest - len(plan.tail) - len(log),
                )
                body = encode(message, fields, bound)
            if not body or len(body) + len(process) > room:
                return False
            if moment_us is None:
                moment_us = self._now_ns() // 1000
            since_us, opening = self._opening
            micro = moment_us - since_us
            if micro // _SECOND_US:  # another second
                since_us, opening = self._opening = (
                    moment_us // _SECOND_US * _SECOND_US,
                    self._begin(moment_us),
                )
                micro = moment_us - since_us
        except Exception:  # noqa: BLE001 - as above
            return False
        tick = self._tick
        tick()
        writer = self._writer
        if writer.put(moment_us, tag, opening, micro, body, log, process, tail) is None and writer.is_closed:
            # Closed between the call and here: the general way takes the event to the next spool.
            if tick is self._counters.tick:  # else a signal handler forked: in the child nothing was counted
                self._counters.withdraw()
            return False
        return True

    def _begin(self, moment_us: int) -> bytes:
        """Return the begin of all documents of a moment's second, with places for microseconds and sequence (twice).

        Raises:
            ValueError: the time is not one that a document can have.
        """
        if not 0 <= moment_us < LAST_US:
            raise ValueError(f"{moment_us} is not between 1970 and 2262")
        return b'{"@timestamp":"%b%%06dZ","event":{%b' % (iso_timestamp(moment_us)[:-7].encode(), self._stamp)
