"""Acts of a person on stored things, told as records of the dataset `ml.health`: who did what, to how many."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shipper.clock import Clock
from shipper.datasets import index_name
from shipper.elastic.client import ElasticClient
from shipper.index.moment import rfc3339

DATASET = "ml.health"


@dataclass(frozen=True, slots=True)
class AuditedAct:
    """One act; told when it begins and when it ends, under ids that belong together.

    Attributes:
        action: `dlq-replay` or `dlq-purge`.
        by: who, as `user@host`.
        filter: what it was asked to act on.
    """

    action: str
    by: str
    filter: str
    act_id: str

    @classmethod
    def begin(cls, action: str, by: str, chosen: str) -> AuditedAct:
        """Return a new act with an id of its own."""
        return cls(action, by, chosen, secrets.token_hex(10))


def tell(
    client: ElasticClient,
    namespace: str,
    clock: Clock,
    act: AuditedAct,
    step: Literal["start", "end"],
    counts: Mapping[str, int] | None = None,
    *,
    is_success: bool = True,
) -> None:
    """Store the record of a beginning or an end; made by `create`, so a repeat stores nothing.

    Raises:
        StoreError: it could not be stored.
    """
    now_us = clock.now_us()
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted((counts or {}).items()))
    event: dict[str, Any] = {
        "id": f"{act.action}.{act.act_id}.{step}",
        "kind": "event",
        "action": act.action,
        "type": step,
        "dataset": DATASET,
        "ingested": rfc3339(now_us),
    }
    if step == "end":
        event["outcome"] = "success" if is_success else "failure"
    message = f"{act.action} by {act.by} ({act.filter}) " + (
        "begins" if step == "start" else f"ended: {told}"
    )
    document = {
        "@timestamp": rfc3339(now_us),
        "message": message,
        "log": {"level": "info", "logger": "shipper.dlq"},
        "event": event,
        "service": {"name": "shipper"},
        "data_stream": {"type": "logs", "dataset": DATASET, "namespace": namespace},
        "shipper": {"act": {"by": act.by, "filter": act.filter, "counts": dict(counts or {})}},
    }
    client.create(index_name(DATASET, namespace, now_us), event["id"], document)
