"""The shipping of what a process itself writes, from settings: where it goes and the thread that takes it there."""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from shipper.clock import SystemClock
from shipper.observe.counters import Counters
from shipper.observe.health import Health
from shipper.observe.report import Reporter
from shipper.ship.batch import BatchLimits
from shipper.ship.dead_letter import DeadLetters
from shipper.ship.destination import destination_name, open_sink
from shipper.ship.fleet import Adoption
from shipper.ship.retry import Backoff
from shipper.ship.shipment import Shipping
from shipper.ship.sink import Sink
from shipper.ship.worker import ShipWorker
from shipper.spool.directory import SpoolMeta
from shipper.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from shipper.config import Settings

_SYSTEM: Final = SystemClock()


class Destination(Sink, DeadLetters, Protocol):
    """Where records go, and where those go that are refused for good."""


def own_destination(settings: Settings, destination: Destination | None) -> str:
    """Return the name of where a pipeline's records go; equal names mean the same place."""
    if destination is not None:
        return f"object:{os.getpid()}:{id(destination)}"
    return destination_name(settings.ship, settings.kafka)


def make_worker(
    spool: SpoolWriter,
    settings: Settings,
    counters: Counters,
    health: Health,
    reporter: Reporter,
    destination: Destination | None,
) -> ShipWorker:
    """Return the worker, which starts with the first record, that ships a spool and what crashed others left."""
    ship = settings.ship
    target = destination or open_sink(ship, settings.kafka, settings.namespace, _SYSTEM)
    name = own_destination(settings, destination)

    def accepts(meta: SpoolMeta) -> bool:
        return meta.destination == name and meta.namespace == settings.namespace

    shipping = Shipping(
        sink=target,
        dead_letters=target,
        limits=BatchLimits(ship.batch_max_records, ship.batch_max_bytes, ship.linger_s),
        backoff=Backoff(ship.retry_initial_s, ship.retry_max_s),
        clock=_SYSTEM,
        random=Random().random,  # noqa: S311 - jitter
        health=health,
        reporter=reporter,
    )
    adoption = None if destination is not None else Adoption(settings.spool.directory, accepts)
    return ShipWorker(spool, shipping, counters, adoption=adoption)
