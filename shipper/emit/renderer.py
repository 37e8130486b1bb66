"""The document as text, for outputs other than the spool (stdout, a file, structlog's printers)."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shipper.ecs.encode import Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.values import type_name
from shipper.emit.outlet import REGISTRY, Outlet
from shipper.record import new_producer_id


@dataclass(frozen=True, slots=True)
class _Producer:
    pid: int
    producer_id: str
    sequence: itertools.count[int]
    encoder: Encoder
    route: int
    revision: int


class Renderer:
    """Renders events as one line of ECS JSON each.

    Each renderer is a producer of its own (`agent.ephemeral_id`, `event.id`, `event.sequence` from 1), so
    that its lines never take the ids of the records in the spool, even if both are collected. After a
    fork the child's renderer becomes another producer.
    """

    def __init__(self, groups: Mapping[str, object]) -> None:
        self._groups = groups
        self._producer: _Producer | None = None

    def render(self, make_event: Callable[..., Event], *arguments: object) -> str:
        """Return the document of `make_event(outlet, *arguments)`, or one that says that this failed."""
        outlet = REGISTRY.outlet(self._groups)
        try:
            event = make_event(outlet, *arguments)
        except Exception as error:  # noqa: BLE001 - a formatter that raises loses the record
            event = Event(logging.ERROR, f"a record could not be read ({type_name(error)})", "shipper")
        producer = self._current(outlet)
        encoded = producer.encoder.encode(event, outlet.now_us())
        document = encoded.prefix + stamp(producer.producer_id, next(producer.sequence)) + encoded.suffix
        return document.decode()

    def _current(self, outlet: Outlet) -> _Producer:
        known, pid = self._producer, os.getpid()
        if known is not None and known.pid == pid:
            if (known.route, known.revision) == (outlet.route, outlet.revision):
                return known
            producer_id, sequence = known.producer_id, known.sequence
        else:
            producer_id, sequence = new_producer_id(), itertools.count(1)
        encoder = outlet.encoder(producer_id)
        self._producer = _Producer(pid, producer_id, sequence, encoder, outlet.route, outlet.revision)
        return self._producer
