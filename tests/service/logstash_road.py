"""Topics, a namespace and a Logstash between them: what the tests of the production road share."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from shipper.assets import asset
from shipper.config import ElasticsearchSettings, KafkaSettings
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import BrokerUnavailable
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from shipper.kafka.producer import Acknowledged, Message, Producer
from tests.golden.cases import MAX_BYTES, NOW
from tests.service.elastic_front import elastic_front
from tests.service.logstash_process import START_S
from tests.service.running_stack import RunningStack

GROUP = "shipper-logstash"


@dataclass(frozen=True, slots=True)
class Ground:
    """Both ends of the road, of one test alone.

    Attributes:
        namespace: where Logstash stores; `other_namespace` is for our own indexer.
        front: address of Elasticsearch for Logstash.
    """

    kafka: KafkaSettings
    admin: Admin
    client: ElasticClient
    namespace: str
    other_namespace: str
    front: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a Logstash on this ground."""
        return {
            "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SHIPPER_KAFKA_TOPIC": self.kafka.topic,
            "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": self.kafka.dead_letter_topic,
            "SHIPPER_LOGSTASH_GROUP": GROUP,
            "SHIPPER_ELASTICSEARCH_URL": self.front,
            "SHIPPER_NAMESPACE": self.namespace,
            "SHIPPER_LOGSTASH_NOW": NOW,
            "SHIPPER_KAFKA_MAX_RECORD_BYTES": str(MAX_BYTES),
        }

    def produce(self, messages: Sequence[Message]) -> None:
        """Send messages, each acknowledged."""
        producer = Producer(self.kafka)
        try:
            outcomes = producer.send(messages)
        finally:
            producer.close(10)
        assert all(isinstance(outcome, Acknowledged) for outcome in outcomes)

    def lag(self) -> int | None:
        """Records that Logstash's group has not committed; None while Kafka does not know the group."""
        try:
            return self.admin.lag(GROUP, self.kafka.topic)
        except BrokerUnavailable:
            return None

    def dead_letters(self) -> int:
        """How many records are on the dead-letter topic."""
        return sum(self.admin.end_offsets(self.kafka.dead_letter_topic).values())

    def stored(self) -> int:
        """How many documents Logstash has stored."""
        pattern = f"logs-ml.*-{self.namespace}-*"
        self.client.refresh(pattern)
        return self.client.count(pattern)


@contextmanager
def ground(stack: RunningStack) -> Iterator[Ground]:
    """Make topics and templates; remove topics and indices at the end."""
    run = uuid.uuid4().hex[:8]
    kafka = KafkaSettings(
        bootstrap_servers=stack.kafka_bootstrap, topic=f"ml-logs-{run}", dead_letter_topic=f"dead-{run}"
    )
    with ExitStack() as cleanup:
        client = cleanup.enter_context(connect(ElasticsearchSettings(url=stack.elasticsearch_url)))
        install(client, packaged_templates(asset("es_templates")))
        admin = cleanup.enter_context(Admin(kafka))
        for topic in (kafka.topic, kafka.dead_letter_topic):
            admin.ensure_topic(topic, partitions=1, replication_factor=1, config={})
            cleanup.callback(admin.delete_topic, topic)
        for namespace in (f"ls{run}", f"ix{run}"):
            cleanup.callback(_delete, client, namespace)
        front = cleanup.enter_context(elastic_front(stack.elasticsearch_url))
        yield Ground(kafka, admin, client, f"ls{run}", f"ix{run}", front)


def _delete(client: ElasticClient, namespace: str) -> None:
    for index in client.indices(f"logs-ml.*-{namespace}-*"):
        client.delete_index(index)


def wait_until(condition: Callable[[], bool], state: Callable[[], str] = str) -> None:
    """Wait for a condition, as long as a busy machine may need; `state` says how far it is."""
    deadline = time.monotonic() + 2 * START_S
    while not condition():
        assert time.monotonic() < deadline, f"Logstash did not get there in time {state()}"
        time.sleep(0.5)
