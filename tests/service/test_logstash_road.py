"""The production road on real servers: Kafka, Logstash, Elasticsearch, against our own indexer."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from shipper.config import ElasticsearchSettings
from shipper.elastic.bulk import connect_bulk
from shipper.elastic.client import ElasticClient
from shipper.index.bulk import create_documents
from shipper.index.document import Document, Limits, read_document
from shipper.kafka.consumer import Consumer
from shipper.kafka.dead_letters import DeadLetter, decode
from shipper.kafka.producer import Message
from tests.golden.cases import NAMESPACE, NOW, NOW_US, Case, load_cases
from tests.service.logstash_process import START_S, logstash_home, running
from tests.service.logstash_road import Ground, ground, wait_until
from tests.service.running_stack import RunningStack

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(4 * START_S)]

CASES = load_cases()
REFUSED = [case for case in CASES * 2 if "refused" in case.expected]
STORED_IDS = {case.expected["id"] for case in CASES if "id" in case.expected}
Json = dict[str, Any]

# The mapping takes `host` for an object: the guard lets it pass, Elasticsearch refuses it for good.
UNMAPPABLE = (
    b'{"@timestamp":"2026-11-21T10:11:12.123456Z","event":{"id":"bad-host","dataset":"ml.app"},'
    b'"host":"x","log":{"level":"info"},"message":"m"}'
)


@dataclass(frozen=True, slots=True)
class Road:
    """What came out at the end of either road."""

    by_logstash: dict[str, Json]
    by_indexer: dict[str, Json]
    letters: list[DeadLetter]
    lag: int | None
    log: str


@pytest.fixture(scope="module")
def road(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Send every case twice, and one that Elasticsearch refuses, down both roads."""
    logstash_home()
    folder = tmp_path_factory.mktemp("road")
    log = folder / "logstash.out"
    letters = len(REFUSED) + 1
    with ground(stack) as ends:
        messages = [_message(case, ends) for case in CASES]
        ends.produce([*messages, Message(ends.kafka.topic, b"key", UNMAPPABLE), *messages])
        with running(folder, ends.variables) as process:

            def is_done() -> bool:
                assert process.poll() is None, log.read_text("utf-8")[-4000:]
                return ends.lag() == 0 and ends.dead_letters() == letters and ends.stored() == len(STORED_IDS)

            wait_until(is_done)
        yield Road(
            by_logstash=_documents(ends.client, ends.namespace),
            by_indexer=_index(ends),
            letters=_letters(ends, letters),
            lag=ends.lag(),
            log=log.read_text("utf-8"),
        )


def _in_namespace(case: Case, namespace: str) -> bytes:
    """The case's value in a namespace of this run."""
    return re.sub(rb'("namespace": ?)"blue"', rb'\1"' + namespace.encode() + b'"', case.value)


def _sent_as(payload: bytes) -> bytes:
    """The case's value again, with the namespace that stands in the file."""
    return re.sub(rb'("namespace": ?)"ls[0-9a-f]{8}"', rb'\1"blue"', payload)


def _message(case: Case, ends: Ground) -> Message:
    headers = [(name, text.encode()) for name, text in case.headers.items()]
    return Message(ends.kafka.topic, b"key", _in_namespace(case, ends.namespace), headers)


def _documents(client: ElasticClient, namespace: str) -> dict[str, Json]:
    pattern = f"logs-ml.*-{namespace}-*"
    client.refresh(pattern)
    hits = client.search(pattern, {"size": 1000, "version": True})["hits"]["hits"]
    return {
        hit["_id"]: {"_index": hit["_index"], "_version": hit["_version"], **hit["_source"]} for hit in hits
    }


def _index(ends: Ground) -> dict[str, Json]:
    """Store the cases by the indexer's own rules."""
    limits = Limits(past_s=90 * 86_400, future_s=3600)
    read = [
        read_document(
            _in_namespace(case, ends.other_namespace),
            header_id=case.headers.get("event.id"),
            namespace=ends.other_namespace,
            now_us=NOW_US,
            limits=limits,
        )
        for case in CASES
    ]
    with connect_bulk(ElasticsearchSettings(url=ends.client.url)) as bulk:
        create_documents(bulk, [each for each in read if isinstance(each, Document)], NOW.encode())
    return _documents(ends.client, ends.other_namespace)


