"""`shipper migrate` on the real server: a changed type, a changed name, and a death at every request."""

from __future__ import annotations

import json
import multiprocessing
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from shipper.assets import asset
from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings
from shipper.datasets import index_name
from shipper.elastic.client import ElasticClient, connect
from shipper.elastic.raw import connect_raw
from shipper.elastic.upkeep import hold_writers
from shipper.errors import ConfigurationError
from shipper.index import copying
from shipper.index.templates import install, packaged_templates
from tests.service import migrate_killed
from tests.service.kafka_stage import KafkaStage
from tests.service.old_schema import KEYWORD, OldIndex, document, old_index
from tests.service.running_stack import RunningStack

LONG = {"type": "long"}
OLD = {"@timestamp": {"type": "date_nanos"}, "number": KEYWORD}
NEW = {"@timestamp": {"type": "date_nanos"}, "number": LONG}


@pytest.fixture
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running Elasticsearch."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        yield client


@pytest.fixture
def index(stack: RunningStack, client: ElasticClient) -> Iterator[OldIndex]:
    """An index in which `number` is a keyword; the new schema says long."""
    with old_index(stack.elasticsearch_url, client, OLD) as index:
        yield index


class TestTypes:
    """A field gets another type."""

    def test_a_changed_type(self, index: OldIndex) -> None:
        """Numbers that were words are numbers afterwards, in every document, under the old id and the old name."""
        before = {f"id-{number}": document(number) for number in range(5_000)}
        assert set(index.store(before)) == {201}
        index.renew(NEW)
        assert index.found({"range": {"number": {"gte": 90, "lt": 1000}}}) != 910
        (step,) = index.steps()
        assert step.reasons == ("number: keyword there, long in the schema",)
        (result,) = index.migrate()
        assert (result.outcome, result.documents) == ("migrated", 5_000)
        assert index.found({"range": {"number": {"gte": 90, "lt": 1000}}}) == 910
        assert index.contents() == before
        assert index.indices() == [(f"{index.name}-000002", False)]
        assert index.steps() == []
        assert index.migrate() == []

    def test_replays_meet_their_ids(self, index: OldIndex) -> None:
        """U27: what is created again under the old name after a migration is there already."""
        index.store({"a": document(1)})
        index.renew(NEW)
        index.migrate()
        assert index.store({"a": document(1), "b": document(2)}) == [409, 201]
        assert index.found({"match_all": {}}) == 2

    def test_twice(self, index: OldIndex) -> None:
        """A second change of the schema makes a third index; the name for writing stays."""
        index.store({"a": document(1)})
        index.renew(NEW)
        index.migrate()
        index.renew({**NEW, "number": {"type": "double"}})
        index.migrate()
        assert index.indices() == [(f"{index.name}-000003", False)]
        assert index.store({"a": document(1)}) == [409]

    def test_bytes_stay_bytes(self, index: OldIndex) -> None:
        """No digit changes: numbers beyond a double, long ones, line ends between members, escapes, dots."""
        odd = {
            "beyond": b'{"a":1e999,"b":123456789012345678901234567890,"c":1.10,"d":-0.0}',
            "lines": b'{\r"a":\t"x"}',
            "escapes": rb'{"a":"\u00e9\ud83d\ude00\n\/","x.y":1,"x":{"y":2}}',
            "empty": b"{}",
        }
        assert index.store(odd) == [201] * 4
        index.renew(NEW)
        index.migrate()
        after = index.contents()
        assert after.pop("lines") == odd.pop("lines").replace(b"\r", b" ")
        assert after == odd

    def test_a_document_that_the_new_type_refuses(self, index: OldIndex) -> None:
        """U31: nothing is lost: the index stays as it was, open for writing, and the document is named with the reason."""
        index.store({"good": document(1), "bad": b'{"number":{"a":1}}'})
        index.renew({**NEW, "labels": {"type": "flattened"}, "number": {"type": "flattened"}})
        (result,) = index.migrate()
        assert (result.outcome, result.refused_count) == ("refused", 1)
        assert "number" in result.refused["good"]
        assert index.indices() == [(index.name, False)]
        assert index.store({"more": document(3)}) == [201]


