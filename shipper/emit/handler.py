"""The handler for `logging`, alone or by `dictConfig`."""

from __future__ import annotations

import logging
from typing import Final

from shipper.ecs.event import Event
from shipper.emit.outlet import REGISTRY, Outlet
from shipper.emit.reentry import THREADS
from shipper.emit.road import travel
from shipper.emit.stdlib import event_from_record

_THRESHOLD_IS_OURS: Final = logging.NOTSET


class ShipperHandler(logging.Handler):
    """Puts each record into the spool before the logging call returns.

    Without `shipper.configure()` it configures itself from the settings at its first record. In `dictConfig`::

        "handlers": {"shipper": {"class": "shipper.emit.ShipperHandler", "service": {"name": "checkout"}}}

    Never raises an `Exception`, whatever `logging.raiseExceptions` says; never touches the network. A
    record that reaches two handlers of the same pipeline is emitted once. `close()` only detaches the
    handler: the pipeline, which others may share, ends with `shipper.close()` or the process.

    Args:
        level: least level of the handler.
        groups: settings as for `shipper.configure`, for example `service={"name": "checkout"}`; without
            any, the pipeline made by `configure()` is used.
    """

    def __init__(self, level: int | str = _THRESHOLD_IS_OURS, **groups: object) -> None:
        super().__init__(level)
        self._groups = groups
        # Most handlers have no filters, and to ask for their verdict costs as much as to find the plan of a record.
        self._is_plain = (
            type(self).filter is logging.Handler.filter and type(self).emit is ShipperHandler.emit
        )

    def createLock(self) -> None:  # noqa: N802 - the name is Python's
        """Make no lock: the spool has its own, and one here could only deadlock (at a fork, in `dictConfig`)."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:  # type: ignore[override]
        """Filter and emit without a lock."""
        if self._is_plain and not self.filters and not self._groups and REGISTRY.diversion is None:
            outlet = REGISTRY.current  # as in `emit`: a call more would be felt
            road = None if outlet is None else outlet.fused
            if road is None or not road.emit_record(record):
                travel(self._groups, str(record.name), _make_event, record)
            return True
        verdict = self.filter(record)
        if verdict:
            self.emit(verdict if isinstance(verdict, logging.LogRecord) else record)
        return verdict

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one record to the pipeline; the record stays as it was."""
        outlet = REGISTRY.outlet(self._groups) if self._groups else REGISTRY.current
        road = None if outlet is None or REGISTRY.diversion is not None else outlet.fused
        if road is None or not road.emit_record(record):
            travel(self._groups, str(record.name), _make_event, record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is Python's
        """Do nothing: failures are counted and reported where they happen."""


def _make_event(outlet: Outlet, record: logging.LogRecord) -> Event | None:
    thread = THREADS.state
    if thread.has_passed(outlet.route, record):
        return None
    thread.note_passed(outlet.route, record)
    return event_from_record(record, use_created=not outlet.has_own_time)
