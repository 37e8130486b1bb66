"""Kafka as a destination: records to the topic, refusals to the dead-letter topic.

The client is loaded and connected by the shipping thread at its first batch, never by the application's threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shipper.clock import Clock
from shipper.config import KafkaSettings
from shipper.datasets import index_name
from shipper.errors import ShipperError
from shipper.loading import LOADING
from shipper.record import Record, RecordBatch
from shipper.ship.dead_letter import Refusal
from shipper.ship.sink import ACCEPTED, Answers, Delivery

if TYPE_CHECKING:
    from shipper.kafka.dead_letters import DeadLetter, DeadLetterTopic
    from shipper.kafka.producer import Outcome, Producer


def destination_name(settings: KafkaSettings) -> str:
    """Return the name of where these settings send records; equal names mean the same place."""
    servers = ",".join(sorted(server.strip() for server in settings.bootstrap_servers.split(",")))
    return f"kafka:{servers}/{settings.topic}"


class _Connections:
    """Both connections of a process, opened when they are first needed."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._letters: DeadLetterTopic | None = None

    def producer(self) -> Producer:
        if self._producer is None:
            with LOADING:
                from shipper.kafka.producer import Producer  # noqa: PLC0415  # see the module's docstring

            self._producer = Producer(self._settings)
        return self._producer

    def letters(self) -> DeadLetterTopic:
        if self._letters is None:
            with LOADING:
                from shipper.kafka.dead_letters import DeadLetterTopic  # noqa: PLC0415  # likewise

            self._letters = DeadLetterTopic(self._settings)
        return self._letters

    def take_open(self) -> list[Producer | DeadLetterTopic]:
        taken = [connection for connection in (self._producer, self._letters) if connection is not None]
        self._producer = self._letters = None
        return taken


class KafkaSink:
    """A `Sink` and `DeadLetters` over Kafka; for one thread.

    Args:
        namespace: part of the index name that each record carries in its headers.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        namespace: str,
        clock: Clock,
        *,
        connections: _Connections | None = None,
    ) -> None:
        self._settings = settings
        self._namespace = namespace
        self._clock = clock
        self._connections = connections or _Connections(settings)

    def for_namespace(self, namespace: str) -> KafkaSink:
        """Return a sink for records of another namespace over the same connections."""
        return KafkaSink(self._settings, namespace, self._clock, connections=self._connections)

    def begin(self, batch: Sequence[Record]) -> Answers:
        """Begin to send the batch. Never raises; this and the answers block at most about three request timeouts."""
        producer, topic = self._connections.producer(), self._settings.topic
        begun = [
            (len(records), producer.begin_records(topic, records, self._namespace))
            for records in ([batch] if isinstance(batch, RecordBatch) else RecordBatch.of(batch))
        ]

        def answers() -> list[Delivery]:
            deliveries: list[Delivery] = []
            for count, failures in begun:
                start = len(deliveries)
                deliveries += [ACCEPTED] * count
                for place, error in failures().items():
                    deliveries[start + place] = Delivery(error)
            return deliveries

        return answers

    def send(self, batch: Sequence[Record]) -> Sequence[Delivery]:
        """Send the batch and wait for its answers."""
        return self.begin(batch)()

    def write(self, refusals: Sequence[Refusal]) -> list[Delivery]:
        """Write refusals to the dead-letter topic. Never raises; blocks as `send` does."""
        outcomes = self._connections.letters().write([self._letter(refusal) for refusal in refusals])
        return [_delivery(outcome) for outcome in outcomes]

    def close(self, timeout_s: float) -> None:
        """Let go of the connections within about `timeout_s` seconds, both together."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        for connection in self._connections.take_open():
            connection.close(max(0.0, deadline_s - self._clock.monotonic_s()))

    def abandon_in_child(self) -> None:
        """In a forked child: forget the parent's connections."""
        for connection in self._connections.take_open():
            connection.abandon_in_child()

    def _index(self, record: Record) -> str | None:
        try:
            return index_name(record.dataset, self._namespace, record.timestamp_us)
        except (ValueError, OverflowError, OSError):
            return None

    def _letter(self, refusal: Refusal) -> DeadLetter:
        with LOADING:
            from shipper.kafka.dead_letters import DeadLetter  # noqa: PLC0415  # likewise

        record = refusal.record
        return DeadLetter(
            refusal.reason,
            str(refusal.error),
            "ship",
            self._clock.now_us(),
            refusal.position,
            record.event_id,
            record.dataset,
            self._index(record) or "",
            record.payload,
        )


def _delivery(outcome: Outcome) -> Delivery:
    return Delivery(outcome) if isinstance(outcome, ShipperError) else ACCEPTED