def _letters(ends: Ground, count: int) -> list[DeadLetter]:
    consumer = Consumer(ends.kafka, [ends.kafka.dead_letter_topic], f"read-{uuid.uuid4().hex[:8]}")
    letters: list[DeadLetter] = []
    try:
        deadline = time.monotonic() + 60
        while len(letters) < count and time.monotonic() < deadline:
            for record in consumer.poll(0.5):
                letter = decode(record.value or b"")
                assert letter is not None, record.value
                letters.append(letter)
    finally:
        consumer.close()
    return letters


def test_each_record_is_found_once(road: Road) -> None:
    """U27, U28: what was sent twice is found once, by its id, whichever road it took."""
    assert road.by_logstash.keys() == road.by_indexer.keys() == STORED_IDS
    # The second arrival changed nothing: `create`, not `index`.
    assert {document["_version"] for document in road.by_logstash.values()} == {1}


def test_both_roads_store_the_same_documents(road: Road) -> None:
    """U56, U57: index and document are the same on either road; only the way of writing a time may differ."""
    names = sorted(road.by_indexer)
    ours = [_comparable(road.by_indexer[name]) for name in names]
    theirs = [_comparable(road.by_logstash[name]) for name in names]
    assert theirs == ours


def _comparable(document: Json) -> Json:
    text = orjson.dumps(document).decode()
    namespace = document["_index"].split("-")[2]
    comparable: Json = orjson.loads(text.replace(namespace, NAMESPACE))
    comparable["@timestamp"] = datetime.fromisoformat(document["@timestamp"])
    return comparable


def test_microseconds_survive(road: Road) -> None:
    """U51: the time in Elasticsearch has the microseconds that the record had."""
    document = road.by_logstash["a1b2c3d4e5f6a7b8c9d0-1"]
    assert document["@timestamp"] == "2026-11-21T10:11:12.123456Z"
    assert document["event"]["ingested"] == NOW


def test_refused_records_are_dead_letters(road: Road) -> None:
    """U34, U47: what is refused arrives whole on the dead-letter topic, in the form that shipper reads."""
    mapping = [letter for letter in road.letters if letter.reason == "mapping"]
    others = [
        (letter.reason, _sent_as(letter.payload)) for letter in road.letters if letter.reason != "mapping"
    ]
    assert sorted(others) == sorted((case.expected["refused"]["reason"], case.value) for case in REFUSED)
    assert [letter.payload for letter in mapping] == [UNMAPPABLE]
    assert (mapping[0].event_id, mapping[0].dataset, mapping[0].hop) == ("bad-host", "ml.app", "logstash")
    assert "host" in mapping[0].detail


def test_repeated_records_are_no_news(road: Road) -> None:
    """A record that is there already is as it should be: not one line in the log."""
    assert "Failed action" not in road.log
    assert "version_conflict" not in road.log


def test_offsets_are_committed(road: Road) -> None:
    """After an orderly stop nothing of the topic is left to read."""
    assert road.lag == 0


def test_nothing_is_lost_when_logstash_is_killed(stack: RunningStack, tmp_path: Path) -> None:
    """What stood in Logstash's queue when it was killed is stored by the next one; nothing is lost or doubled."""
    logstash_home()
    count = 20_000
    with ground(stack) as ends:
        ends.produce([_plain_message(ends, number) for number in range(count)])
        with running(tmp_path, ends.variables) as process:
            wait_until(lambda: ends.stored() > 0)
            process.kill()
            process.wait()
        before = ends.stored()
        with running(tmp_path, ends.variables):
            wait_until(lambda: ends.stored() >= count)
        assert 0 < before < count, "it was killed too late to prove anything"
        assert (ends.stored(), ends.dead_letters()) == (count, 0)


def _plain_message(ends: Ground, number: int) -> Message:
    document = {
        "@timestamp": "2026-11-21T10:11:12.123456Z",
        "event": {"id": f"{ends.namespace}-{number}", "dataset": "ml.app"},
        "log": {"level": "info"},
        "message": "m",
    }
    return Message(ends.kafka.topic, b"key", orjson.dumps(document))
