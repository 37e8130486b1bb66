"""What whoever removes a dead process's spool folder says in its name: how many records it gave up, and why.

Its own heartbeats said so as long as it lived, up to the last one. Nobody else can: a refused record has no number that
would be missing. The document depends on the folder alone, so that one that is sent twice is stored once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from shipper.observe.heartbeat import DATASET, LOGGER
from shipper.record import event_id

ACTION: Final = "last-words"
SEQUENCE: Final = 0
"""Of the record. Producers count from 1: so it is none of theirs, and the books pass it over."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def last_words(
    producer_id: str,
    *,
    service: str,
    host: str,
    pid: int,
    namespace: str,
    dropped: Mapping[str, int],
    at_us: int,
) -> bytes:
    """Return the document, in canonical form.

    Args:
        dropped: totals by reason.
        at_us: when the last record was given up, microseconds since the epoch.

    Raises:
        OverflowError: `at_us` is no time that can be written.
    """
    moment = (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds")
    process = {"process": {"pid": pid}} if pid else {}
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(dropped.items()))
    return orjson.dumps({
        "@timestamp": moment.replace("+00:00", "Z"),
        "event": {
            "id": event_id(producer_id, SEQUENCE),
            "sequence": SEQUENCE,
            "dataset": DATASET,
            "kind": "metric",
            "action": ACTION,
        },
        "message": f"{sum(dropped.values())} records dropped before the process ended ({told})",
        "log": {"level": "warning", "logger": LOGGER},
        "shipper": {"dropped": dict(dropped)},
        "data_stream": {"type": "logs", "dataset": DATASET, "namespace": namespace},
        "service": {"name": service or "unknown"},
        **({"host": {"name": host}} if host else {}),
        **process,
        "agent": {"type": "shipper", "ephemeral_id": producer_id},
    })  # fmt: skip
