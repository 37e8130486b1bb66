"""The audit trail: acts of people, told as records of the dataset `ml.audit`: who did what where and why.

An act that takes a while is told when it begins and when it ends, under ids that belong together: without the first
record nothing is done, and an act without an end was cut off. Roles let everybody who acts add to the trail, and nobody
change or delete what is in it.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from shipper.clock import Clock
from shipper.datasets import index_name
from shipper.elastic.client import ElasticClient
from shipper.index.moment import rfc3339

DATASET: Final = "ml.audit"
LOGGER: Final = "shipper.audit"
Step = Literal["start", "end", "change"]


@dataclass(frozen=True, slots=True)
class AuditedAct:
    """One act.

    Attributes:
        action: what was done, for example `dlq-replay`, `alert-ack`, `erase`.
        by: who, as `user@host` or as a setting says.
        filter: what it was asked to act on.
        why: in the words of whoever did it; may be empty.
    """

    action: str
    by: str
    filter: str
    act_id: str
    why: str = ""

    @classmethod
    def begin(cls, action: str, by: str, chosen: str, why: str = "") -> AuditedAct:
        """Return a new act with an id of its own."""
        return cls(action, by, chosen, secrets.token_hex(10), why)


class AuditTrail:
    """Writes the trail of one namespace. Methods raise `StoreError`: it could not be stored."""

    def __init__(self, client: ElasticClient, namespace: str, clock: Clock) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock

    def tell(
        self,
        act: AuditedAct,
        step: Step,
        counts: Mapping[str, int] | None = None,
        *,
        is_success: bool = True,
    ) -> None:
        """Store the record of a beginning, an end, or of an act of one moment (`change`).

        Made by `create`, so a repeat stores nothing.
        """
        now_us = self._clock.now_us()
        document = audit_document(act, step, now_us, counts, is_success=is_success)
        document["data_stream"] = {"type": "logs", "dataset": DATASET, "namespace": self._namespace}
        document["event"]["ingested"] = rfc3339(now_us)
        index = index_name(DATASET, self._namespace, now_us)
        self._client.create(index, document["event"]["id"], document)

    @contextmanager
    def telling(self, act: AuditedAct, counts: Mapping[str, int]) -> Iterator[None]:
        """Leave a record of the beginning and one of the end; without the first one nothing is done.

        Args:
            counts: what became of how many; read at the end.
        """
        self.tell(act, "start")
        is_success = False
        try:
            yield
            is_success = True
        finally:
            self.tell(act, "end", counts, is_success=is_success)


def audit_document(
    act: AuditedAct,
    step: Step,
    now_us: int,
    counts: Mapping[str, int] | None = None,
    *,
    is_success: bool = True,
) -> dict[str, Any]:
    """Return the record of a step; what names its index is for the caller to add."""
    event: dict[str, Any] = {
        "id": f"{act.action}.{act.act_id}.{step}",
        "kind": "event",
        "category": "configuration",
        "action": act.action,
        "type": step,
        "dataset": DATASET,
    }
    if step != "start":
        event["outcome"] = "success" if is_success else "failure"
    about = {"id": act.act_id, "by": act.by, "filter": act.filter, "counts": dict(counts or {})}
    return {
        "@timestamp": rfc3339(now_us),
        "message": _sentence(act, step, counts or {}),
        "log": {"level": "info", "logger": LOGGER},
        "event": event,
        "service": {"name": "shipper"},
        "host": {"name": socket.gethostname()},
        "shipper": {"act": about | ({"why": act.why} if act.why else {})},
    }


def _sentence(act: AuditedAct, step: Step, counts: Mapping[str, int]) -> str:
    told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()))
    said = {"start": " begins", "end": f" ended: {told}" if told else " ended", "change": ""}[step]
    return f"{act.action} by {act.by} ({act.filter}){said}{f': {act.why}' if act.why else ''}"
