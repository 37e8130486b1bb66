"""Searches while an index has no shard yet: they wait for a moment, and fail in words where it lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from shipper.config import ElasticsearchSettings
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import StoreUnavailable
from tests.service.running_stack import RunningStack

INDEX = "starting-shards"


@pytest.fixture
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client beside an index whose shard no node may take."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        client.delete_index(INDEX)
        settings = {"number_of_replicas": 0, "routing.allocation.include._name": "nobody"}
        body = orjson.dumps({"settings": {"index": settings}})
        client.request("PUT", f"/{INDEX}", params={"wait_for_active_shards": "0"}, body=body)
        yield client
        client.delete_index(INDEX)


def let_start(client: ElasticClient) -> None:
    """Let a node take the shard."""
    body = orjson.dumps({"index": {"routing.allocation.include._name": None}})
    client.request("PUT", f"/{INDEX}/_settings", body=body)


ASKED: dict[str, Callable[[ElasticClient], object]] = {
    "search": lambda client: client.search(INDEX, {"size": 0}),
    "count": lambda client: client.count(INDEX) == 0,
    "msearch": lambda client: client.msearch([(INDEX, {"size": 0})]),
    "point in time": lambda client: client.open_point_in_time(INDEX, keep_alive_s=5),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_search_waits_for_a_shard_that_starts(client: ElasticClient, name: str) -> None:
    """An index of a moment ago is no outage: what asks for all of a day's indices gets its answer."""
    timer = threading.Timer(0.7, let_start, [client])
    timer.start()
    try:
        assert ASKED[name](client)
    finally:
        timer.join()


def test_it_fails_where_the_shard_stays_away(client: ElasticClient) -> None:
    """Never a part of the answer as if it were all."""
    with pytest.raises(StoreUnavailable, match="missing shards"):
        client.search(INDEX, {"size": 0})


@pytest.mark.parametrize("name", ASKED)
def test_nobody_meets_an_index_that_was_made_just_now(stack: RunningStack, name: str) -> None:
    """Between the making of an index and its first answer the server has several words for "not yet"."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client, ThreadPoolExecutor(1) as pool:
        made = pool.submit(_make_and_remove, client)
        asked = 0
        while not made.done():
            ASKED[name](client)
            asked += 1
        made.result()
    assert asked


def _make_and_remove(client: ElasticClient) -> None:
    body = orjson.dumps({"settings": {"index": {"number_of_replicas": 0}}})
    for _ in range(12):
        client.request("PUT", f"/{INDEX}", params={"wait_for_active_shards": "0"}, body=body)
        time.sleep(0.05)
        client.delete_index(INDEX)
