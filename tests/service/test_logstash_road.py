"""The production road on real servers: Kafka, Logstash, Elasticsearch, against our own indexer."""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import orjson
import pytest

from shipper.config import ElasticsearchSettings
from shipper.elastic.bulk import connect_bulk
from shipper.index.bulk import create_documents
from shipper.index.document import Document, Limits, read_document
from shipper.index.fate import Fate
from shipper.kafka.consumer import Consumer
from shipper.kafka.dead_letters import DeadLetter, decode
from shipper.kafka.producer import Message
from tests.golden.cases import MAX_BYTES, NAMESPACE, NOW, NOW_US, Case, exact, load_cases
from tests.service.logstash_process import START_S, logstash_home, running
from tests.service.logstash_road import Ground, ground, wait_until
from tests.service.running_stack import RunningStack

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(4 * START_S)]

CASES = load_cases()
REFUSED = [case for case in CASES if "refused" in case.expected]
Json = dict[str, Any]

KILLS = 5
PER_LIFE = 10_000

# Logstash's input can make a field of each header, and then dies of this name, at each start anew.
POISON = ("x][", b"v")
ORIGINAL = "a1b2c3d4e5f6a7b8c9d0-146"
HOST_IS_A_TEXT = "a1b2c3d4e5f6a7b8c9d0-158"


@dataclass(frozen=True, slots=True)
class Road:
    """What came out at the end of either road.

    Attributes:
        unmapped: cases that the guard lets pass and Elasticsearch refuses, by the indexer's own answer.
    """

    by_logstash: dict[str, Json]
    by_indexer: dict[str, Json]
    unmapped: list[Case]
    letters: list[DeadLetter]
    lag: int | None
    log: str


