"""The access rules of docs/how-to/secure-kafka.md on a real broker with an authorizer, TLS and SASL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from shipper.assets import asset
from shipper.cli.main import app
from shipper.config import ElasticsearchSettings, KafkaSettings
from shipper.datasets import dead_letter_index
from shipper.elastic.client import connect
from shipper.errors import ShipperError, TransportError
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import Consumer
from shipper.kafka.producer import Acknowledged, Message, Producer
from tests.service.guarded_kafka import LETTERS, PARTIES, TOPIC, GuardedKafka, guarded_kafka
from tests.service.kafka_stage import KafkaStage
from tests.service.running_stack import RunningStack
from tests.service.secure_kafka import PASSWORD

_LIMIT_S: Final = 180


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedKafka]:
    """A broker with the rules of the page."""
    with guarded_kafka(tmp_path_factory.mktemp("guarded")) as server:
        yield server


def may_write(kafka: KafkaSettings, topic: str) -> bool:
    """Try to write; return whether it was stored."""
    producer = Producer(kafka)
    try:
        (outcome,) = producer.send([Message(topic, b"k", b"not json")])
    finally:
        producer.close(2.0)
    return isinstance(outcome, Acknowledged)


def may_read(kafka: KafkaSettings, topic: str, group: str) -> bool:
    """Try to read as a member of a group; return whether that was allowed."""
    try:
        with closing(Consumer(kafka, [topic], group)) as consumer:
            for _ in range(20):
                consumer.poll(0.5)
                if consumer.remaining() is not None:
                    return True
    except TransportError:
        return False
    return False


@pytest.mark.service
@pytest.mark.timeout(_LIMIT_S, func_only=True)
@pytest.mark.parametrize(
    ("party", "writes", "reads", "group"),
    [
        ("app", {TOPIC, LETTERS}, set(), "shipper-index"),
        ("indexer", {LETTERS}, {TOPIC, LETTERS}, "shipper-index"),
        ("logstash", {LETTERS}, {TOPIC}, "shipper-logstash"),
        ("stranger", set(), set(), "shipper-index"),
    ],
)
def test_each_party_has_its_topics(
    broker: GuardedKafka, party: str, writes: set[str], reads: set[str], group: str
) -> None:
    """An application writes its two topics and reads none; who indexes reads; nobody touches another's; strangers nothing."""
    kafka = broker.as_party(party)
    topics = (TOPIC, LETTERS, "payroll")
    assert {topic for topic in topics if may_write(kafka, topic)} == writes
    assert {topic for topic in topics if may_read(kafka, topic, group)} == reads


@pytest.mark.service
@pytest.mark.timeout(_LIMIT_S, func_only=True)
def test_who_may_not_administrate(broker: GuardedKafka) -> None:
    """No party but the operator makes topics or deletes records, and the operator only those of the two topics."""
    for party in PARTIES:
        with Admin(broker.as_party(party)) as admin:
            with pytest.raises(ShipperError):
                admin.ensure_topic(f"made-by-{party}")
            with pytest.raises(ShipperError):
                admin.delete_records(TOPIC, {0: 0})
            if party != "operator":
                with pytest.raises(ShipperError):
                    admin.delete_records(LETTERS, {0: 0})


@pytest.mark.service
@pytest.mark.timeout(_LIMIT_S, func_only=True)
def test_the_commands_work_with_these_rules(broker: GuardedKafka, stack: RunningStack) -> None:
    """Index by the indexer; replay, purge, erase and reconcile by the operator: over TLS, with these rules alone."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, packaged_templates(asset("es_templates")))
        stage = KafkaStage(stack, client)
        stage.kafka = broker.as_party("app")
        try:
            stage.send([stage.value(), stage.value(host="scalar")])
            counts = run(broker, stage, "indexer", "index", "--once", "--json", "-q")
            assert counts["indexed"] == 1
            assert counts["dead_lettered"]["mapping"] == 1
            ids = ["--id", f"{stage.producer_id}-2"]
            assert run(broker, stage, "operator", "dlq", "replay", *ids, "--json") == {"replayed": 1}
            purged = run(broker, stage, "operator", "dlq", "purge", *ids, "--topic", "--yes", "--json")
            assert purged["purged"] == 1
            erasing = [
                "erase",
                "--pseudonym",
                f"pseudonym:k:{stage.producer_id.zfill(32)[:32]}",
                "--yes",
                "--json",
            ]
            assert run(broker, stage, "operator", *erasing)["whole"]
            refused = started(broker, stage, "stranger", "dlq", "replay", "--all")
            assert isinstance(refused.exception, ShipperError)
            assert LETTERS in str(refused.exception)
            assert run(broker, stage, "operator", "reconcile", "--json")["totals"]["missing"] == 0
        finally:
            for name in client.indices(f"logs-*-{stage.namespace}-*"):
                client.delete_index(name)
            client.delete_index(dead_letter_index(stage.namespace))


def run(broker: GuardedKafka, stage: KafkaStage, party: str, *arguments: str) -> Any:
    """Run a command as a party; return what it printed."""
    done = started(broker, stage, party, *arguments)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return json.loads(done.stdout)


def started(broker: GuardedKafka, stage: KafkaStage, party: str, *arguments: str) -> Result:
    """Run a command as a party, in this process."""
    kafka = broker.as_party(party)
    environment = {
        "SHIPPER_ELASTICSEARCH_URL": stage.stack.elasticsearch_url,
        "SHIPPER_NAMESPACE": stage.namespace,
        "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "SHIPPER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "SHIPPER_KAFKA_SASL_MECHANISM": "PLAIN",
        "SHIPPER_KAFKA_SASL_USERNAME": party,
        "SHIPPER_KAFKA_SASL_PASSWORD": PASSWORD,
        "SHIPPER_KAFKA_SSL_CAFILE": str(kafka.ssl_cafile),
    }
    return CliRunner().invoke(app, list(arguments), env=environment)
