"""A server with a made-up day in a namespace of its own; nothing of it is left afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.detecting.history import History
from shipper.assets import asset
from shipper.config import ElasticsearchSettings, StackSettings, load_settings
from shipper.datasets import alert_index
from shipper.detect.state import state_index
from shipper.elastic.bulk import connect_bulk
from shipper.elastic.client import ElasticClient, connect
from shipper.index.templates import install, packaged_templates
from shipper.stack import EmbeddedStack

Progress = Callable[[str], None]

_WRITERS: Final = 2
_IN_FLIGHT: Final = 4
_REPORT_S: Final = 10
_CALM_LIMIT_S: Final = 600
_HEAP_MIB: Final = 1024
_STATISTICS_S: Final = 1.1
"""The server looks at itself once a second."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The server, and the day on it."""

    client: ElasticClient
    url: str
    history: History

    @property
    def namespace(self) -> str:
        """Of all indices of this day."""
        return self.history.namespace

    @property
    def logs(self) -> str:
        """The pattern of the day's documents."""
        return f"logs-ml.*-{self.namespace}-*"

    def forget(self) -> None:
        """Delete what detection has stored, and what the server remembers of answers."""
        for index in (state_index(self.namespace), alert_index(self.namespace)):
            self.client.delete_index(index)
        self.client.request("POST", f"/{self.logs}/_cache/clear", params={"request": "true"})

    def server_cpu_s(self) -> float:
        """Return the processor time that the server has used since its start, in seconds; all nodes."""
        time.sleep(_STATISTICS_S)
        answer = self.client.request("GET", "/_nodes/stats/process")
        return (
            sum(float(node["process"]["cpu"]["total_in_millis"]) for node in answer["nodes"].values()) / 1000
        )


@contextmanager
def server(url: str, progress: Progress) -> Iterator[str]:
    """Give the address of the cluster that is named, or of an embedded one that is stopped and deleted at the end."""
    if url:
        yield url
        return
    folder = Path(tempfile.mkdtemp(prefix="shipper-bench-"))
    ports = _free_ports(4)
    own = EmbeddedStack(
        StackSettings(
            directory=folder,
            cache=load_settings().stack.cache,
            kafka_port=ports[0],
            kafka_controller_port=ports[1],
            elasticsearch_port=ports[2],
            elasticsearch_transport_port=ports[3],
            elasticsearch_heap_mib=_HEAP_MIB,
        )
    )
    try:
        progress("starting an Elasticsearch")
        own.start_server("elasticsearch")
        yield own.elasticsearch_url
    finally:
        own.down()
        own.wipe()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def filled(url: str, documents: int, end_us: int, seed: int, progress: Progress) -> Iterator[Ground]:
    """Store a day of so many documents, and wait until the server is at rest; the day is deleted at the end."""
    history = History(documents, end_us, f"bench{os.getpid()}x{documents}", seed)
    settings = ElasticsearchSettings(url=url, request_timeout_s=300)
    with connect(settings) as client:
        ground = Ground(client, url, history)
        install(client, packaged_templates(asset("es_templates")))
        try:
            _fill(ground, settings, progress)
            yield ground
        finally:
            ground.forget()
            for index in client.indices(ground.logs):
                client.delete_index(index)


def _fill(ground: Ground, settings: ElasticsearchSettings, progress: Progress) -> None:
    total, stored, said_s = ground.history.documents, 0, time.monotonic()
    waiting: deque[tuple[Future[object], int]] = deque()
    with connect_bulk(settings) as bulk, ThreadPoolExecutor(_WRITERS) as pool:
        for body, count in ground.history.bodies():
            waiting.append((pool.submit(bulk.create, body, count), count))
            while len(waiting) > _IN_FLIGHT:
                stored += _stored(*waiting.popleft())
            if time.monotonic() - said_s > _REPORT_S:
                said_s = time.monotonic()
                progress(f"stored {stored:,} of {total:,} documents")
        stored += sum(_stored(*one) for one in waiting)
    progress(f"stored {stored:,} documents; waiting until the server is at rest")
    ground.client.refresh(ground.logs)
    _calm(ground)


def _stored(one: Future[object], count: int) -> int:
    if one.result() is not None:
        raise RuntimeError("a document of the made-up day was refused")
    return count


def _calm(ground: Ground) -> None:
    """Wait until no segments are being merged: that work is of the storing, not of the judging."""
    limit_s = time.monotonic() + _CALM_LIMIT_S
    path = f"/{ground.logs}/_stats/merge"
    while time.monotonic() < limit_s:
        if ground.client.request("GET", path)["_all"]["total"]["merges"]["current"] == 0:
            return
        time.sleep(1)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()
