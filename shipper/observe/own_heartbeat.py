"""Heartbeats of processes that write to Elasticsearch themselves, as documents: the shape of all heartbeats.

A heartbeat that cannot be stored is given up: its counts are totals, so the next one tells the same and more, and while
Elasticsearch is away nobody could read it anyway.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from shipper.datasets import index_name
from shipper.observe.heartbeat import ACTION, DATASET, LOGGER

ROLE: Final = "shipper.role"
DIRECT: Final = ("indexer", "detector")
"""Roles whose heartbeats do not come the records' way, and so say nothing of how far that is behind."""


class Creates(Protocol):
    """Stores documents."""

    def create(self, index: str, document_id: str, source: Mapping[str, Any]) -> bool:
        """Store a new document; False where its id exists."""


def store_heartbeat(
    store: Creates, namespace: str, now_us: int, fields: Mapping[str, object], *, message: str, level: str
) -> None:
    """Store a heartbeat of this process.

    Args:
        fields: by dotted name, `shipper.role` among them; None is left out.
        message: in a sentence.
        level: name of the level.

    Raises:
        StoreError: it could not be stored.
    """
    document = heartbeat_document(fields, now_us, namespace, message=message, level=level)
    store.create(index_name(DATASET, namespace, now_us), document["event"]["id"], document)


def heartbeat_document(
    fields: Mapping[str, object], now_us: int, namespace: str, *, message: str, level: str
) -> dict[str, Any]:
    """Return the document; see `store_heartbeat`."""
    role, host, now = str(fields[ROLE]), socket.gethostname(), _rfc3339(now_us)
    every = {
        "event.dataset": DATASET,
        "event.kind": "metric",
        "event.action": ACTION,
        **fields,
        "@timestamp": now,
        "message": message,
        "log.level": level,
        "log.logger": LOGGER,
        "event.id": f"{role}.{host}.{os.getpid()}.{now_us}",
        "event.ingested": now,
        "service.name": f"shipper-{role}",
        "host.name": host,
        "process.pid": os.getpid(),
        "data_stream.type": "logs",
        "data_stream.dataset": DATASET,
        "data_stream.namespace": namespace,
    }
    document: dict[str, Any] = {}
    for name, value in every.items():
        *path, last = name.split(".")
        inner = document
        for step in path:
            inner = inner.setdefault(step, {})
        if value is not None:
            inner[last] = value
    return document


def _rfc3339(time_us: int) -> str:
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z"
