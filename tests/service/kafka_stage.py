"""One topic, one dead-letter topic and one namespace that no other test uses, on the real servers."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson

from shipper.assets import asset
from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings, IndexSettings, KafkaSettings
from shipper.datasets import alert_index, dead_letter_index, index_name
from shipper.elastic.client import ElasticClient, connect
from shipper.index.assemble import open_indexer
from shipper.index.erasures import erasure_index
from shipper.index.indexer import Indexer
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import Consumer
from shipper.kafka.dead_letters import DeadLetter, decode, topic_config
from shipper.kafka.producer import Acknowledged, Message, Producer
from shipper.record import new_producer_id
from tests.service.running_stack import RunningStack


class KafkaStage:
    """What a test of the indexer needs around it."""

    def __init__(self, stack: RunningStack, client: ElasticClient) -> None:
        unique = uuid.uuid4().hex[:12]
        self.stack = stack
        self.client = client
        self.namespace = f"t{unique}"
        self.producer_id = new_producer_id()
        self.kafka = KafkaSettings(
            bootstrap_servers=stack.kafka_bootstrap,
            topic=f"logs-{unique}",
            dead_letter_topic=f"dead-{unique}",
        )
        self.index_settings = IndexSettings(group=f"group-{unique}", session_timeout_s=6)
        self.elasticsearch = ElasticsearchSettings(url=stack.elasticsearch_url)
        self.reports: list[str] = []
        self.sequence = 0
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which a command works on this stage."""
        return {
            **os.environ,
            **self.stack.environment,
            "SHIPPER_HEALTH_HEARTBEAT_S": "0",  # stored ones would be counted with what a test has sent
            "SHIPPER_NAMESPACE": self.namespace,
            "SHIPPER_KAFKA_TOPIC": self.kafka.topic,
            "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": self.kafka.dead_letter_topic,
            "SHIPPER_INDEX_GROUP": self.index_settings.group,
            "SHIPPER_INDEX_SESSION_TIMEOUT_S": str(self.index_settings.session_timeout_s),
        }

    def make_topics(self, partitions: int = 1) -> None:
        """Make both topics."""
        with Admin(self.kafka) as admin:
            admin.ensure_topic(self.kafka.topic, partitions=partitions)
            admin.ensure_topic(self.kafka.dead_letter_topic, config=topic_config(self.kafka))

    def remove(self) -> None:
        """Leave nothing behind."""
        for process in self.processes:
            process.kill()
            if process.stdout is not None and not process.stdout.closed:
                process.communicate()
        with Admin(self.kafka) as admin:
            admin.delete_topic(self.kafka.topic)
            admin.delete_topic(self.kafka.dead_letter_topic)
        for name in self.client.indices(f"logs-*-{self.namespace}-*"):
            self.client.delete_index(name)

    def value(self, **changes: Any) -> tuple[str, bytes]:
        """Return id and canonical value of the next event of this stage's producer."""
        self.sequence += 1
        event_id = f"{self.producer_id}-{self.sequence}"
        document: dict[str, Any] = {
            "@timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "event": {"id": event_id, "sequence": self.sequence, "dataset": "ml.app"},
            "message": f"number {self.sequence}",
            "log": {"level": "info"},
            "agent": {"ephemeral_id": self.producer_id},
            "data_stream": {"namespace": self.namespace},
        }
        return event_id, orjson.dumps(document | changes)

    def send(self, values: Sequence[tuple[str, bytes]]) -> None:
        """Put values on the topic and wait for the acknowledgement of each."""
        producer = Producer(self.kafka)
        try:
            messages = [
                Message(self.kafka.topic, self.producer_id.encode(), value, [("event.id", event_id.encode())])
                for event_id, value in values
            ]
            outcomes = producer.send(messages)
        finally:
            producer.close(5.0)
        assert all(isinstance(outcome, Acknowledged) for outcome in outcomes), outcomes

    @contextmanager
    def indexer(self, **settings: Any) -> Iterator[Indexer]:
        """Yield an indexer of this stage."""
        with open_indexer(
            self.kafka,
            self.elasticsearch,
            self.index_settings.model_copy(update=settings),
            self.namespace,
            clock=SystemClock(),
            report=self.reports.append,
        ) as indexer:
            yield indexer

    def run_index(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `shipper index` as a process of its own."""
        return self.start("index", *arguments)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command on this stage."""
        process = subprocess.Popen(
            [sys.executable, "-m", "shipper", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def command(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on this stage to its end."""
        return subprocess.run(
            [sys.executable, "-m", "shipper", *arguments],
            env={**self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def stored_ids(self) -> list[str]:
        """Return the ids of all records of this stage, doubles included."""
        from shipper.index.search import read_all
        from shipper.index.tombstones import NOT_ERASED

        pattern = f"logs-ml.*-{self.namespace}-*"
        self.client.refresh(pattern)
        hits = read_all(
            self.client, pattern, NOT_ERASED, sort=[{"event.sequence": "asc"}], _source=["event.id"]
        )
        return [hit["_source"]["event"]["id"] for hit in hits]

    def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters of this stage, oldest first."""
        with Admin(self.kafka) as admin:
            expected = sum(admin.end_offsets(self.kafka.dead_letter_topic).values())
        consumer = Consumer(self.kafka, [self.kafka.dead_letter_topic], f"read-{uuid.uuid4().hex}")
        letters: list[DeadLetter] = []
        try:
            while len(letters) < expected:
                for record in consumer.poll(0.5):
                    letter = decode(record.value or b"")
                    assert letter is not None
                    letters.append(letter)
        finally:
            consumer.close()
        return letters

    def today(self, dataset: str = "ml.app") -> str:
        """Return the index of today."""
        return index_name(dataset, self.namespace, SystemClock().now_us())


@contextmanager
def open_stage(stack: RunningStack, *, has_topics: bool = True) -> Iterator[KafkaStage]:
    """Topics and a namespace of one's own, with the templates as packaged; nothing of it is left behind.

    Args:
        has_topics: make them; else only their names are given.
    """
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, packaged_templates(asset("es_templates")))
        stage = KafkaStage(stack, client)
        try:
            if has_topics:
                stage.make_topics()
            yield stage
        finally:
            stage.remove()
            for index in (alert_index, dead_letter_index, erasure_index):
                client.delete_index(index(stage.namespace))
            client.delete_index(f"shipper-state-{stage.namespace}")
