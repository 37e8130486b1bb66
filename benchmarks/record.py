"""The record that every contender logs: one inference with ten features, about 650 bytes as JSON.

Ids and floats differ from call to call, as in a service; a cache of whole values would help nobody there.
"""

from __future__ import annotations

import random
import uuid
from typing import Final

Fields = dict[str, object]
"""What a caller gives beside the message, by dotted name."""

MESSAGE: Final = "prediction served"
LOGGER: Final = "app.serving"

_FEATURES: Final = (
    "radius", "texture", "perimeter", "area", "smoothness",
    "concavity", "symmetry", "points", "fractal", "compactness",
)  # fmt: skip
_NAMES: Final = tuple(f"ml.features.numeric.{name}" for name in _FEATURES)
_WORDS: Final = (
    "the", "model", "batch", "request", "answer", "queue", "worker", "shard", "cache", "window", "score",
    "feature", "drift", "value", "retry", "client", "session", "upstream", "deadline", "partition", "offset",
    "replica", "leader", "column", "row", "table", "index", "budget",
)  # fmt: skip


def make_records(count: int, seed: int) -> list[Fields]:
    """Return `count` records, equal for equal seeds."""
    rng = random.Random(seed)
    return [_record(rng) for _ in range(count)]


def make_texts(count: int, seed: int, size: int) -> list[str]:
    """Return `count` different prose messages of about `size` characters, with numbers among the words."""
    rng = random.Random(seed)
    texts = []
    for number in range(count):
        parts = [f"step {number}:"]
        length = len(parts[0])
        while length < size:
            part = rng.choice(_WORDS) if rng.random() < 0.9 else str(rng.randrange(10_000))
            parts.append(part)
            length += len(part) + 1
        texts.append(" ".join(parts))
    return texts


def _record(rng: random.Random) -> Fields:
    score = round(rng.random(), 6)
    fields: Fields = {
        "event.dataset": "ml.inference",
        "event.action": "predict",
        "event.outcome": "success",
        "event.duration": rng.randrange(800_000, 4_000_000),
        "ml.prediction.id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "ml.prediction.label": "benign" if score < 0.6 else "malignant",
        "ml.prediction.score": score,
    }
    for name in _NAMES:
        fields[name] = round(rng.random() * 100, 4)
    return fields
