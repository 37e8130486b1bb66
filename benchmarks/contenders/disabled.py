"""A call below the level: what an application pays for debug lines that are switched off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from benchmarks.contender import Contender, Kind, Place, Subject
from benchmarks.contenders import shipped
from benchmarks.contenders.structlog_peers import configure_structlog_to_file


def _plain(log: Any) -> Callable[[int], None]:
    def loop(calls: int) -> None:
        for _ in range(calls):
            log.debug("cache miss")

    return loop


def _with_fields(log: Any) -> Callable[[int], None]:
    def loop(calls: int) -> None:
        for number in range(calls):
            log.debug("cache miss", key="a-1", attempt=number, shard=3)

    return loop


def _configure_structlog(place: Place) -> None:
    configure_structlog_to_file(place.directory / "structlog.log", level=logging.INFO)


def _configure_ours(place: Place) -> None:
    shipped.configure(place, redaction=True, level="info")


def _open(
    place: Place,
    *,
    configure: Callable[[Place], None],
    is_bound: bool,
    loop: Callable[[Any], Callable[[int], None]],
) -> Subject:
    configure(place)
    log = structlog.get_logger()
    log.info("ready")  # the lazy proxy remembers its logger from the first use on
    if is_bound:
        log = log.bind()
    return Subject(loop=loop(log))


def _row(
    suffix: str, says: str, *, is_bound: bool, loop: Callable[[Any], Callable[[int], None]]
) -> tuple[Contender, ...]:
    peer = f"structlog-disabled{suffix}"
    return tuple(
        Contender(
            name,
            f"debug() below the level, {says}",
            partial(_open, configure=configure, is_bound=is_bound, loop=loop),
            peer=reference,
            kind=Kind.LOOP,
            is_ours=is_ours,
        )
        for name, configure, reference, is_ours in (
            (peer, _configure_structlog, "", False),
            (f"shipper-disabled{suffix}", _configure_ours, peer, True),
        )
    )


DISABLED = (
    *_row("", "module-level logger", is_bound=False, loop=_plain),
    *_row("-fields", "module-level logger, three fields", is_bound=False, loop=_with_fields),
    *_row("-bound", "bound logger", is_bound=True, loop=_plain),
    *_row("-bound-fields", "bound logger, three fields", is_bound=True, loop=_with_fields),
)
