"""The structlog logger: five levels, bound context, never an `Exception` from a logging call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import structlog

from shipper.ecs.event import level_name
from shipper.ecs.values import is_mapping, text, type_name
from shipper.emit.lazy import QuickProxy, proxy_that_keeps
from shipper.emit.levelled import class_for, written_class
from shipper.emit.levels import LEVELS
from shipper.emit.message import merge
from shipper.emit.outlet import REGISTRY
from shipper.emit.processors import LEVEL_KEY, ship

CHAIN: Final[list[Any]] = [ship]
"""The chain that `configure()` sets; the list itself, so that structlog's test tools can replace its links."""

_SHIP_ALONE: Final[list[Any]] = [ship]
_ERROR: Final = 40
_frame: Final = sys._getframe  # noqa: SLF001 - inspect.stack() reads source files
_STANDARD: Final = frozenset({10, 20, 30, 40, 50})


class NamedLogger:
    """What structlog wraps: a name. The last link has done the work, so its methods do nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<NamedLogger {self.name}>"

    def _ignore(self, /, *args: object, **kwargs: object) -> None:
        """Do nothing."""

    debug = info = warning = warn = error = exception = critical = fatal = msg = log = _ignore


def make_named_logger(*names: str) -> NamedLogger:
    """Return a `NamedLogger`: structlog's `logger_factory`. Without a name, the caller's module is it."""
    return NamedLogger(names[0] if names else "")


def _method(level: int, name: str) -> Callable[..., None]:
    def log_at_level(
        self: BoundLogger | QuickProxy, event: object = None, /, *args: object, **fields: object
    ) -> None:
        try:
            wrapped = self._logger
            if type(wrapped) is NamedLogger and self._processors is CHAIN and not args:
                frame = _frame(1)
                logger = wrapped.name
                if self.asks_level and LEVELS.effective(logger or _module(frame)) > level:
                    return
                outlet = REGISTRY.current
                if (
                    outlet is not None
                    and CHAIN == _SHIP_ALONE  # the test tools of structlog change the list itself
                    and REGISTRY.diversion is None
                    and (road := outlet.fused) is not None
                ):
                    context = self._context
                    given = {**context, **fields} if context else fields
                    if road.emit(level, logger, event, given, frame):
                        return
            elif self.asks_level and LEVELS.effective(_name_of(wrapped) or _module(_frame(1))) > level:
                return
            _emit(self, name, event, args, fields)
        except Exception as error:  # noqa: BLE001 - nothing of ours may reach the application
            _refuse(error)

    log_at_level.__name__, log_at_level.__doc__ = name, f"Log at level {name}."
    return log_at_level


class BoundLogger(structlog.BoundLoggerBase):
    """A structlog logger with the usual methods, async twins included.

    Loggers of one name share a class, whose methods of disabled levels do nothing: a disabled call costs
    nothing but the call, and a level that changes at run time changes the class.

    The async twins emit at once, on the calling thread: there is nothing to wait for.
    """

    def __new__(cls, logger: Any, processors: Any, context: Any) -> BoundLogger:  # noqa: PYI034 - a class made for a name
        """Make one in the class of its name."""
        del context
        name = _name_of(logger)
        made: BoundLogger = object.__new__(class_for(cls, name))
        proxy = proxy_that_keeps() if processors is CHAIN and cls is BoundLogger else None
        if proxy is not None:
            proxy.__class__ = class_for(_QuickProxy, name)
            proxy.use(logger, processors)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as a logger of the class that was written, on the chain of its process."""
        chain = None if self._processors is CHAIN else self._processors
        return _rebuild, (written_class(type(self)), self._logger, chain, self._context)

    asks_level = True
    debug = _method(10, "debug")
    info = _method(20, "info")
    warning = _method(30, "warning")
    error = _method(40, "error")
    critical = _method(50, "critical")

    def exception(self, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at level error, with the exception that is being handled."""
        fields.setdefault("exc_info", True)
        if not self.asks_level or self.get_effective_level() <= _ERROR:
            _emit(self, "error", event, args, fields)

    def log(self, level: int, event: object = None, /, *args: object, **fields: object) -> None:
        """Log at a numeric level; other levels than the five count as the next lower one."""
        if self.get_effective_level() <= level:
            if level not in _STANDARD:
                fields[LEVEL_KEY] = level
            _emit(self, level_name(level), event, args, fields)

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
    self: BoundLogger | QuickProxy, name: str, event: object, args: tuple[object, ...], fields: dict[str, Any]
) -> None:
    """Take an event the general way: through the chain."""
    try:
        message: Any = merge(event, args) if args else event
        if "event" in fields:
            _move_event_field(fields)
        values, keywords = self._process_event(name, message, fields)
        chain: Any = self._processors
        if not chain or chain[-1] is not ship:
            # Behind ours the record is where it belongs: a logger that prints lines would not know what to do with it.
            getattr(self._logger, name)(*values, **keywords)
    except structlog.DropEvent:
        return
    except Exception as error:  # noqa: BLE001 - a link of the user's chain failed
        _refuse(error)


def _refuse(error: Exception) -> None:
    with suppress(Exception):
        problem = f"{type_name(error)}: {text(error, 300)}"
        REGISTRY.outlet(_NO_GROUPS).refuse("chain_failed", f"a structlog chain failed ({problem})")


class _QuickProxy(QuickProxy):
    """What `structlog.get_logger()` returned, once it was used: methods of its logger, without a detour."""

    asks_level = True
    debug, info, warning, error, critical = (
        BoundLogger.debug, BoundLogger.info, BoundLogger.warning, BoundLogger.error, BoundLogger.critical
    )  # fmt: skip
    warn, fatal, err, msg = BoundLogger.warn, BoundLogger.fatal, BoundLogger.err, BoundLogger.msg
    _process_event = structlog.BoundLoggerBase._process_event  # noqa: SLF001 - what a logger has, and a proxy lacks


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
