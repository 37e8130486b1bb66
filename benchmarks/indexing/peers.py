"""Peers: documents or finished bulk bodies from memory to Elasticsearch, without Kafka before them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from benchmarks.indexing.documents import PRODUCER

_LINES: Final = {"content-type": "application/x-ndjson", "accept": "application/json"}
_STATUS_ALONE: Final = "/_bulk?filter_path=errors,items.*.status"


def raw(url: str, bodies: Sequence[bytes], threads: int) -> None:
    """Send finished bodies over urllib3, each thread over a connection of its own."""
    import urllib3  # noqa: PLC0415 - loaded by the contender that uses it

    parts = urlsplit(url)
    waiting = iter(bodies)
    lock = threading.Lock()
    failures: list[bytes] = []

    def send() -> None:
        pool = urllib3.HTTPConnectionPool(parts.hostname or "localhost", parts.port)
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                pool.close()
                return
            answer = pool.urlopen("POST", _STATUS_ALONE, body=body, headers=_LINES)
            if not answer.data.startswith(b'{"errors":false'):
                failures.append(answer.data[:300])

    workers = [threading.Thread(target=send) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    _no(failures)


def client_raw(url: str, bodies: Sequence[bytes]) -> None:
    """Send finished bodies with elasticsearch-py's `bulk`."""
    from elasticsearch import Elasticsearch  # noqa: PLC0415

    with Elasticsearch(url, request_timeout=60) as client:
        for body in bodies:
            answer = client.bulk(body=body, filter_path="errors,items.*.status")
            _no([answer] if answer["errors"] else [])


def helpers_bulk(url: str, documents: Iterable[Mapping[str, Any]], index: str, chunk: int) -> None:
    """Send documents with elasticsearch-py's `helpers.bulk`."""
    from elasticsearch import Elasticsearch, helpers  # noqa: PLC0415

    with Elasticsearch(url, request_timeout=60) as client:
        _, failures = helpers.bulk(client, _actions(documents, index), chunk_size=chunk)
        _no(failures if isinstance(failures, list) else [failures])


def helpers_parallel_bulk(
    url: str, documents: Iterable[Mapping[str, Any]], index: str, chunk: int, threads: int
) -> None:
    """Send documents with elasticsearch-py's `helpers.parallel_bulk`."""
    from elasticsearch import Elasticsearch, helpers  # noqa: PLC0415

    with Elasticsearch(url, request_timeout=60) as client:
        found = helpers.parallel_bulk(
            client, _actions(documents, index), chunk_size=chunk, thread_count=threads
        )
        _no([answer for is_stored, answer in found if not is_stored])


def parsed(values: Iterable[bytes]) -> list[dict[str, Any]]:
    """Return documents as objects; made before the measured time."""
    return [orjson.loads(value) for value in values]


def _actions(documents: Iterable[Mapping[str, Any]], index: str) -> Iterator[dict[str, Any]]:
    for sequence, document in enumerate(documents, 1):
        yield {"_op_type": "create", "_index": index, "_id": f"{PRODUCER}-{sequence}", "_source": document}


def _no(failures: Sequence[object]) -> None:
    if failures:
        raise RuntimeError(f"not all were stored: {failures[0]!r}")
