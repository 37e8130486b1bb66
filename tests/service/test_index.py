"""Kafka to Elasticsearch on the real servers: found once, whatever crashed on the way."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from shipper.errors import StoreUnavailable
from shipper.kafka.admin import Admin
from tests.service.kafka_stage import KafkaStage


def until(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait for a condition; fail with `what` when it does not come true in time."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        # An index that is just being made answers 503 for a moment.
        with suppress(StoreUnavailable):
            if condition():
                return
        time.sleep(0.05)
    pytest.fail(f"{what} did not happen within {limit_s} s")


def test_each_record_is_found_once(stage: KafkaStage) -> None:
    """All records become documents under their ids, with event.ingested, in today's index."""
    stage.send([stage.value() for _ in range(500)])
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.5)
    assert len(stage.stored_ids()) == len(set(stage.stored_ids())) == 500
    assert indexer.counts().indexed == 500
    found = stage.client.get(stage.today(), f"{stage.producer_id}-1")
    assert found is not None
    ingested = datetime.fromisoformat(found.source["event"]["ingested"])
    assert abs(datetime.now(UTC) - ingested) < timedelta(minutes=2)


def test_a_replay_finds_the_same_place(stage: KafkaStage) -> None:
    """U27, U28: the same records twice, days late, in another order: the same count, in the same indices."""
    earlier = (datetime.now(UTC) - timedelta(days=5)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    values = [stage.value() for _ in range(50)]
    values += [stage.value(**{"@timestamp": earlier}) for _ in range(50)]
    stage.send(values)
    stage.send(values[::-1])
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.5)
    assert len(stage.stored_ids()) == 100
    assert indexer.counts().duplicates == 100
    assert len(stage.client.indices(f"logs-*-{stage.namespace}-*")) == 2


def test_good_and_bad_records_in_one_request(stage: KafkaStage) -> None:
    """U34, U35: each bad record is a whole dead letter with reason and place; every good one is stored."""
    far = "2020-01-01T00:00:00.000000Z"
    bad = {
        "mapping": stage.value(host="a scalar where an object belongs"),
        "json": (f"{stage.producer_id}-x", b'{"@timestamp":"2026-11-21T10:11:12.123456Z","event":{"id":"'),
        "clock": stage.value(**{"@timestamp": far}),
        "schema": stage.value(message=None),
        "dataset": stage.value(
            event={"id": f"{stage.producer_id}-d", "sequence": 1, "dataset": "nobody.knows"}
        ),
        "id": stage.value(event={"id": "x" * 513, "sequence": 1, "dataset": "ml.app"}),
    }
    bad["dataset"] = (f"{stage.producer_id}-d", bad["dataset"][1])
    good = [stage.value() for _ in range(20)]
    mixed = [value for pair in zip(bad.values(), good, strict=False) for value in pair] + good[len(bad) :]
    stage.send(mixed)
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.5)
    assert sorted(stage.stored_ids()) == sorted(event_id for event_id, _ in good)
    letters = {letter.reason: letter for letter in stage.dead_letters()}
    assert sorted(letters) == sorted(bad)
    for reason, (_, value) in bad.items():
        assert letters[reason].payload == value
        assert letters[reason].hop == "index"
        assert letters[reason].position.startswith(f"{stage.kafka.topic}/0@")
        assert letters[reason].detail
    assert "host" in letters["mapping"].detail
    assert letters["mapping"].index == stage.today()
    assert dict(indexer.counts().dead_lettered) == dict.fromkeys(bad, 1)


def test_a_raw_line_end_breaks_no_neighbour(stage: KafkaStage) -> None:
    """U35: an indented document, valid JSON with line ends, is stored; so are the records around it."""
    first, odd, last = stage.value(), stage.value(), stage.value()
    stage.send([first, (odd[0], json.dumps(json.loads(odd[1]), indent=2).encode()), last])
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.5)
    assert len(stage.stored_ids()) == 3
    assert stage.dead_letters() == []


