"""A record with an exception of ten frames: traceback to text, by structlog and by us."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog

from benchmarks.contender import Contender, Fields, Place, Subject, lines_in, size_of
from benchmarks.contenders import shipped
from benchmarks.contenders.structlog_peers import configure_structlog_to_file

_FAILED = "prediction failed"
_DEPTH = 10


def _raise_deep(depth: int) -> None:
    if depth:
        _raise_deep(depth - 1)
    raise ValueError("feature mean_radius is missing from the request")


def _exception() -> Exception:
    try:
        _raise_deep(_DEPTH)
    except ValueError as error:
        return error
    raise AssertionError("unreachable")


def _emit(log: Any) -> Any:
    error = _exception()

    def emit(fields: Fields) -> None:
        log.error(_FAILED, exc_info=error, **fields)

    return emit


def _open_structlog(place: Place) -> Subject:
    path = place.directory / "structlog.log"
    file = configure_structlog_to_file(path, structlog.processors.format_exc_info)
    return Subject(_emit(structlog.get_logger()), file.close, lines_in(path), size_of(path))


def _open_ours(place: Place, *, redaction: bool) -> Subject:
    shipped.configure(place, redaction=redaction)
    return shipped.subject(place, _emit(structlog.get_logger()))


_PEER = "structlog-exception"
EXCEPTIONS = (
    Contender(_PEER, "structlog + orjson to a file, format_exc_info", _open_structlog),
    Contender(
        "shipper-exception",
        "the same call, ours",
        partial(_open_ours, redaction=True),
        peer=_PEER,
        is_ours=True,
    ),
    Contender(
        "shipper-exception-unredacted",
        "the same, redaction off",
        partial(_open_ours, redaction=False),
        peer=_PEER,
        is_ours=True,
    ),
)
