"""Ours: each road, with and without redaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from benchmarks.contender import MESSAGE, Contender, Fields, Place, Subject, lines_in, size_of
from benchmarks.contenders import shipped
from benchmarks.contenders.stdlib_peers import stdlib_logger


def _open_lazy(place: Place, *, redaction: bool) -> Subject:
    shipped.configure(place, redaction=redaction)
    log = structlog.get_logger()
    return shipped.subject(place, lambda fields: log.info(MESSAGE, **fields))


def _open_bound(place: Place, *, redaction: bool) -> Subject:
    shipped.configure(place, redaction=redaction)
    log = structlog.get_logger().bind()
    return shipped.subject(place, lambda fields: log.info(MESSAGE, **fields))


def _open_own(place: Place, *, redaction: bool) -> Subject:
    import shipper  # noqa: PLC0415 - peers run without it

    shipped.configure(place, redaction=redaction)
    log = shipper.get_logger()
    return shipped.subject(place, lambda fields: log.info(MESSAGE, **fields))


def _open_chain(place: Place, *, redaction: bool) -> Subject:
    """Use the public chain with a link of the user's own before ours."""
    from shipper.emit.logger import BoundLogger  # noqa: PLC0415 - peers run without it
    from shipper.emit.processors import ship  # noqa: PLC0415

    shipped.configure(place, redaction=redaction, structlog=False)

    def own_link(_logger: object, _method: str, event_dict: Any) -> Any:
        return event_dict

    structlog.configure(
        processors=[own_link, ship], wrapper_class=BoundLogger, cache_logger_on_first_use=True
    )
    log = structlog.get_logger()
    return shipped.subject(place, lambda fields: log.info(MESSAGE, **fields))


def _open_handler(place: Place, *, redaction: bool) -> Subject:
    from shipper.emit import ShipperHandler  # noqa: PLC0415 - peers run without it

    shipped.configure(place, redaction=redaction)
    log = stdlib_logger(ShipperHandler())
    return shipped.subject(place, lambda fields: log.info(MESSAGE, extra=fields))


def _open_formatter(place: Place, *, redaction: bool) -> Subject:
    from shipper.emit import EcsFormatter  # noqa: PLC0415 - peers run without it

    shipped.configure(place, redaction=redaction)
    path = place.directory / "ecs.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(EcsFormatter())
    log = stdlib_logger(handler)
    return Subject(
        lambda fields: log.info(MESSAGE, extra=fields), handler.close, lines_in(path), size_of(path)
    )


def _open_text(place: Place, *, redaction: bool) -> Subject:
    shipped.configure(place, redaction=redaction)
    log = structlog.get_logger()

    def emit(fields: Fields) -> None:
        log.info(fields["message"])

    return shipped.subject(place, emit)


def _pair(
    name: str, says: str, opener: Callable[..., Subject], peer: str, *, message_size: int = 0
) -> tuple[Contender, ...]:
    return tuple(
        Contender(
            f"{name}{suffix}",
            f"{says}{words}",
            partial(opener, redaction=redaction),
            peer=peer,
            is_ours=True,
            message_size=message_size,
            threads=not message_size,
        )
        for suffix, words, redaction in (("", "", True), ("-unredacted", ", redaction off", False))
    )


ROADS = (
    *_pair("shipper", "shipper.configure(), structlog.get_logger()", _open_lazy, "structlog"),
    *_pair("shipper-bound", "the same, logger bound once", _open_bound, "structlog-bound"),
    *_pair("shipper-logger", "shipper.get_logger()", _open_own, "structlog-bound"),
    *_pair("shipper-chain", "the public chain with a link of one's own", _open_chain, "structlog"),
    *_pair("shipper-handler", "logging with ShipperHandler", _open_handler, "python-json-logger"),
    *_pair("shipper-formatter", "logging with EcsFormatter, FileHandler", _open_formatter, "ecs-logging"),
    *_pair("shipper-note", "a short message and no fields", _open_text, "structlog-note", message_size=1),
    *_pair(
        "shipper-text", "a message of 4 KB and no fields", _open_text, "structlog-text", message_size=4096
    ),
)
