"""An indexer on the real servers, from settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from random import Random

from shipper.assets import asset
from shipper.clock import Clock
from shipper.config import ElasticsearchSettings, IndexSettings, KafkaSettings
from shipper.elastic.bulk import connect_bulk
from shipper.elastic.client import connect
from shipper.errors import ShipperError, TopicMissing
from shipper.index.document import Limits, Refusal
from shipper.index.erasures import ErasureWatch
from shipper.index.flight import Senders
from shipper.index.indexer import Indexer
from shipper.index.settle import IndexPolicy
from shipper.index.stream import KafkaRecord
from shipper.index.templates import packaged_templates, require_installed
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import Consumer
from shipper.kafka.dead_letters import DeadLetter, DeadLetterTopic

_CLOSE_TIMEOUT_S = 5.0


class TopicDeadLetters:
    """Dead letters of the hop `index`, on the dead-letter topic."""

    def __init__(self, topic: DeadLetterTopic, clock: Clock) -> None:
        self._topic = topic
        self._clock = clock

    def write(self, refused: Sequence[tuple[KafkaRecord, Refusal]]) -> list[ShipperError | None]:
        """Store the whole records with their reasons; None for each that is acknowledged."""
        now_us = self._clock.now_us()
        letters = [
            DeadLetter(
                reason=refusal.reason,
                detail=refusal.detail,
                hop="index",
                at_us=now_us,
                position=f"{record.topic}/{record.partition}@{record.offset}",
                event_id=refusal.event_id,
                dataset=refusal.dataset,
                index=refusal.index,
                payload=record.value or b"",
            )
            for record, refusal in refused
        ]
        return [
            outcome if isinstance(outcome, ShipperError) else None for outcome in self._topic.write(letters)
        ]


@contextmanager
def open_indexer(
    kafka: KafkaSettings,
    elasticsearch: ElasticsearchSettings,
    index: IndexSettings,
    namespace: str,
    *,
    clock: Clock,
    report: Callable[[str], None],
) -> Iterator[Indexer]:
    """Yield an indexer whose connections are closed at the end.

    Args:
        namespace: for documents that do not name one.
        report: takes one sentence for a person.

    Raises:
        TransportError: Kafka does not answer, or a topic does not exist. (Elasticsearch is waited for.)
    """
    _require_topics(kafka)
    templates = packaged_templates(asset("es_templates"))
    with ExitStack() as open_things:
        client = open_things.enter_context(connect(elasticsearch))
        letters = DeadLetterTopic(kafka, client_id="shipper-index-dead-letters")
        open_things.callback(letters.close, _CLOSE_TIMEOUT_S)
        consumer = Consumer(
            kafka,
            [kafka.topic],
            index.group,
            max_records=index.batch_max_records,
            client_id="shipper-index",
            session_timeout_s=index.session_timeout_s,
        )
        open_things.callback(consumer.close, _CLOSE_TIMEOUT_S)
        bulk = open_things.enter_context(connect_bulk(elasticsearch))
        senders = Senders(bulk, index.requests_at_once)
        open_things.callback(senders.close)
        yield Indexer(
            consumer,
            senders,
            TopicDeadLetters(letters, clock),
            IndexPolicy(
                namespace=namespace,
                batch_max_bytes=index.batch_max_bytes,
                requests_at_once=index.requests_at_once,
                limits=limits_of(index, kafka),
            ),
            clock=clock,
            random=Random(),  # noqa: S311  # spreads pauses, guards nothing
            report=report,
            ready=lambda: require_installed(client, templates),
            erased=ErasureWatch(client, clock).erased,
        )


def limits_of(index: IndexSettings, kafka: KafkaSettings) -> Limits:
    """Return what an indexer takes by these settings."""
    return Limits(index.past_limit_days * 86_400, index.future_limit_s, kafka.max_record_bytes)


def _require_topics(kafka: KafkaSettings) -> None:
    """A consumer of a topic that is not there would wait in silence; refused records need their topic too."""
    with Admin(kafka) as admin:
        existing = admin.topics()
    for topic in (kafka.topic, kafka.dead_letter_topic):
        if topic not in existing:
            raise TopicMissing(topic)
