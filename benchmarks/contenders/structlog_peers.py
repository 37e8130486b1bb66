"""structlog as its documentation sets it up for speed, to a file; and through `logging`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import orjson
import structlog

from benchmarks.contender import MESSAGE, Contender, Fields, Place, Subject, lines_in, size_of
from benchmarks.record import LOGGER


def configure_structlog_to_file(path: Path, *links: Any, level: int = logging.INFO) -> Any:
    """Set up structlog with orjson and its `BytesLogger`, which writes and flushes each record; return the file."""
    file = path.open("ab")
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            *links,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        logger_factory=structlog.BytesLoggerFactory(file=file),
    )
    return file


def _open(place: Place, *, is_bound: bool) -> Subject:
    path = place.directory / "structlog.log"
    file = configure_structlog_to_file(path)
    log = structlog.get_logger()
    if is_bound:
        log = log.bind()
    return Subject(lambda fields: log.info(MESSAGE, **fields), file.close, lines_in(path), size_of(path))


def _open_lazy(place: Place) -> Subject:
    return _open(place, is_bound=False)


def _open_bound(place: Place) -> Subject:
    return _open(place, is_bound=True)


def _open_text(place: Place) -> Subject:
    path = place.directory / "structlog.log"
    file = configure_structlog_to_file(path)
    log = structlog.get_logger()

    def emit(fields: Fields) -> None:
        log.info(fields["message"])

    return Subject(emit, file.close, lines_in(path), size_of(path))


def _dumps_text(value: Any, **options: Any) -> str:
    return orjson.dumps(value, options.get("default")).decode()


def _open_through_stdlib(place: Place) -> Subject:
    path = place.directory / "structlog-stdlib.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    structlog.configure(
        cache_logger_on_first_use=True,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(serializer=_dumps_text),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    log = structlog.get_logger(LOGGER)
    return Subject(lambda fields: log.info(MESSAGE, **fields), handler.close, lines_in(path), size_of(path))


STRUCTLOG_PEERS = (
    Contender("structlog", "structlog + orjson to a file, module-level logger", _open_lazy),
    Contender("structlog-bound", "the same, logger bound once", _open_bound, peer="structlog"),
    Contender(
        "structlog-note", "the same, a short message and no fields", _open_text, message_size=1, threads=False
    ),
    Contender(
        "structlog-text",
        "the same, a message of 4 KB and no fields",
        _open_text,
        message_size=4096,
        threads=False,
    ),
    Contender(
        "structlog-stdlib", "structlog + orjson through logging", _open_through_stdlib, peer="structlog"
    ),
)