def test_kill_9_between_storing_and_committing(stage: KafkaStage) -> None:
    """U27: the indexer is killed again and again in the middle of its work; nothing is lost or doubled."""
    count = 6000
    for _ in range(count // 1000):
        stage.send([stage.value() for _ in range(1000)])
    pattern = f"logs-ml.app-{stage.namespace}-*"
    for kill in range(3):
        process = stage.run_index()
        before = stage.client.count(pattern)

        def has_moved(before: int = before) -> bool:
            stage.client.refresh(pattern)
            return stage.client.count(pattern) > before

        until(has_moved, f"storing after kill {kill}")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    done = stage.command("index", "--once", "--json")
    assert done.returncode == 0, done.stderr
    ids = stage.stored_ids()
    assert len(ids) == len(set(ids)) == count
    assert json.loads(done.stdout)["in_hand"] == 0
    with Admin(stage.kafka) as admin:
        assert admin.lag(stage.index_settings.group, stage.kafka.topic) == 0


def test_a_crash_after_storing_and_before_committing(
    stage: KafkaStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U27: everything is stored, nothing committed; the next indexer finds all of it there already."""
    stage.send([stage.value() for _ in range(300)])
    with stage.indexer() as indexer:
        monkeypatch.setattr(type(indexer), "_commit", _crash)
        with pytest.raises(RuntimeError, match="crashed"):
            indexer.run_until_idle(0.5)
    monkeypatch.undo()
    with stage.indexer() as again:
        again.run_until_idle(0.5)
    assert again.counts().duplicates == 300
    assert len(stage.stored_ids()) == 300


def _crash(*arguments: object) -> None:
    raise RuntimeError("crashed")


def test_two_indexers_share_the_partitions(stage: KafkaStage) -> None:
    """Several indexers of one group, one joining late: each record is stored once."""
    stage.remove()
    stage.make_topics(partitions=4)
    for _ in range(4):
        stage.producer_id = f"{stage.producer_id[:-1]}{_}"
        stage.send([stage.value() for _ in range(500)])
    first = stage.run_index("--json")
    second = stage.run_index("--json")
    try:
        until(lambda: len(stage.stored_ids()) >= 2000, "storing all", 90)
    finally:
        outputs = []
        for process in (first, second):
            process.send_signal(signal.SIGTERM)
            out, error = process.communicate(timeout=30)
            outputs.append((process.returncode, out, error))
    assert [code for code, _, _ in outputs] == [0, 0], outputs
    ids = stage.stored_ids()
    assert len(ids) == len(set(ids)) == 2000


def test_sigterm_ends_cleanly(stage: KafkaStage) -> None:
    """SIGTERM: the indexer finishes its batch, says what it did, and ends with 0, with no stack trace."""
    stage.send([stage.value() for _ in range(10)])
    process = stage.run_index()
    until(lambda: len(stage.stored_ids()) == 10, "storing")
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 0
    assert b"10 records: 10 stored" in out
    assert b"Traceback" not in error


def test_elasticsearch_restarts_under_the_indexer(stage: KafkaStage) -> None:
    """An outage of Elasticsearch, by SIGKILL, while records flow: the indexer waits, says so, goes on; no loss."""
    process = stage.run_index("--json")
    stage.send([stage.value() for _ in range(200)])
    until(lambda: len(stage.stored_ids()) == 200, "storing before the outage")
    stage.stack.stop_server("elasticsearch", kill=True)
    try:
        stage.send([stage.value() for _ in range(500)])
        with pytest.raises(StoreUnavailable):
            stage.client.health()
    finally:
        stage.stack.start_server("elasticsearch")
    until(lambda: len(stage.stored_ids()) >= 700, "storing after the outage", 90)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert b"waiting, nothing is lost" in error
    ids = stage.stored_ids()
    assert len(ids) == len(set(ids)) == 700


def test_kafka_restarts_under_the_indexer(stage: KafkaStage) -> None:
    """An outage of Kafka, by SIGKILL, while the indexer runs: it goes on by itself; nothing lost or doubled."""
    process = stage.run_index("--json")
    stage.send([stage.value() for _ in range(200)])
    until(lambda: len(stage.stored_ids()) == 200, "storing before the outage")
    stage.stack.restart_kafka(kill=True)
    stage.send([stage.value() for _ in range(500)])
    until(lambda: len(stage.stored_ids()) >= 700, "storing after the outage", 120)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert b"Traceback" not in error
    ids = stage.stored_ids()
    assert len(ids) == len(set(ids)) == 700


class TestCommandLine:
    """What a user's mistake looks like."""

    def test_elasticsearch_away(self, stage: KafkaStage) -> None:
        """--once with an Elasticsearch that does not answer: one sentence, exit 1."""
        done = stage.command(
            "index", "--once", environment={"SHIPPER_ELASTICSEARCH_URL": "http://127.0.0.1:1"}
        )
        assert done.returncode == 1
        assert "http://127.0.0.1:1" in done.stderr
        assert "Traceback" not in done.stderr

    def test_kafka_away(self, stage: KafkaStage) -> None:
        """A Kafka that does not answer: one sentence, exit 1, soon."""
        done = stage.command(
            "index",
            "--once",
            environment={
                "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
                "SHIPPER_KAFKA_REQUEST_TIMEOUT_S": "2",
            },
        )
        assert done.returncode == 1
        assert "127.0.0.1:1" in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_missing_topic(self, stage: KafkaStage) -> None:
        """A topic that does not exist is not waited for in silence: one sentence names the command, exit 1."""
        with Admin(stage.kafka) as admin:
            admin.delete_topic(stage.kafka.dead_letter_topic)
        done = stage.command("index", "--once")
        assert done.returncode == 1
        assert stage.kafka.dead_letter_topic in done.stderr
        assert "shipper setup" in done.stderr

    def test_once_on_an_empty_topic(self, stage: KafkaStage) -> None:
        """--once with nothing to do ends by itself with 0 and zeros."""
        done = stage.command("index", "--once", "--json", "--idle", "0.2")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["consumed"] == 0