class TestNames:
    """A field gets another name."""

    def test_old_records_are_found_under_the_new_name(self, index: OldIndex) -> None:
        """Stored records, and old ones that arrive later, are found by both names; their bytes stay."""
        before = {"a": document(1, score="high"), "b": document(2)}
        index.store(before)
        index.client.refresh(index.name)
        renamed: dict[str, Any] = {**OLD, "number": {**KEYWORD, "copy_to": "ml.count"}}
        index.renew({**renamed, "ml": {"properties": {"count": KEYWORD}}})
        (step,) = index.steps()
        assert step.reasons == (
            "number is called ml.count now, and 2 documents have it under the old name only",
        )
        index.migrate()
        assert index.store({"late": document(3)}) == [201]
        for number in (1, 2, 3):
            assert index.found({"term": {"ml.count": str(number)}}) == 1
            assert index.found({"term": {"number": str(number)}}) == 1
        assert index.contents() == {**before, "late": document(3)}
        assert index.steps() == []

    def test_nobody_has_the_old_name(self, index: OldIndex) -> None:
        """An index without a value under the former name needs no copy."""
        index.store({"a": b"{}"})
        renamed: dict[str, Any] = {**OLD, "number": {**KEYWORD, "copy_to": "ml.count"}}
        index.renew({**renamed, "ml": {"properties": {"count": KEYWORD}}})
        assert index.steps() == []


