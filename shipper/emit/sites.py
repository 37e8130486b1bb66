"""What the quick way keeps of the places and threads from which events come: their part of the document, encoded once."""

from __future__ import annotations

import os.path
from types import FrameType
from typing import Final

import orjson

from shipper.ecs.encode import Encoder
from shipper.ecs.event import Event
from shipper.ecs.plan_source import MISS, Encode
from shipper.emit.origin import is_machinery, origin
from shipper.emit.reentry import NOWHERE, Here, ThreadState, is_ours
from shipper.emit.third_party import is_read

_MOST_SITES: Final = 4096
_MOST_THREADS: Final = 1024
_CLIENT_LOGGER: Final = "kafka"
_ANY_LEVEL: Final = 20
_LEVELS: Final = frozenset({10, 20, 30, 40, 50})

_Place = tuple[int, int, int, str]
_RecordPlace = tuple[str, int, str | None, int, str]


def _no_plan(_message: str, _fields: object, _bound: object = None, /) -> bytes:
    """Stand for the plan that is looked for at the first event."""
    return MISS


def _general(_message: str, _fields: object, _bound: object = None, /) -> None:
    """Leave each event to the general encoder."""


class Site:
    """A place in the program from which events come.

    Attributes:
        level: their level.
        logger: the logger's name.
        log: the root `log` as a document has it behind others; empty if it has to be found out for each event.
        known: what encodes events as the last one was, the tag of their frames, the end of their documents, and how
            many bytes what comes before that may take; most places log one shape.
    """

    __slots__ = ("_code", "known", "level", "log", "logger")

    def __init__(self, level: int, logger: str, log: bytes, code: object) -> None:
        self.level = level
        self.logger = logger
        self.log = log
        self.known: tuple[Encode, bytes, bytes, int] = (_no_plan if log else _general, b"", b"", 0)
        self._code = code  # kept, so that its id stays its own


class Sites:
    """The sites and threads of one producer.

    Args:
        encoder: what it says of them is kept.

    Attributes:
        of_calls: by code, instruction, level and logger of a call.
        of_records: by path, line, function, level and logger of a record of `logging`.
    """

    __slots__ = ("_encoder", "_threads", "of_calls", "of_records")

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.of_calls: dict[_Place, Site] = {}
        self.of_records: dict[_RecordPlace, Site] = {}
        self._threads: dict[tuple[int, str], bytes] = {}

    def learn_thread(self, state: ThreadState) -> Here:
        """Note the root `process` for this thread; nobody's on threads of ours, whose records may be about our work."""
        name = state.thread.name
        if is_ours(_CLIENT_LOGGER):
            return NOWHERE
        known = self._threads.get((state.native_id, name))
        if known is None:
            if len(self._threads) >= _MOST_THREADS:
                self._threads.clear()
            event = Event(_ANY_LEVEL, "", "", thread=(state.native_id, name))
            known = self._threads[state.native_id, name] = self._fragment(event, "process")
        state.here = here = (self, name, known)
        return here

    def learn_call(self, level: int, logger: str, frame: FrameType) -> Site:
        """Note a place from which a structlog logger is called; without a name the logger is its module's."""
        log = b""  # in machinery the caller has to be looked for, each time
        name = logger or str(frame.f_globals.get("__name__", "root"))
        if not is_machinery(frame):
            log = self._fragment(Event(level, "", name, origin=origin(frame)), "log")
        if len(self.of_calls) >= _MOST_SITES:
            self.of_calls.clear()
        site = self.of_calls[id(frame.f_code), frame.f_lasti, level, logger] = Site(
            level, name, log, frame.f_code
        )
        return site

    def learn_record(self, place: _RecordPlace) -> Site:
        """Note a place from which records of `logging` come."""
        path, line, function, level, logger = place
        log = b""
        if level in _LEVELS and type(logger) is str and not is_read(logger):
            at = os.path.basename(str(path)), line, str(function)  # noqa: PTH119
            log = self._fragment(Event(level, "", logger, origin=at), "log")
        if len(self.of_records) >= _MOST_SITES:
            self.of_records.clear()
        site = self.of_records[place] = Site(level, logger, log, None)
        return site

    def _fragment(self, event: Event, root: str) -> bytes:
        """Return one root of the document that the general encoder makes of an event."""
        return b"," + orjson.dumps({root: self._encoder.document(event)[root]})[1:-1]
