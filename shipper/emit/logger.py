"""The structlog logger: five levels, bound context, never an `Exception` from a logging call."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import structlog

from shipper.ecs.event import level_name
from shipper.ecs.values import is_mapping, text, type_name
from shipper.emit.message import merge
from shipper.emit.outlet import REGISTRY
from shipper.emit.processors import LEVEL_KEY, ship
from shipper.emit.threshold import THRESHOLD

CHAIN: Final[list[Any]] = [ship]
"""The chain that `configure()` sets; the list itself, so that structlog's test tools can replace its links."""

_STANDARD: Final = frozenset({10, 20, 30, 40, 50})


class NamedLogger:
    """What structlog wraps: a name. The last link has done the work, so its methods do nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<NamedLogger {self.name}>"

    def _ignore(self, *args: object, **kwargs: object) -> None:
        """Do nothing."""

    debug = info = warning = warn = error = exception = critical = fatal = msg = log = _ignore


def make_named_logger(*names: str) -> NamedLogger:
    """Return a `NamedLogger`: structlog's `logger_factory`. Without a name, the caller's module is it."""
    return NamedLogger(names[0] if names else "")


class BoundLogger(structlog.BoundLoggerBase):
    """A structlog logger with the usual methods, async twins included.

    The async twins emit at once, on the calling thread: there is nothing to wait for.
    """

    def debug(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level debug."""
        if THRESHOLD.level <= logging.DEBUG:
            self._emit("debug", event, args, fields)

    def info(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level info."""
        if THRESHOLD.level <= logging.INFO:
            self._emit("info", event, args, fields)

    def warning(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level warning."""
        if THRESHOLD.level <= logging.WARNING:
            self._emit("warning", event, args, fields)

    def error(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error."""
        if THRESHOLD.level <= logging.ERROR:
            self._emit("error", event, args, fields)

    def critical(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level critical."""
        if THRESHOLD.level <= logging.CRITICAL:
            self._emit("critical", event, args, fields)

    def exception(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error, with the exception that is being handled."""
        if THRESHOLD.level <= logging.ERROR:
            fields.setdefault("exc_info", True)
            self._emit("error", event, args, fields)

    def log(self, level: int, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at a numeric level; other levels than the five count as the next lower one."""
        if THRESHOLD.level <= level:
            if level not in _STANDARD:
                fields[LEVEL_KEY] = level
            self._emit(level_name(level), event, args, fields)

    warn = warning
    fatal = critical
    err = error
    msg = info

    async def adebug(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level debug."""
        self.debug(event, *args, **fields)

    async def ainfo(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level info."""
        self.info(event, *args, **fields)

    async def awarning(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level warning."""
        self.warning(event, *args, **fields)

    async def aerror(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error."""
        self.error(event, *args, **fields)

    async def acritical(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level critical."""
        self.critical(event, *args, **fields)

    async def aexception(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error, with the exception that is being handled."""
        fields.setdefault("exc_info", sys.exc_info())
        self.error(event, *args, **fields)

    async def alog(self, level: int, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at a numeric level."""
        self.log(level, event, *args, **fields)

    def is_enabled_for(self, level: int) -> bool:
        """Tell whether an event of this level would be taken."""
        return level >= THRESHOLD.level

    def get_effective_level(self) -> int:
        """Return the least level that is taken."""
        return THRESHOLD.level

    def _emit(self, name: str, event: object, args: tuple[object, ...], fields: dict[str, Any]) -> None:
        try:
            message: Any = merge(event, args) if args else event
            if "event" in fields:
                _move_event_field(fields)
            values, keywords = self._process_event(name, message, fields)
            getattr(self._logger, name)(*values, **keywords)
        except structlog.DropEvent:
            return
        except Exception as error:  # noqa: BLE001 - a link of the user's chain failed
            with suppress(Exception):
                problem = f"{type_name(error)}: {text(error, 300)}"
                REGISTRY.outlet(_NO_GROUPS).refuse("chain_failed", f"a structlog chain failed ({problem})")


_NO_GROUPS: Final[Mapping[str, object]] = {}


def _move_event_field(fields: dict[str, Any]) -> None:
    """Give a keyword called `event` another name: structlog keeps the message under this one."""
    given = fields.pop("event")
    if is_mapping(given):
        fields.update({f"event.{key}": value for key, value in given.items()})
    else:
        fields["labels.event"] = given


def get_logger(name: str | None = None, /, **initial: object) -> BoundLogger:
    """Return a structlog logger that ships, whether or not structlog was configured.

    Args:
        name: `log.logger`; without one, the calling module.
        initial: fields bound to the logger.
    """
    found = name or str(sys._getframe(1).f_globals.get("__name__", "root"))  # noqa: SLF001 - no other way
    return BoundLogger(NamedLogger(found), CHAIN, dict(initial))


def configure_structlog() -> None:
    """Make structlog's own `get_logger()` return our logger, too."""
    structlog.configure(
        processors=CHAIN,
        wrapper_class=BoundLogger,
        context_class=dict,
        logger_factory=make_named_logger,
        cache_logger_on_first_use=True,
    )