class TestMeanwhile:
    """What happens to the index while it is copied."""

    def test_changed_and_deleted_documents(self, index: OldIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        """A document changed, deleted or added after it was copied is in the copy as it is at the end."""
        index.store({f"id-{number}": document(number) for number in range(30)})
        index.renew(NEW)
        (step,) = index.steps()
        copy = copying.Copier.copy
        rounds: list[int] = []

        def meddled(self: copying.Copier) -> None:
            copy(self)
            rounds.append(1)
            if len(rounds) == 1:
                assert index.store({"id-3": document(300), "new": document(31)}, action="index") == [200, 201]
                index.client.delete(index.name, "id-7")

        monkeypatch.setattr(copying.Copier, "copy", meddled)
        with connect_raw(index.settings) as raw:
            assert index.carry_out(raw, step).outcome == "migrated"
        contents = index.contents()
        assert contents["id-3"] == document(300)
        assert "id-7" not in contents
        assert len(contents) == 30

    def test_searches_see_each_document_once(self, index: OldIndex, monkeypatch: pytest.MonkeyPatch) -> None:
        """While the copy is made, and in the moment before it is shown, a search by pattern counts no document twice."""
        index.store({f"id-{number}": document(number) for number in range(100)})
        index.renew(NEW)
        seen: set[int] = set()
        done = threading.Event()

        def watch() -> None:
            with connect(index.settings) as client:
                while not done.is_set():
                    seen.add(client.count(f"logs-{index.dataset}-*"))

        index.client.refresh(index.name)
        monkeypatch.setattr(copying, "_PAGE_MAX", 5)
        with ThreadPoolExecutor(1) as pool:
            watching = pool.submit(watch)
            index.migrate()
            done.set()
            watching.result()
        assert seen == {100}

    def test_a_second_run_at_once(self, index: OldIndex) -> None:
        """Who comes second is told, and what the first has put in place stays open for writing."""
        index.store({"a": document(1)})
        index.renew(NEW)
        (step,) = index.steps()
        index.migrate()
        with connect_raw(index.settings) as raw, pytest.raises(ConfigurationError, match="in the way"):
            index.carry_out(raw, step)
        assert index.store({"b": document(2)}) == [201]

    def test_held_writers_are_told_later(self, index: OldIndex) -> None:
        """U36: in the last moments the indexer waits instead of making dead letters."""
        from shipper.index.fate import Fate, judge

        index.store({"a": document(1)})
        hold_writers(index.client, index.name)
        body = b'{"create":{"_index":"%s","_id":"b"}}\n{}\n' % index.name.encode()
        (answer,) = index.client.bulk(body)
        assert judge(answer).fate is Fate.RETRY


def test_killed_at_every_request(stack: RunningStack, client: ElasticClient) -> None:
    """`kill -9` before or after any request of a migration: the next run ends as if nothing had been; no document is
    missing, doubled or hidden, and the index takes records."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([migrate_killed.__name__])

    def one(at_request: int, *, is_sent: bool) -> bool:
        with old_index(stack.elasticsearch_url, client, OLD) as index:
            documents = {f"id-{number}": document(number) for number in range(40)}
            index.store(documents)
            index.renew(NEW)
            process = context.Process(
                target=migrate_killed.migrate_and_die,
                args=(stack.elasticsearch_url, index.template, at_request),
                kwargs={"is_sent": is_sent},
            )
            process.start()
            process.join(60)
            code = process.exitcode
            process.close()
            assert code in (0, -signal.SIGKILL), code
            index.migrate()
            assert index.contents() == documents, (at_request, is_sent)
            assert index.found({"range": {"number": {"gte": 0}}}) == 40
            assert index.indices() == [(f"{index.name}-000002", False)], (at_request, is_sent)
            assert index.store({"more": document(41), "id-0": document(0)}) == [201, 409]
            assert index.steps() == []
            return code == 0

    # Around each request that changes something, in the middle of the copy, and one number beyond the last.
    changes = (3, 10, 22, 23, 34, 35)
    points = [(number, is_sent) for number in changes for is_sent in (False, True)]
    points += [(12, False), (14, True), (20, True), (32, False), (60, False)]
    with ThreadPoolExecutor(4) as pool:
        ends = list(pool.map(lambda point: one(point[0], is_sent=point[1]), points))
    assert ends[-1], "the migration has more requests than were tried"
    assert sum(ends) == 1, "the migration has fewer requests than were tried"


def test_the_command_while_records_arrive(stack: RunningStack) -> None:
    """Records keep arriving by Kafka while `shipper migrate apply` runs: each is stored once, none becomes a dead
    letter, and a replay of the whole topic adds nothing."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, packaged_templates(asset("es_templates")))
        stage = KafkaStage(stack, client)
        try:
            stage.make_topics()
            _migrate_while_records_arrive(stage, client)
        finally:
            stage.remove()


def _migrate_while_records_arrive(stage: KafkaStage, client: ElasticClient) -> None:
    name = index_name("ml.app", stage.namespace, SystemClock().now_us())
    old = {"properties": {"ml": {"properties": {"epoch": KEYWORD}}}}
    client.create_index(name, {"mappings": old})
    values = [stage.value(ml={"epoch": number}) for number in range(3_000)]
    stage.send(values[:1_500])
    process = stage.run_index()
    _wait_for(client, name, 1_500)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(_send_slowly, stage, values[1_500:])
        shown = stage.command("migrate", "plan", "--check", "--json")
        done = stage.command("migrate", "apply", "--yes", "--json")
        sending.result()
    assert shown.returncode == 1, shown.stderr
    assert json.loads(shown.stdout)["steps"][0]["reasons"] == ["ml.epoch: keyword there, long in the schema"]
    assert done.returncode == 0, done.stderr
    assert [row["outcome"] for row in json.loads(done.stdout)["results"]] == ["migrated"]
    _wait_for(client, name, 3_000)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    replay = stage.command("index", "--once", environment={"SHIPPER_INDEX_GROUP": f"again-{stage.namespace}"})
    assert replay.returncode == 0, replay.stderr
    ids = stage.stored_ids()
    assert sorted(ids) == sorted([*{event_id for event_id, _ in values}, *_trail(client, stage)])
    assert client.count(name, {"range": {"ml.epoch": {"gte": 1_000, "lt": 1_010}}}) == 10
    assert stage.dead_letters() == []
    again = stage.command("migrate", "plan", "--check")
    assert (again.returncode, "nothing is to be migrated" in again.stdout) == (0, True)


def _send_slowly(stage: KafkaStage, values: list[tuple[str, bytes]]) -> None:
    for start in range(0, len(values), 50):
        stage.send(values[start : start + 50])


def _trail(client: ElasticClient, stage: KafkaStage) -> list[str]:
    """Ids of the records that tell who migrated."""
    hits = client.search(f"logs-ml.audit-{stage.namespace}-*", {"size": 10})["hits"]["hits"]
    assert {hit["_source"]["event"]["action"] for hit in hits} == {"migrate-apply"}
    return [hit["_source"]["event"]["id"] for hit in hits]


def _wait_for(client: ElasticClient, name: str, count: int) -> None:
    deadline = time.monotonic() + 60
    while client.count(name) < count:
        assert time.monotonic() < deadline, f"{client.count(name)} of {count} at {datetime.now(UTC)}"
        time.sleep(0.1)
