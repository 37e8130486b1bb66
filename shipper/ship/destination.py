"""Where a process sends its records, by its settings: Kafka, standard output, a file."""

from __future__ import annotations

from shipper.clock import Clock
from shipper.config import KafkaSettings, ShipSettings
from shipper.kafka.choice import writing_client
from shipper.ship import kafka_sink
from shipper.ship.kafka_sink import KafkaSink
from shipper.ship.line_sink import LineSink


def destination_name(ship: ShipSettings, kafka: KafkaSettings) -> str:
    """Return the name of where these settings send records; equal names mean the same place."""
    if ship.to == "kafka":
        return kafka_sink.destination_name(kafka)
    return "stdout:" if ship.to == "stdout" else f"file:{ship.file.absolute() if ship.file else ''}"


def open_sink(ship: ShipSettings, kafka: KafkaSettings, namespace: str, clock: Clock) -> KafkaSink | LineSink:
    """Return the sink; nothing is connected or opened yet.

    Raises:
        ConfigurationError: the client library asked for is not installed.
    """
    if ship.to == "kafka":
        writing_client(kafka)  # asked now, not by the shipping thread, who could tell nobody
        return KafkaSink(kafka, namespace, clock)
    path = ship.file if ship.to == "file" else None
    return LineSink(path, clock, fsync=ship.file_fsync)
