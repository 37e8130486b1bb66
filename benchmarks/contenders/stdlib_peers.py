"""Loggers that write JSON to a file in this process: `logging` with formatters, and those that replace it."""

from __future__ import annotations

import logging
import queue
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path

import orjson

from benchmarks.contender import MESSAGE, Contender, Fields, Place, Subject, library, lines_in, size_of
from benchmarks.record import LOGGER

_FORMAT = "%(levelname)s %(name)s %(message)s"


def stdlib_logger(handler: logging.Handler) -> logging.Logger:
    """Return a logger of level INFO whose root has this handler alone."""
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    return logging.getLogger(LOGGER)


def subject(handler: logging.Handler, path: Path) -> Subject:
    """Return a subject that logs through `logging` into a file."""
    log = stdlib_logger(handler)
    return Subject(
        lambda fields: log.info(MESSAGE, extra=fields), handler.close, lines_in(path), size_of(path)
    )


def _file_handler(place: Place, formatter: logging.Formatter) -> tuple[logging.FileHandler, Path]:
    path = place.directory / "stdlib.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(formatter)
    return handler, path


def _json_formatter(module: str, name: str) -> logging.Formatter:
    formatter: logging.Formatter = getattr(library(module), name)(_FORMAT, timestamp=True)
    return formatter


def _open_orjson(place: Place) -> Subject:
    return subject(*_file_handler(place, _json_formatter("pythonjsonlogger.orjson", "OrjsonFormatter")))


def _open_json(place: Place) -> Subject:
    return subject(*_file_handler(place, _json_formatter("pythonjsonlogger.json", "JsonFormatter")))


def _open_ecs_logging(place: Place) -> Subject:
    return subject(*_file_handler(place, library("ecs_logging").StdlibFormatter()))


def _open_queue(place: Place) -> Subject:
    handler, path = _file_handler(place, _json_formatter("pythonjsonlogger.orjson", "OrjsonFormatter"))
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    listener = QueueListener(waiting, handler)
    listener.start()
    log = stdlib_logger(QueueHandler(waiting))

    def finish() -> None:
        listener.stop()
        handler.close()

    return Subject(lambda fields: log.info(MESSAGE, extra=fields), finish, lines_in(path), size_of(path))


def _open_picologging(place: Place) -> Subject:
    picologging = library("picologging")
    path = place.directory / "picologging.log"
    handler = picologging.FileHandler(str(path))
    handler.setFormatter(picologging.Formatter("%(message)s"))
    log = picologging.getLogger(LOGGER)
    log.setLevel(picologging.INFO)
    log.addHandler(handler)

    def emit(fields: Fields) -> None:
        # It has no fields of its own: the caller encodes.
        log.info(orjson.dumps({"level": "info", "event": MESSAGE, **fields}).decode())

    return Subject(emit, handler.close, lines_in(path), size_of(path))


def _open_loguru(place: Place) -> Subject:
    logger = library("loguru").logger
    path = place.directory / "loguru.log"
    logger.remove()
    logger.add(str(path), serialize=True, level="INFO")
    return Subject(
        lambda fields: logger.info(MESSAGE, **fields), logger.remove, lines_in(path), size_of(path)
    )


_REFERENCE = "python-json-logger"
STDLIB_PEERS = (
    Contender(_REFERENCE, "python-json-logger with orjson, FileHandler", _open_orjson),
    Contender(f"{_REFERENCE}-json", "the same with the standard library's json", _open_json, peer=_REFERENCE),
    Contender("queue-handler", "QueueHandler, the above behind it", _open_queue, peer=_REFERENCE),
    Contender(
        "picologging",
        "picologging, message encoded by the caller (its handlers hang with several threads)",
        _open_picologging,
        peer=_REFERENCE,
        threads=False,
    ),
    Contender("loguru", "loguru, serialize=True, to a file", _open_loguru, peer=_REFERENCE),
    Contender("ecs-logging", "ecs-logging's formatter, FileHandler", _open_ecs_logging, peer=_REFERENCE),
)
