"""The production road where every hop asks who one is: TLS and SASL in Kafka, TLS and users in Elasticsearch."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shipper.assets import asset
from shipper.cli.main import app
from shipper.elastic.client import ElasticClient
from shipper.errors import TransportError
from shipper.kafka.admin import Admin
from shipper.kafka.producer import Acknowledged, Message, Producer
from shipper.schema.roles import load_roles, roles_yaml
from tests.golden.cases import NOW
from tests.service.elastic_front import elastic_front
from tests.service.guarded_kafka import LETTERS, TOPIC, GuardedKafka, guarded_kafka
from tests.service.logstash_process import START_S, keep_secrets, logstash_home, running
from tests.service.logstash_road import wait_until
from tests.service.running_stack import RunningStack
from tests.service.secure_elasticsearch import PASSWORD, SecureElasticsearch, secure_elasticsearch
from tests.service.secure_kafka import PASSWORD as KAFKA_PASSWORD

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(4 * START_S)]

_COUNT = 500
_HOST_IS_A_TEXT = {"host": "x"}


@dataclass(frozen=True, slots=True)
class Guarded:
    """Servers that let in only whom they know.

    Attributes:
        front: address of Elasticsearch for Logstash.
        admin: may do everything.
    """

    kafka: GuardedKafka
    store: SecureElasticsearch
    front: str
    admin: ElasticClient

    @property
    def variables(self) -> dict[str, str]:
        """What docs/how-to/logstash.md has one set, the secrets excepted."""
        return {
            "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.kafka.ports['SASLTLS']}",
            "SHIPPER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "SHIPPER_KAFKA_SASL_USERNAME": "logstash",
            "SHIPPER_KAFKA_SSL_CAFILE": str(self.kafka.path("ca.pem")),
            "SHIPPER_ELASTICSEARCH_URL": self.front,
            "SHIPPER_ELASTICSEARCH_USERNAME": "logstash",
            "SHIPPER_ELASTICSEARCH_CA_CERTS": str(self.store.ca),
            "SHIPPER_LOGSTASH_NOW": NOW,
        }

    def stored(self) -> int:
        """How many documents there are."""
        self.admin.refresh("logs-ml.*")
        return self.admin.count("logs-ml.*")

    def letters(self) -> int:
        """How many records are on the dead-letter topic."""
        with Admin(self.kafka.settings("PLAIN")) as admin:
            return sum(admin.end_offsets(LETTERS).values())


@pytest.fixture
def guarded(stack: RunningStack, tmp_path: Path) -> Iterator[Guarded]:
    """Broker with the rules of the page, a server with our roles, templates put there by the operator."""
    del stack  # its software is what is needed
    logstash_home()
    for name in ("kafka", "store"):
        (tmp_path / name).mkdir()
    users = {"logstash": ("shipper_writer",), "operator": ("shipper_operator",)}
    with ExitStack() as ends:
        kafka = ends.enter_context(guarded_kafka(tmp_path / "kafka"))
        roles = roles_yaml(load_roles(asset("schema")))
        store = ends.enter_context(secure_elasticsearch(tmp_path / "store", roles, users))
        done = subprocess.run(
            [sys.executable, "-m", "shipper", "setup", "--no-kafka"],
            env=store.environment("operator"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        front = ends.enter_context(elastic_front(store.url, store.tls))
        yield Guarded(kafka, store, front, ends.enter_context(store.client()))


def _record(number: int, **more: Any) -> Message:
    document = {
        "@timestamp": "2026-11-21T10:11:12.123456Z",
        "event": {"id": f"guarded-{number}", "dataset": "ml.app"},
        "log": {"level": "info"},
        "message": "m",
    }
    return Message(TOPIC, b"key", json.dumps(document | more).encode())


def _send(guarded: Guarded) -> None:
    """Put good records onto the topic, one that Logstash refuses and one that Elasticsearch does."""
    producer = Producer(guarded.kafka.as_party("app"))
    try:
        sent = [_record(number) for number in range(_COUNT)]
        refused = [Message(TOPIC, b"key", b"no json"), _record(_COUNT, **_HOST_IS_A_TEXT)]
        assert all(isinstance(one, Acknowledged) for one in producer.send([*sent, *refused]))
    finally:
        producer.close(10.0)


def _run(guarded: Guarded, folder: Path, variables: Mapping[str, str], secrets: Mapping[str, str]) -> str:
    """Run Logstash until all is stored or set aside; return its log."""
    folder.mkdir()
    keep_secrets(folder, secrets)
    log = folder / "logstash.out"
    with running(folder, variables) as process:

        def is_done() -> bool:
            assert process.poll() is None, log.read_text("utf-8")[-4000:]
            return (guarded.stored(), guarded.letters()) == (_COUNT, 2)

        wait_until(
            is_done, lambda: f"{guarded.stored()} {guarded.letters()} {log.read_text('utf-8')[-3000:]}"
        )
    return log.read_text("utf-8")


def test_every_hop_asks_who_one_is(guarded: Guarded, tmp_path: Path) -> None:
    """Logstash, known to Kafka by SCRAM and to Elasticsearch as the writer, both over TLS, with the rights of the pages
    and no more, its passwords from its keystore: stores what is good, sets aside what it or the server refuses."""
    _send(guarded)
    secrets = {"SHIPPER_KAFKA_SASL_PASSWORD": KAFKA_PASSWORD, "SHIPPER_ELASTICSEARCH_PASSWORD": PASSWORD}
    said = _run(guarded, tmp_path / "logstash", guarded.variables, secrets)
    assert not [name for name, secret in secrets.items() if secret in said]


def test_a_certificate_says_who_one_is(guarded: Guarded, tmp_path: Path) -> None:
    """Mutual TLS: with the pipelines that the page has one write, Logstash proves itself to Kafka by its certificate, on a
    listener that takes nobody without one, has the rights of its name in it and no password."""
    _send(guarded)
    with (
        pytest.raises(TransportError),
        Admin(guarded.kafka.settings("MUTUAL", ssl_cafile=guarded.kafka.path("ca.pem"))) as admin,
    ):
        admin.topics()
    written = CliRunner().invoke(app, ["logstash", "export", str(tmp_path / "export"), "--mutual-tls"])
    assert written.exit_code == 0, written.output
    variables = {
        name: value for name, value in guarded.variables.items() if name != "SHIPPER_KAFKA_SASL_USERNAME"
    } | {
        "SHIPPER_LOGSTASH_PIPELINES": str(tmp_path / "export" / "pipelines"),
        "SHIPPER_LOGSTASH_KAFKA_CERTIFICATE": str(guarded.kafka.path("logstash-both.pem")),
        "SHIPPER_KAFKA_SECURITY_PROTOCOL": "SSL",
        "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{guarded.kafka.ports['MUTUAL']}",
    }
    _run(guarded, tmp_path / "logstash", variables, {"SHIPPER_ELASTICSEARCH_PASSWORD": PASSWORD})
