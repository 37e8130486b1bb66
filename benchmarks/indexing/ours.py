"""Ours: `shipper index` in a process of its own, from the topic to Elasticsearch, until all are stored."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final, Literal

from benchmarks.result import Figures
from shipper.cli.interpreter import settle_interpreter
from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings, IndexSettings, KafkaSettings
from shipper.index.assemble import open_indexer
from shipper.index.indexer import Indexer
from shipper.kafka.consumer import Batch, Consumer

_LIMIT_S: Final = 600.0


class _Stopwatch:
    """Runs from the first record that the consumer hands out to the last commit.

    Joining the group, and finding out that nothing more comes, are no part of the measured time.

    Attributes:
        began, ended: wall-clock and processor seconds then; None before.
    """

    def __init__(self) -> None:
        self.began: tuple[float, float] | None = None
        self.ended: tuple[float, float] | None = None

    def around_take(self, take: Callable[..., Batch]) -> Callable[..., Batch]:
        """Return `take`, watched until it has brought something."""

        def watched(*arguments: float) -> Batch:
            cpu_s = time.process_time()
            batch = take(*arguments)
            if self.began is None and len(batch):
                self.began = time.perf_counter(), cpu_s
            return batch

        return watched

    def around_commit(self, commit: Callable[..., None], done: Callable[[], None]) -> Callable[..., None]:
        """Return `commit`, noted each time; `done` is called behind it."""

        def watched(*arguments: object) -> None:
            commit(*arguments)
            self.ended = time.perf_counter(), time.process_time()
            done()

        return watched


def index_topic(
    servers: str, topic: str, url: str, records: int, client: Literal["kafka-python", "confluent-kafka"]
) -> Figures:
    """Store all records of a topic; return records per second and CPU seconds per 100,000.

    Raises:
        TimeoutError: they were not stored in time.
    """
    watch = _Stopwatch()
    settle_interpreter()
    kafka = KafkaSettings(
        bootstrap_servers=servers, topic=topic, dead_letter_topic=f"{topic}-dead", client=client
    )
    stop = threading.Event()
    with open_indexer(
        kafka,
        ElasticsearchSettings(url=url),
        IndexSettings(group=f"bench-{uuid.uuid4().hex}"),
        "default",
        clock=SystemClock(),
        report=lambda sentence: print(sentence, file=sys.stderr),
    ) as indexer:

        def stop_when_stored() -> None:
            if _stored(indexer) >= records:
                stop.set()

        Consumer.take = watch.around_take(Consumer.take)  # type: ignore[method-assign,assignment]
        Consumer.commit = watch.around_commit(Consumer.commit, stop_when_stored)  # type: ignore[method-assign,assignment]
        too_late = threading.Timer(_LIMIT_S, stop.set)
        too_late.start()
        indexer.run(stop)
        too_late.cancel()
    if watch.began is None or watch.ended is None or _stored(indexer) < records:
        raise TimeoutError(f"{_stored(indexer)} of {records} records were stored")
    took_s, cpu_s = (end - begin for begin, end in zip(watch.began, watch.ended, strict=True))
    return {"rate": records / took_s, "cpu": cpu_s / records * 1e5}


def _stored(indexer: Indexer) -> int:
    """A request that is repeated for its lost answer finds its documents there."""
    counts = indexer.counts()
    return counts.indexed + counts.duplicates
