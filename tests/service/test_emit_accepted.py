"""What the encoder makes is accepted by the real Elasticsearch, whatever callers give; and by the real Kafka."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shipper.testing
from shipper.assets import asset
from shipper.config import ElasticsearchSettings, KafkaSettings
from shipper.ecs.constants import Constants
from shipper.ecs.document import Tree
from shipper.ecs.encode import Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.fields import FIELDS
from shipper.ecs.limits import Limits
from shipper.elastic.client import ElasticClient, connect
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import ConsumedRecord, Consumer
from tests.property.ecs_strategies import EVENTS, HostileClass
from tests.service.running_stack import RunningStack

NOW_US = 1_795_258_800_000_000

OPEN = tuple(f"{name}." for name, spec in FIELDS.items() if spec.type in {"doubles", "keywords"})


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running Elasticsearch with our templates."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, packaged_templates(asset("es_templates")))
        yield client


class Namespace:
    """Indices of one test; each document is created by its id, as the indexer does."""

    def __init__(self, client: ElasticClient) -> None:
        self.client = client
        self.name = f"emit{uuid.uuid4().hex[:10]}"
        self.count = 0
        identity: dict[str, Tree] = {
            "agent": {"type": "shipper", "ephemeral_id": self.name},
            "process": {"pid": 1},
        }
        self.encoder = Encoder(
            Constants({"service.name": "checkout"}, identity, self.name, Limits()),
            Limits(),
        )

    def store(self, events: list[Event]) -> list[str]:
        """Store documents of all datasets in one index of this namespace each; return what was refused, and why."""
        lines, payloads = [], []
        for event in events:
            self.count += 1
            encoded = self.encoder.encode(event, NOW_US)
            payload = encoded.prefix + stamp(self.name, self.count) + encoded.suffix
            index = f"logs-{encoded.dataset}-{self.name}-2026.11.01"
            lines.append(orjson.dumps({"create": {"_index": index, "_id": f"{self.name}-{self.count}"}}))
            lines.append(payload)
            payloads.append(payload)
        answers = self.client.bulk(b"\n".join(lines) + b"\n")
        return [
            f"{answer.status} {answer.error_type} {answer.reason}: {payload.decode()}"
            for answer, payload in zip(answers, payloads, strict=True)
            if answer.status != 201
        ]


@pytest.fixture
def namespace(client: ElasticClient) -> Iterator[Namespace]:
    """A namespace of one's own, deleted at the end."""
    found = Namespace(client)
    yield found
    for index in client.indices(f"logs-*-{found.name}-*"):
        client.delete_index(index)


def test_any_document_is_accepted(namespace: Namespace) -> None:
    """U40: each document that hypothesis can think of is stored by the real templates, at the first try."""

    @settings(
        max_examples=25, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )  # fmt: skip
    @given(st.lists(EVENTS, min_size=10, max_size=30))
    def store(events: list[Event]) -> None:
        assert namespace.store(events) == []

    store()
    assert namespace.count > 100


def test_odd_values_at_every_field_are_accepted(namespace: Namespace) -> None:
    """U31: no odd value at any declared field, dotted or nested, is refused, or ignored as malformed."""
    # Few numbers among them: each new name of a number is a change of the mapping, which takes its time.
    odd = [
        "x", "", 5, 1.5, True, None, ["a", 1], [[1]], {}, {"a": {"b": "c"}}, {"": "x"}, {".": "x"},
        {"a.": "x", ".a": "y", "a..b": "z"}, 2**63, float("nan"), "9" * 5_000, object(), HostileClass(),
        "2026-01-01", "::1", {"a\0b": "c\0d"}, {"\ud800": "\udfff"}, {"k" * 500: "x"},
    ]  # fmt: skip
    given: list[dict[object, object]] = []
    for name in FIELDS:
        head, _, tail = name.rpartition(".")
        for value in odd:
            given += [{name: value}, {head or "x": {tail: value}}]
    events = [Event(20, "hello", "app", fields) for fields in given]
    refused = [
        problem
        for start in range(0, len(events), 200)
        for problem in namespace.store(events[start : start + 200])
    ]
    assert refused == []
    namespace.client.refresh(f"logs-*-{namespace.name}-*")
    answer = namespace.client.search(
        f"logs-*-{namespace.name}-*",
        {"size": 0, "aggs": {"ignored": {"terms": {"field": "_ignored", "size": 10_000}}}},
    )
    ignored = {bucket["key"] for bucket in answer["aggregations"]["ignored"]["buckets"]}
    # Only invented names beyond the mapping's cap may be ignored: of these, this test has very many.
    assert {name for name in ignored if not name.startswith(OPEN)} == set()


