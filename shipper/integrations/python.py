"""Python's own messages: the `logging` tree, warnings, and exceptions that nobody caught."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from shipper.ecs.event import Event, ExcInfo
from shipper.emit.handler import ShipperHandler
from shipper.emit.road import travel

if TYPE_CHECKING:
    from collections.abc import Iterator

LOGGER: Final = "uncaught"
"""Logger of the records of exceptions that nobody caught."""


def install(
    *, level: int | str | None = None, warnings: bool = True, uncaught: bool = True
) -> Callable[[], None]:
    """Ship what the whole process says: all of `logging`, warnings, and exceptions that nobody caught.

    Call it once, after `shipper.configure()`. Called again it changes only the level.

    Args:
        level: of the root logger; None: stays what it is (Python's default is warning).
        warnings: as records of the logger `py.warnings`; Python then prints them no more by itself.
        uncaught: at level critical, also from threads, and from asyncio by its logger `asyncio`. Python
            reports them as ever. `KeyboardInterrupt` and `SystemExit` are no errors and are not logged.

    Returns:
        A function that takes all of it back.
    """
    undo: list[Callable[[], None]] = []
    root = logging.getLogger()
    if not any(isinstance(handler, ShipperHandler) for handler in root.handlers):
        handler = ShipperHandler()
        root.addHandler(handler)
        undo.append(lambda: root.removeHandler(handler))
    if level is not None:
        former = root.level
        root.setLevel(level.upper() if isinstance(level, str) else level)
        undo.append(lambda: root.setLevel(former))
    if warnings:
        logging.captureWarnings(True)
        undo.append(lambda: logging.captureWarnings(False))
    if uncaught:
        undo.extend(_hook())

    def take_back() -> None:
        while undo:
            undo.pop()()

    return take_back


def asyncio_handler(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`, where the `logging` tree does not ship: logs, then does what asyncio does."""
    error = context.get("exception")
    message = str(context.get("message") or "exception in the event loop")
    tell(message, (type(error), error, error.__traceback__) if isinstance(error, BaseException) else None)
    loop.default_exception_handler(context)


def tell(message: str, error: ExcInfo | None) -> None:
    """Log an exception that nobody caught, at level critical; raises nothing."""
    if error is not None and issubclass(error[0], (KeyboardInterrupt, SystemExit)):
        return
    event = Event(logging.CRITICAL, message, LOGGER, _place(threading.current_thread()), error=error)
    event.thread = threading.get_native_id(), threading.current_thread().name
    travel({}, LOGGER, lambda _outlet: event)


def _place(thread: threading.Thread) -> dict[object, object]:
    return {"event.kind": "event", "labels.thread_is_daemon": thread.daemon}


def _hook() -> Iterator[Callable[[], None]]:
    """Put our hooks before those that are there; ours stay once, however often this is called."""
    former, former_threads = sys.excepthook, threading.excepthook
    if not isinstance(former, _Hook):
        hook = sys.excepthook = _Hook(former)
        yield lambda: _restore(sys, hook, former)
    if not isinstance(former_threads, _ThreadHook):
        thread_hook = threading.excepthook = _ThreadHook(former_threads)
        yield lambda: _restore(threading, thread_hook, former_threads)


def _restore(module: Any, ours: object, former: object) -> None:
    if (
        module.excepthook is ours
    ):  # else somebody has put theirs around it, which calls ours and must not lose it
        module.excepthook = former


class _Hook:
    """In place of `sys.excepthook`."""

    def __init__(self, former: Callable[..., object]) -> None:
        self._former = former

    def __call__(self, kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        tell("an exception ended the program", (kind, value, trace))
        self._former(kind, value, trace)


class _ThreadHook:
    """In place of `threading.excepthook`."""

    def __init__(self, former: Callable[..., object]) -> None:
        self._former = former

    def __call__(self, arguments: Any) -> None:
        value = arguments.exc_value
        if isinstance(value, BaseException):
            name = getattr(arguments.thread, "name", "?")
            tell(
                f"an exception ended the thread {name}", (arguments.exc_type, value, arguments.exc_traceback)
            )
        self._former(arguments)
