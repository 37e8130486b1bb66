"""The structlog logger: five levels, bound context, never an `Exception` from a logging call."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import structlog

from shipper.ecs.event import level_name
from shipper.ecs.values import is_mapping, text, type_name
from shipper.emit.levelled import levelled, written_class
from shipper.emit.levels import LEVELS
from shipper.emit.message import merge
from shipper.emit.outlet import REGISTRY
from shipper.emit.processors import LEVEL_KEY, ship

CHAIN: Final[list[Any]] = [ship]
"""The chain that `configure()` sets; the list itself, so that structlog's test tools can replace its links."""

_ALONE: Final = [ship]
_frame: Final = sys._getframe  # noqa: SLF001 - inspect.stack() reads source files
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

    Loggers of one name share a class, whose methods of disabled levels do nothing: a disabled call costs
    nothing but the call, and a level that changes at run time changes the class.

    The async twins emit at once, on the calling thread: there is nothing to wait for.
    """

    def __init__(self, logger: Any, processors: Any, context: Any) -> None:
        super().__init__(logger, processors, context)
        levelled(self, _name_of(logger))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as a logger of the class that was written, on the chain of its process."""
        chain = None if self._processors is CHAIN else self._processors
        return _rebuild, (written_class(type(self)), self._logger, chain, self._context)

    def debug(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level debug."""
        self._emit(10, "debug", event, args, fields, _frame(1))

    def info(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level info."""
        self._emit(20, "info", event, args, fields, _frame(1))

    def warning(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level warning."""
        self._emit(30, "warning", event, args, fields, _frame(1))

    def error(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error."""
        self._emit(40, "error", event, args, fields, _frame(1))

    def critical(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level critical."""
        self._emit(50, "critical", event, args, fields, _frame(1))

    def exception(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error, with the exception that is being handled."""
        fields.setdefault("exc_info", True)
        self._emit(40, "error", event, args, fields, _frame(1))

    def log(self, level: int, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at a numeric level; other levels than the five count as the next lower one."""
        if self.get_effective_level() <= level:
            if level not in _STANDARD:
                fields[LEVEL_KEY] = level
            self._emit(level, level_name(level), event, args, fields, _frame(1))

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
        return level >= self.get_effective_level()

    def get_effective_level(self) -> int:
        """Return the least level that is taken."""
        return LEVELS.effective(_name_of(self._logger))

    def _emit(
        self,
        level: int,
        name: str,
        event: object,
        args: tuple[object, ...],
        fields: dict[str, Any],
        frame: FrameType,
    ) -> None:
        try:
            message: Any = merge(event, args) if args else event
            if self._processors is CHAIN and CHAIN == _ALONE and REGISTRY.diversion is None:
                outlet = REGISTRY.current
                road = None if outlet is None else outlet.fused
                logger = self._logger.name
                if not logger:
                    logger = _module(frame)
                    if LEVELS.effective(logger) > level:
                        return
                if road is not None:
                    context = self._context
                    given = {**context, **fields} if context else fields
                    if road.emit(level, logger, message, given, frame):
                        return
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


def _name_of(logger: object) -> str:
    name = getattr(logger, "name", "")
    return name if type(name) is str else ""


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "root"))


def _rebuild(kind: type[BoundLogger], logger: Any, processors: Any, context: Any) -> BoundLogger:
    return kind(logger, CHAIN if processors is None else processors, context)


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
    found = name or str(_frame(1).f_globals.get("__name__", "root"))
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
