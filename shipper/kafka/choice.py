"""Which client library speaks to the brokers.

`auto` takes the faster one of those that are installed, for each job by itself: confluent-kafka for reading, and
for writing kafka-python with record batches of our own making (`wire.py`), which costs half of what
confluent-kafka's calls cost per record. The figures: docs/decisions/0013-transports.md, `benchmarks/ship.py`.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from shipper.config import KafkaSettings
from shipper.errors import ConfigurationError

Client = Literal["kafka-python", "confluent-kafka"]


def is_confluent_installed() -> bool:
    """Return whether the extra `[fast]` is there."""
    return find_spec("confluent_kafka") is not None


def reading_client(settings: KafkaSettings) -> Client:
    """Return the client that consumes. Raises ConfigurationError if the one asked for is not installed."""
    if settings.client == "auto":
        return "confluent-kafka" if is_confluent_installed() else "kafka-python"
    return _installed(settings.client)


def writing_client(settings: KafkaSettings) -> Client:
    """Return the client that produces. Raises ConfigurationError if the one asked for is not installed."""
    return "kafka-python" if settings.client == "auto" else _installed(settings.client)


def _installed(client: Client) -> Client:
    if client == "confluent-kafka" and not is_confluent_installed():
        raise ConfigurationError(
            "kafka.client is confluent-kafka, which is not installed: pip install 'shipper[fast]'"
        )
    return client