def test_names_of_many_documents_do_not_meet(namespace: Namespace) -> None:
    """U31: `val` in one document and `val.loss` in another are both stored: invented names never become objects."""
    events = [
        Event(20, "x", "app", {f"{opened}.{name}": value})
        for opened in ("ml.metrics", "ml.features.numeric", "ml.features.categorical", "ml.params", "labels")
        for name, value in (
            ("val", 1),
            ("val.loss", 2),
            ("val", {"loss": 3}),
            ("val.loss.x", 4),
            ("val", "text"),
        )
    ]
    assert namespace.store(events) == []


def test_large_documents_are_accepted(namespace: Namespace) -> None:
    """U33: long keywords, long messages and many names are cut to what is stored and found."""
    fields: dict[object, object] = {f"k{number}": "é" * 40_000 for number in range(300)}
    fields |= {f"ml.metrics.m{number}": number for number in range(300)}
    fields |= {"event.reason": "y" * 40_000, "event.action": "needle"}
    assert namespace.store([Event(20, "m" * 5_000_000, "app", fields)]) == []
    index = f"logs-ml.app-{namespace.name}-2026.11.01"
    namespace.client.refresh(index)
    assert namespace.client.count(index, {"term": {"event.action": "needle"}}) == 1
    assert namespace.client.count(index, {"exists": {"field": "event.reason"}}) == 1


def test_pipeline_delivers_to_kafka(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Records of both roads reach the real Kafka in order, with the headers that the indexer reads."""
    topic = f"emit-{uuid.uuid4().hex[:10]}"
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap, topic=topic)
    with Admin(kafka) as admin:
        admin.ensure_topic(topic)
    pipeline = shipper.configure(
        service="checkout",
        git={"commit": "c" * 40},
        kafka={"bootstrap_servers": stack.kafka_bootstrap, "topic": topic},
        spool={"directory": tmp_path_factory.mktemp("spool")},
        ship={"mode": "thread"},
    )
    log = shipper.get_logger()
    try:
        for number in range(300):
            log.info("hello", number=number)
        assert pipeline.flush(60.0) == 0
        counts = pipeline.counts()
        assert (counts.emitted, counts.delivered, counts.waiting) == (300, 300, 0)
        assert shipper.close(10.0) == 0
        found = take(kafka, topic, 300)
    finally:
        shipper.testing.reset()
    numbers = [orjson.loads(record.value or b"")["numeric_labels"]["number"] for record in found]
    assert numbers == list(range(300))
    assert found[0].headers["event.dataset"] == b"ml.app"


APPLICATION = """
import os, sys
import shipper

log = shipper.get_logger("short")
for number in range(int(sys.argv[1])):
    log.info("record", number=number)
os._exit(0)
"""


def test_a_later_start_ships_what_a_dead_process_left(stack: RunningStack, tmp_path: Path) -> None:
    """U01: a process logs 1,000 records and is gone at once; the next start with the same settings delivers them all."""
    topic = f"emit-{uuid.uuid4().hex[:10]}"
    kafka = KafkaSettings(bootstrap_servers=stack.kafka_bootstrap, topic=topic)
    with Admin(kafka) as admin:
        admin.ensure_topic(topic)
    environment = {
        **os.environ, **stack.environment, "SHIPPER_KAFKA_TOPIC": topic, "SHIPPER_SPOOL_DIRECTORY": str(tmp_path),
        "SHIPPER_GIT_COMMIT": "c" * 40,
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", APPLICATION, "1000"], env=environment, check=True, timeout=60)
    pipeline = shipper.configure(
        service="next",
        git={"commit": "c" * 40},
        kafka={"bootstrap_servers": stack.kafka_bootstrap, "topic": topic},
        spool={"directory": tmp_path},
        ship={"mode": "thread"},
    )
    try:
        shipper.get_logger().info("hello")
        assert pipeline.flush(60.0) == 0
        found = take(kafka, topic, 1_001)
        assert shipper.close(10.0) == 0
    finally:
        shipper.testing.reset()
    documents = [orjson.loads(record.value or b"") for record in found]
    by_id = {document["event"]["id"]: document for document in documents}
    numbers = sorted(
        document["numeric_labels"]["number"] for document in by_id.values() if document["message"] == "record"
    )
    assert numbers == list(range(1_000))
    assert len(by_id) == 1_001


def take(kafka: KafkaSettings, topic: str, count: int) -> list[ConsumedRecord]:
    """Return records from the beginning of a topic until `count` different ones came, or a minute is over."""
    consumer = Consumer(kafka, [topic], f"{topic}-group")
    found: list[ConsumedRecord] = []
    deadline = time.monotonic() + 60
    try:
        while len({record.headers["event.id"] for record in found}) < count and time.monotonic() < deadline:
            found.extend(consumer.poll(1.0))
    finally:
        consumer.close()
    return found
