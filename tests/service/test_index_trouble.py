"""What Elasticsearch can answer beside "stored", by the real server where it can be made to, else by a proxy before it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

from shipper.config import ElasticsearchSettings
from shipper.index.tally import IndexCounts
from shipper.kafka.admin import Admin
from tests.service.kafka_stage import KafkaStage
from tests.service.meddling_front import Meddling, Spoilt, meddling_front
from tests.service.test_index import until


@pytest.fixture
def front(stage: KafkaStage) -> Iterator[Meddling]:
    """A proxy that the stage's indexers speak to."""
    with meddling_front(stage.stack.elasticsearch_url) as front:
        stage.elasticsearch = ElasticsearchSettings(url=front.url, request_timeout_s=10)
        yield front


def ask(stage: KafkaStage, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
    """Send a request to the real server; it must succeed."""
    connection = HTTPConnection(urlsplit(stage.stack.elasticsearch_url).netloc, timeout=30)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
    finally:
        connection.close()


@contextmanager
def cluster_set(stage: KafkaStage, **settings: object) -> Iterator[None]:
    """Change settings of the cluster for a while; `__` stands for a dot."""
    named = {name.replace("__", "."): value for name, value in settings.items()}
    ask(stage, "PUT", "/_cluster/settings", {"persistent": named})
    try:
        yield
    finally:
        ask(stage, "PUT", "/_cluster/settings", {"persistent": dict.fromkeys(named)})


def index_set(stage: KafkaStage, index: str, **settings: object) -> None:
    """Change settings of an index; `__` stands for a dot."""
    ask(
        stage,
        "PUT",
        f"/{index}/_settings",
        {name.replace("__", "."): value for name, value in settings.items()},
    )


@contextmanager
def running(stage: KafkaStage) -> Iterator[list[IndexCounts]]:
    """Run an indexer in a thread meanwhile; the list gets its counts at the end."""
    stop = threading.Event()
    found: list[IndexCounts] = []

    def work() -> None:
        with stage.indexer() as indexer:
            indexer.run(stop)
            found.append(indexer.counts())

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(60)


def lag(stage: KafkaStage) -> int:
    """Return how many records of the topic are not committed."""
    with Admin(stage.kafka) as admin:
        return admin.lag(stage.index_settings.group, stage.kafka.topic) or 0


def waiting(stage: KafkaStage, word: str) -> bool:
    """Return whether the indexer has told that it waits, with this word in the reason."""
    return any("waiting, nothing is lost" in told and word in told for told in stage.reports)


class TestRealAnswers:
    """Rows of the table that the real server was brought to give."""

    @pytest.mark.parametrize(
        ("blocked", "free"),
        [
            (
                {"index__blocks__read_only_allow_delete": True},
                {"index__blocks__read_only_allow_delete": None},
            ),
        ],
        ids=["flood-stage"],
    )
    def test_a_full_disk_is_waited_for(
        self, stage: KafkaStage, blocked: dict[str, object], free: dict[str, object]
    ) -> None:
        """U36: the block of a full disk (429, formerly 403) holds the stream; when it goes, all is stored once."""
        stage.client.create_index(stage.today())
        index_set(stage, stage.today(), index__blocks__read_only_allow_delete=True)
        stage.send([stage.value() for _ in range(50)])
        with running(stage) as found:
            until(lambda: waiting(stage, "blocked"), "telling of the block")
            assert lag(stage) == 50
            index_set(stage, stage.today(), index__blocks__read_only_allow_delete=None)
            until(lambda: len(stage.stored_ids()) == 50, "storing")
        assert found[0].indexed == 50
        assert stage.dead_letters() == []

    def test_a_cluster_that_is_read_only_is_waited_for(self, stage: KafkaStage) -> None:
        """U36: 403 of a read-only cluster concerns no record; it is waited for."""
        stage.client.create_index(stage.today())
        stage.send([stage.value() for _ in range(5)])
        with ExitStack() as until_free:
            until_free.enter_context(cluster_set(stage, cluster__blocks__read_only_allow_delete=True))
            with running(stage) as found:
                until(lambda: waiting(stage, "blocked"), "telling of the block")
                until_free.close()
                until(lambda: len(stage.stored_ids()) == 5, "storing")
        assert found[0].indexed == 5

    @pytest.mark.parametrize("how", ["write", "closed"])
    def test_an_index_that_takes_no_more_holds_up_nobody(self, stage: KafkaStage, how: str) -> None:
        """U36: an index that was blocked or closed on purpose: its records are dead letters, the others are stored."""
        index = stage.today("ml.training")
        stage.client.create_index(index)
        if how == "write":
            index_set(stage, index, index__blocks__write=True)
        else:
            ask(stage, "POST", f"/{index}/_close")
        stopped = [stage.value(event=event) for event in _events(stage, "ml.training", 3)]
        stage.send([*stopped, *(stage.value() for _ in range(5))])
        with stage.indexer() as indexer:
            indexer.run_until_idle(0.5)
        assert dict(indexer.counts().dead_lettered) == {"index_blocked": 3}
        assert indexer.counts().indexed == 5
        assert [letter.payload for letter in stage.dead_letters()] == [value for _, value in stopped]
        if how == "closed":
            ask(stage, "POST", f"/{index}/_open")

    def test_no_room_for_another_index_is_waited_for(self, stage: KafkaStage) -> None:
        """U36: 400 "too many shards" is the cluster's trouble, not the record's; the stream waits for room."""
        stage.send([stage.value() for _ in range(5)])
        stage.client.create_index(stage.today("ml.training"))  # takes the room that is there
        with ExitStack() as until_room:
            until_room.enter_context(cluster_set(stage, cluster__max_shards_per_node=1))
            with running(stage) as found:
                until(lambda: waiting(stage, "shards"), "telling of the limit")
                until_room.close()
                until(lambda: len(stage.stored_ids()) == 5, "storing")
        assert found[0].indexed == 5

    def test_an_index_that_may_not_be_made_is_waited_for(self, stage: KafkaStage) -> None:
        """U36: 404 where automatic creation is switched off is a matter of the set-up; it is waited for."""
        stage.send([stage.value() for _ in range(5)])
        with ExitStack() as until_allowed:
            until_allowed.enter_context(cluster_set(stage, action__auto_create_index="false"))
            with running(stage) as found:
                until(lambda: waiting(stage, "no such index"), "telling of the index")
                until_allowed.close()
                until(lambda: len(stage.stored_ids()) == 5, "storing")
        assert found[0].indexed == 5

    def test_a_server_without_room_slows_consumption(self, stage: KafkaStage) -> None:
        """U17, U36: the real server answers 429 for lack of memory: reading stops, the group is kept, nothing is lost."""
        stage.index_settings = stage.index_settings.model_copy(update={"batch_max_records": 100})
        stage.send([stage.value()])
        with running(stage) as found:
            until(lambda: len(stage.stored_ids()) == 1, "storing the first")
            with cluster_set(stage, indices__breaker__total__limit="1mb"):
                stage.send([stage.value() for _ in range(2000)])
                until(lambda: waiting(stage, "429"), "telling of 429")
                threading.Event().wait(stage.index_settings.session_timeout_s + 1)
                assert lag(stage) == 2000
            until(lambda: len(stage.stored_ids()) == 2001, "storing the rest", 90)
        assert found[0].consumed == 2001, "records were handed out twice: the group was left"
        assert found[0].indexed == 2001


def _events(stage: KafkaStage, dataset: str, count: int) -> Iterator[dict[str, object]]:
    for number in range(count):
        yield {"id": f"{stage.producer_id}-t{number}", "sequence": 1, "dataset": dataset}


class TestSpoiltAnswers:
    """What a proxy, a load balancer or a broken connection make of the answer."""

    def test_a_request_that_fails_is_repeated(self, stage: KafkaStage, front: Meddling) -> None:
        """U36: whatever a whole request is answered, no record pays for it: it is sent again and stored once."""
        statuses = [401, 403, 404, 405, 408, 429, 500, 502, 503, 504]
        front.spoil = lambda number: Spoilt(statuses.pop()) if number % 2 == 0 and statuses else None
        stage.send([stage.value() for _ in range(12)])
        with stage.indexer(batch_max_records=1) as indexer:
            indexer.run_until_idle(0.5)
        assert statuses == []
        assert indexer.counts().indexed == 12
        assert stage.dead_letters() == []

    @pytest.mark.parametrize("status", [400, 413])
    def test_a_request_that_is_too_much_is_halved(
        self, stage: KafkaStage, front: Meddling, status: int
    ) -> None:
        """U35, U38: a refused request is halved until the record that is too large stands alone as a dead letter."""
        good = [stage.value() for _ in range(20)]
        large = stage.value(message="x" * 100_000)
        front.spoil = lambda number: Spoilt(status) if front.sizes[number] > 100_000 else None
        stage.send([*good[:7], large, *good[7:]])
        with stage.indexer() as indexer:
            indexer.run_until_idle(0.5)
        assert sorted(stage.stored_ids()) == sorted(event_id for event_id, _ in good)
        (letter,) = stage.dead_letters()
        assert letter.payload == large[1]
        assert letter.reason == {400: "request", 413: "too_large"}[status]

    @pytest.mark.parametrize(
        ("keep", "is_honest"),
        [(0.0, False), (0.5, False), (0.5, True), (0.99, True)],
        ids=["no-answer", "connection-cut", "half-an-answer", "last-bytes-missing"],
    )
    def test_half_an_answer_is_none(
        self, stage: KafkaStage, front: Meddling, keep: float, *, is_honest: bool
    ) -> None:
        """U27: cut in the middle of an answer: all is stored, nothing is known; sent again, it is found there already."""
        front.spoil = lambda number: Spoilt(keep=keep, is_honest=is_honest) if number == 0 else None
        stage.send([stage.value() for _ in range(200)])
        with stage.indexer() as indexer:
            indexer.run_until_idle(0.5)
        ids = stage.stored_ids()
        assert len(ids) == len(set(ids)) == 200
        counts = indexer.counts()
        assert counts.duplicates > 0
        assert counts.indexed + counts.duplicates == 200
        assert stage.dead_letters() == []
        assert lag(stage) == 0

    def test_an_answer_for_fewer_is_none(self, stage: KafkaStage, front: Meddling) -> None:
        """An answer with fewer items than the request says nothing of any of them."""
        few = b'{"errors":false,"items":[{"create":{"status":201}}]}'
        front.spoil = lambda number: Spoilt(200, few) if number == 0 else None
        stage.send([stage.value() for _ in range(10)])
        with stage.indexer() as indexer:
            indexer.run_until_idle(0.5)
        assert indexer.counts().indexed == 10

    def test_a_long_refusal_keeps_the_group_and_the_order(self, stage: KafkaStage, front: Meddling) -> None:
        """U17: 429 for longer than the session lasts: at most two requests are there at a time, the group is kept."""
        answers_well = threading.Event()
        front.spoil = lambda _number: None if answers_well.is_set() else Spoilt(429)
        stage.index_settings = stage.index_settings.model_copy(update={"batch_max_records": 100})
        stage.send([stage.value() for _ in range(2000)])
        with running(stage) as found:
            until(lambda: len(front.sizes) > 3, "asking again")
            threading.Event().wait(stage.index_settings.session_timeout_s + 1)
            assert lag(stage) == 2000
            assert len(front.sizes) < 40
            answers_well.set()
            until(lambda: len(stage.stored_ids()) == 2000, "storing")
        assert found[0].consumed == found[0].indexed == 2000
        assert front.at_once <= 2
        assert not any("rebalanced" in told for told in stage.reports)


class TestReplay:
    """The whole topic once more."""

    def test_a_replay_across_changes_of_the_index(self, stage: KafkaStage) -> None:
        """U27: after a new template, other settings, a merge and a refused write, a replay leaves the same count."""
        values = [stage.value() for _ in range(300)]
        stage.send(values)
        with stage.indexer() as indexer:
            indexer.run_until_idle(0.5)
        index = stage.today()
        ask(stage, "PUT", f"/{index}/_mapping", {"properties": {"added": {"type": "keyword"}}})
        index_set(stage, index, index__refresh_interval="5s", index__number_of_replicas=0)
        ask(stage, "POST", f"/{index}/_forcemerge?max_num_segments=1")
        ask(stage, "POST", f"/{index}/_close")
        ask(stage, "POST", f"/{index}/_open")
        before = sorted(stage.stored_ids())
        stage.index_settings = stage.index_settings.model_copy(update={"group": f"{stage.namespace}-again"})
        with stage.indexer() as again:
            again.run_until_idle(0.5)
        assert sorted(stage.stored_ids()) == before
        assert again.counts().duplicates == 300
        assert stage.dead_letters() == []