@pytest.fixture(scope="module")
def road(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Send every case down both roads, down that of Logstash twice."""
    logstash_home()
    folder = tmp_path_factory.mktemp("road")
    log = folder / "logstash.out"
    with ground(stack) as ends:
        unmapped = _index(ends)
        by_indexer = _documents(ends, ends.other_namespace)
        letters = 2 * (len(REFUSED) + len(unmapped))
        messages = [_message(case, ends) for case in CASES]
        ends.produce([*messages, *messages])
        with running(folder, ends.variables) as process:

            def is_done() -> bool:
                assert process.poll() is None, log.read_text("utf-8")[-4000:]
                return ends.lag() == 0 and ends.dead_letters() == letters and ends.stored() == len(by_indexer)

            wait_until(is_done, lambda: f"{ends.lag()} {ends.dead_letters()}/{letters} {ends.stored()}")
        yield Road(
            by_logstash=_documents(ends, ends.namespace),
            by_indexer=by_indexer,
            unmapped=unmapped,
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
    headers = [POISON, *((name, text.encode()) for name, text in case.headers.items())]
    return Message(ends.kafka.topic, b"key", _in_namespace(case, ends.namespace), headers)


def _documents(ends: Ground, namespace: str) -> dict[str, Json]:
    """Every document of a namespace as the server has it, no number of it rounded."""
    pattern = f"logs-ml.*-{namespace}-*"
    ends.client.refresh(pattern)
    with urlopen(f"{ends.client.url}/{pattern}/_search?size=1000&version=true", timeout=60) as answer:  # noqa: S310
        hits = exact(answer.read())["hits"]["hits"]
    return {
        hit["_id"]: {"_index": hit["_index"].replace(namespace, "*"), "_version": hit["_version"]}
        | hit["_source"]
        for hit in hits
    }


def _index(ends: Ground) -> list[Case]:
    """Store the cases by the indexer's own rules; return those that Elasticsearch refused."""
    limits = Limits(past_s=90 * 86_400, future_s=3600, max_bytes=MAX_BYTES)
    sent: list[tuple[Case, Document]] = []
    for case in CASES:
        read = read_document(
            _in_namespace(case, ends.other_namespace),
            header_id=case.headers.get("event.id"),
            namespace=ends.other_namespace,
            now_us=NOW_US,
            limits=limits,
        )
        if isinstance(read, Document):
            sent.append((case, read))
    with connect_bulk(ElasticsearchSettings(url=ends.client.url)) as bulk:
        verdicts = create_documents(bulk, [document for _, document in sent], NOW.encode())
    return [
        case
        for (case, _), verdict in zip(sent, verdicts, strict=True)
        if verdict.fate is Fate.DEAD_LETTER and "refused" not in case.expected
    ]


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
    stored = {case.expected["id"] for case in CASES if "id" in case.expected}
    refused = {case.expected["id"] for case in road.unmapped}
    assert road.by_logstash.keys() == road.by_indexer.keys() == stored - refused
    # The second arrival changed nothing: `create`, not `index`.
    assert {document["_version"] for document in road.by_logstash.values()} == {1}


def test_both_roads_store_the_same_documents(road: Road) -> None:
    """U56, U57: index and document are the same on either road, field by field as the server has them, nothing
    excepted but the time of sending; so no document holds its line once more on one of them."""
    names = sorted(road.by_indexer)
    ours = [_comparable(road.by_indexer[name]) for name in names]
    theirs = [_comparable(road.by_logstash[name]) for name in names]
    assert theirs == ours
    assert [name for name in names if "original" in road.by_logstash[name]["event"]] == [ORIGINAL]


def _comparable(document: Json) -> Json:
    event = dict(document["event"])
    assert event.pop("ingested").endswith("Z")
    place = document.get("data_stream", {})
    if place is not None:
        place = {**place, "namespace": NAMESPACE}
    return {**document, "event": event, "data_stream": place}


def test_microseconds_survive(road: Road) -> None:
    """U51: the time in Elasticsearch has the microseconds that the record had."""
    document = road.by_logstash["a1b2c3d4e5f6a7b8c9d0-1"]
    assert document["@timestamp"] == "2026-11-21T10:11:12.123456Z"
    assert document["event"]["ingested"] == NOW


def test_refused_records_are_dead_letters(road: Road) -> None:
    """U34, U47: what is refused arrives whole on the dead-letter topic, in the form that shipper reads."""
    wanted = [(case.expected["refused"]["reason"], case.value) for case in REFUSED]
    wanted += [("mapping", case.value) for case in road.unmapped]
    found = [(letter.reason, _sent_as(letter.payload)) for letter in road.letters]
    assert sorted(found) == sorted(wanted * 2)
    assert {letter.hop for letter in road.letters} == {"logstash"}
    [host, _] = [letter for letter in road.letters if letter.event_id == HOST_IS_A_TEXT]
    assert (host.reason, host.dataset) == ("mapping", "ml.app")
    assert "host" in host.detail


def test_repeated_records_are_no_news(road: Road) -> None:
    """A record that is there already is as it should be: not one line in the log."""
    assert "Failed action" not in road.log
    assert "version_conflict" not in road.log


def test_offsets_are_committed(road: Road) -> None:
    """After an orderly stop nothing of the topic is left to read."""
    assert road.lag == 0


@pytest.mark.timeout(2 * (KILLS + 1) * START_S)
def test_nothing_is_lost_when_logstash_is_killed(stack: RunningStack, tmp_path: Path) -> None:
    """Killed again and again while records flow: what stood in its queue is stored by the next one, what it had not
    taken yet is taken then, and in the end each record is found once."""
    logstash_home()
    sent, left = 0, []
    with ground(stack) as ends:
        for _ in range(KILLS):
            ends.produce([_plain_message(ends, number) for number in range(sent, sent + PER_LIFE)])
            sent += PER_LIFE
            before = ends.stored()
            with running(tmp_path, ends.variables) as process:
                wait_until(lambda before=before: ends.stored() > before)  # type: ignore[misc]
                process.kill()
                process.wait()
            left.append(sent - ends.stored())
        with running(tmp_path, ends.variables):
            wait_until(lambda: ends.stored() >= sent, lambda: f"{ends.stored()} of {sent}")
        assert min(left) > 0, f"one was killed too late to prove anything: {left}"
        assert (ends.stored(), ends.dead_letters()) == (sent, 0)
    print(f"{KILLS} kills with {left} records not stored yet; {sent} of {sent} stored once")


def _plain_message(ends: Ground, number: int) -> Message:
    document = {
        "@timestamp": "2026-11-21T10:11:12.123456Z",
        "event": {"id": f"{ends.namespace}-{number}", "dataset": "ml.app"},
        "log": {"level": "info"},
        "message": "m",
    }
    return Message(ends.kafka.topic, b"key", orjson.dumps(document))


def test_a_huge_record_is_a_dead_letter_like_others(stack: RunningStack, tmp_path: Path) -> None:
    """U34, U38: a record that was small when compressed and has thirty megabytes is set aside with its beginning,
    its length and its digest; those behind it are stored."""
    from confluent_kafka import Producer as Client  # kafka-python refuses to send it

    logstash_home()
    with ground(stack) as ends:
        client = Client(
            {
                "bootstrap.servers": stack.kafka_bootstrap,
                "compression.type": "gzip",
                "message.max.bytes": 300_000_000,
            }
        )
        huge = b'{"@timestamp":"2026-11-21T10:11:12.123456Z","event":{"id":"huge"},"a":"' + b"a" * 30_000_000
        client.produce(ends.kafka.topic, huge, headers=[POISON])
        assert client.flush(60) == 0
        ends.produce([_plain_message(ends, number) for number in range(10)])
        with running(tmp_path, ends.variables):
            wait_until(lambda: ends.stored() == 10 and ends.dead_letters() == 1)
        [letter] = _letters(ends, 1)
    assert (letter.reason, letter.event_id, letter.is_cut) == ("too_large", "huge", True)
    assert (letter.size_bytes, letter.digest) == (len(huge), hashlib.sha256(huge).hexdigest())
    assert huge.startswith(letter.payload)
