"""Ours: `shipper index` in a process of its own, from the topic to Elasticsearch, until all are stored."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final, Literal

from benchmarks.result import Figures
from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings, IndexSettings, KafkaSettings
from shipper.index.assemble import open_indexer
from shipper.index.indexer import Indexer
from shipper.kafka.consumer import Batch, Consumer

_LOOK_S: Final = 0.01
_LIMIT_S: Final = 600.0


class _Stopwatch:
    """Runs from the first record that the consumer hands out: joining the group is no part of the measured time."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 0.0

    def around(self, take: Callable[..., Batch]) -> Callable[..., Batch]:
        """Return `take`, watched until it has brought something."""

        def watched(*arguments: float) -> Batch:
            cpu_s = time.process_time()
            batch = take(*arguments)
            if not self.wall_s and len(batch):
                self.wall_s, self.cpu_s = time.perf_counter(), cpu_s
            return batch

        return watched


def index_topic(
    servers: str, topic: str, url: str, records: int, client: Literal["kafka-python", "confluent-kafka"]
) -> Figures:
    """Store all records of a topic; return records per second and CPU seconds per 100,000.

    Raises:
        TimeoutError: they were not stored in time.
    """
    watch = _Stopwatch()
    kafka = KafkaSettings(
        bootstrap_servers=servers, topic=topic, dead_letter_topic=f"{topic}-dead", client=client
    )
    stop = threading.Event()
    original = Consumer.take
    Consumer.take = watch.around(original)  # type: ignore[method-assign,assignment]
    with open_indexer(
        kafka,
        ElasticsearchSettings(url=url),
        IndexSettings(group=f"bench-{uuid.uuid4().hex}"),
        "default",
        clock=SystemClock(),
        report=lambda sentence: print(sentence, file=sys.stderr),
    ) as indexer:

        def until_stored() -> None:
            deadline = time.monotonic() + _LIMIT_S
            while _stored(indexer) < records and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
            stop.set()

        looking = threading.Thread(target=until_stored)
        looking.start()
        indexer.run(stop)
        took_s, cpu_s = time.perf_counter() - watch.wall_s, time.process_time() - watch.cpu_s
        looking.join()
    if _stored(indexer) < records:
        raise TimeoutError(f"{_stored(indexer)} of {records} records were stored")
    return {"rate": records / took_s, "cpu": cpu_s / records * 1e5}


def _stored(indexer: Indexer) -> int:
    """A request that is repeated for its lost answer finds its documents there."""
    counts = indexer.counts()
    return counts.indexed + counts.duplicates
