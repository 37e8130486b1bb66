"""The contenders: the same documents into the same index, 5,000 in a request."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from benchmarks.indexing import peers
from benchmarks.indexing.documents import bulk_body, documents, index_of
from benchmarks.result import Figures

BATCH: Final = 5000


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run takes place, and what it is about.

    Attributes:
        kafka, topic: the documents are there, for those that read them from Kafka.
        url: of Elasticsearch.
        records, size, seed: how many documents, of about how many bytes.
        moment: their event time, ISO 8601.
    """

    kafka: str
    topic: str
    url: str
    records: int
    size: int
    seed: int
    namespace: str
    moment: str

    @property
    def index(self) -> str:
        """Where they go."""
        return index_of(self.namespace, datetime.fromisoformat(self.moment))

    def values(self) -> list[bytes]:
        """Return the documents."""
        moment = datetime.fromisoformat(self.moment)
        return list(documents(self.records, self.size, self.namespace, self.seed, moment))

    def bodies(self) -> list[bytes]:
        """Return them as finished bulk bodies."""
        values = self.values()
        return [
            bulk_body(values[start : start + BATCH], self.index, start + 1)
            for start in range(0, len(values), BATCH)
        ]


@dataclass(frozen=True, slots=True)
class Road:
    """A contender.

    Attributes:
        name, says: for the tables.
        run: does it, in a process of its own; returns its figures.
        needs: a module that is not always installed, or "".
    """

    name: str
    says: str
    run: Callable[[Ground], Figures]
    needs: str = ""

    def lacks(self) -> str:
        """Return why it cannot run here, or ""."""
        is_there = not self.needs or importlib.util.find_spec(self.needs) is not None
        return "" if is_there else f"{self.needs} is not installed"


def _timed(ground: Ground, action: Callable[[], object]) -> Figures:
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    action()
    took_s, used_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return {"rate": ground.records / took_s, "cpu": used_s / ground.records * 1e5}


def _raw(ground: Ground, threads: int) -> Figures:
    bodies = ground.bodies()
    return _timed(ground, lambda: peers.raw(ground.url, bodies, threads))


def _client_raw(ground: Ground) -> Figures:
    bodies = ground.bodies()
    return _timed(ground, lambda: peers.client_raw(ground.url, bodies))


def _helpers(ground: Ground, send: Callable[..., None], **options: Any) -> Figures:
    found = peers.parsed(ground.values())
    return _timed(ground, lambda: send(ground.url, found, ground.index, BATCH, **options))


def _ours(ground: Ground, client: str) -> Figures:
    from benchmarks.indexing.ours import index_topic  # noqa: PLC0415 - peers run without shipper's parts

    return index_topic(ground.kafka, ground.topic, ground.url, ground.records, client)  # type: ignore[arg-type]


ROADS: Final[Sequence[Road]] = (
    Road(
        "shipper",
        "shipper index over confluent-kafka, from the topic",
        partial(_ours, client="confluent-kafka"),
        "confluent_kafka",
    ),
    Road(
        "shipper-kafka-python",
        "shipper index over kafka-python, from the topic",
        partial(_ours, client="kafka-python"),
    ),
    Road("raw", "finished bulk bodies over urllib3, one thread", partial(_raw, threads=1)),
    Road("raw-two-threads", "the same, two threads: the limit", partial(_raw, threads=2)),
    Road("elasticsearch-py", "its bulk() with finished bodies", _client_raw),
    Road("helpers.bulk", "its helpers.bulk", partial(_helpers, send=peers.helpers_bulk)),
    Road(
        "helpers.parallel_bulk",
        "its helpers.parallel_bulk, two threads",
        partial(_helpers, send=peers.helpers_parallel_bulk, threads=2),
    ),
)
"""All contenders, in the order of the table."""


def command(road: Road, ground: Ground) -> list[str]:
    """Return the command that runs a contender in a process of its own."""
    return [sys.executable, "-m", "benchmarks.indexing.roads", road.name, json.dumps(asdict(ground))]


if __name__ == "__main__":
    chosen = next(road for road in ROADS if road.name == sys.argv[1])
    print(json.dumps(chosen.run(Ground(**json.loads(sys.argv[2])))))
