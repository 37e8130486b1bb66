"""The documents of a run: inference records in the form that shipper writes, all for one index."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import orjson

from shipper.datasets import index_name

DATASET: Final = "ml.inference"
PRODUCER: Final = "0123456789abcdef0123"
_WORDS: Final = (
    "served",
    "model",
    "batch",
    "request",
    "cache",
    "window",
    "score",
    "feature",
    "drift",
    "retry",
)
_INSIDE_EVENT: Final = len('{"@timestamp":"2026-11-21T10:11:12.123456Z","event":{')
_INGESTED: Final = b'"ingested":"2026-11-21T10:11:12.123456Z",'


def documents(count: int, size: int, namespace: str, seed: int, moment: datetime) -> Iterator[bytes]:
    """Give documents of about `size` bytes, equal for equal arguments."""
    rng = random.Random(seed)
    stamp = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    for sequence in range(1, count + 1):
        document = {
            "@timestamp": stamp,
            "event": {
                "id": f"{PRODUCER}-{sequence}",
                "sequence": sequence,
                "dataset": DATASET,
                "action": "predict",
                "duration": rng.randrange(10**6, 10**8),
            },
            "message": "",
            "log": {"level": "info", "logger": "app.serving"},
            "ml": {
                "prediction": {"id": f"{rng.getrandbits(128):032x}", "score": round(rng.random(), 6)},
                "features": {"numeric": {f"f{n}": round(rng.gauss(50, 20), 4) for n in range(8)}},
                "model": {"name": "biopsy", "version": "7"},
            },
            "data_stream": {"type": "logs", "dataset": DATASET, "namespace": namespace},
            "service": {"name": "biopsy"},
            "agent": {"ephemeral_id": PRODUCER},
        }
        room = size - len(orjson.dumps(document))
        words = ""
        while len(words) < room:
            words += rng.choice(_WORDS) + " "
        document["message"] = words[: max(0, room)]
        yield orjson.dumps(document)


def index_of(namespace: str, moment: datetime) -> str:
    """Return the index that they belong to."""
    return index_name(DATASET, namespace, round(moment.timestamp() * 1e6))


def bulk_body(values: Sequence[bytes], index: str, first: int) -> bytes:
    """Return the finished body of a bulk request; `first` is the sequence of the first value."""
    pieces: list[bytes] = []
    for sequence, value in enumerate(values, first):
        pieces += (
            b'{"create":{"_index":"%b","_id":"%b-%d"}}\n' % (index.encode(), PRODUCER.encode(), sequence),
            value[:_INSIDE_EVENT],
            _INGESTED,
            value[_INSIDE_EVENT:],
            b"\n",
        )
    return b"".join(pieces)
