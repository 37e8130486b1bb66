"""Topics, offsets, lag: what commands ask of Kafka, for a short time each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

from shipper.config import KafkaSettings
from shipper.errors import TopicMissing, TransportError
from shipper.kafka.connection import client_options, open_client
from shipper.kafka.failure import to_transport_error


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is.

    Attributes:
        config: the settings that differ from the brokers' defaults, as text.
    """

    name: str
    partitions: int
    replication_factor: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker of the cluster, as it tells others to reach it."""

    node_id: int
    host: str
    port: int


class Admin:
    """A connection for administration; a context manager. For one thread.

    All methods raise TransportError (retriable while no broker answers).
    """

    def __init__(self, settings: KafkaSettings, *, client_id: str = "shipper-admin") -> None:
        """Connect, for at most `request_timeout_s`. Raises TransportError."""
        self._settings = settings
        self._client: Any = open_client(KafkaAdminClient, settings, client_options(settings, client_id))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection; never raises."""
        with suppress(Exception):
            self._client.close()

    @contextmanager
    def _mapped(self, topic: str = "", group: str = "") -> Iterator[None]:
        try:
            yield
        except TransportError:
            raise
        except Exception as error:
            raise to_transport_error(
                error, bootstrap_servers=self._settings.bootstrap_servers, topic=topic, group=group
            ) from error

    def brokers(self) -> list[Broker]:
        """Return the brokers of the cluster."""
        with self._mapped():
            found = self._client.describe_cluster()["brokers"]
            return [
                Broker(row.get("node_id", row.get("broker_id", -1)), row["host"], row["port"])
                for row in found
            ]

    def topics(self) -> set[str]:
        """Return the names of all topics that we may see."""
        with self._mapped():
            return set(self._client.list_topics())

    def topic_exists(self, name: str) -> bool:
        """Return whether the topic exists."""
        return name in self.topics()

    def ensure_topic(
        self,
        name: str,
        *,
        partitions: int = 1,
        replication_factor: int = 1,
        config: Mapping[str, str] | None = None,
    ) -> bool:
        """Make the topic if it does not exist, and wait until it can be used; an existing one is not changed.

        Returns:
            Whether it was made now.
        """
        if self.topic_exists(name):
            return False
        wanted = {
            name: {
                "num_partitions": partitions,
                "replication_factor": replication_factor,
                "configs": dict(config or {}),
            }
        }
        with self._mapped(name):
            try:
                self._client.create_topics(wanted, wait_for_metadata=True)
            except errors.TopicAlreadyExistsError:  # somebody else was quicker
                return False
        return True

    def delete_topic(self, name: str) -> None:
        """Delete the topic and all its records; one that does not exist is no error."""
        with self._mapped(name), suppress(errors.UnknownTopicOrPartitionError):
            self._client.delete_topics([name])

    def delete_records(self, topic: str, ends: Mapping[int, int]) -> None:
        """Delete the records of each partition in front of an offset, for good. Raises TransportError."""
        wanted = {TopicPartition(topic, partition): end for partition, end in ends.items()}
        if wanted:
            with self._mapped(topic):
                self._client.delete_records(wanted)

    def describe(self, name: str) -> Topic:
        """Return the topic, with all its settings, the broker's defaults included. Raises TopicMissing."""
        partitions = self._partitions(name)
        resource = ConfigResource(ConfigResourceType.TOPIC, name)
        with self._mapped(name):
            answer = self._client.describe_configs([resource], config_filter="all")
            found: dict[str, Any] = next(
                (configs for by_name in answer.values() for configs in by_name.values()), {}
            )
            config = {key: str(entry["value"]) for key, entry in found.items()}
        replication = min((len(row["replica_nodes"]) for row in partitions), default=0)
        return Topic(name, len(partitions), replication, config)

    def _partitions(self, name: str) -> list[dict[str, Any]]:
        with self._mapped(name):
            found: list[dict[str, Any]] = self._client.describe_topics([name])
            if not found or found[0]["error_code"]:
                raise TopicMissing(name)
            partitions: list[dict[str, Any]] = found[0]["partitions"]
            return partitions

    def start_offsets(self, topic: str) -> dict[int, int]:
        """Return the offset of the oldest stored record, per partition. Raises TopicMissing."""
        return self._offsets(topic, OffsetSpec.EARLIEST)

    def end_offsets(self, topic: str) -> dict[int, int]:
        """Return the offset that the next record will get, per partition. Raises TopicMissing."""
        return self._offsets(topic, OffsetSpec.LATEST)

    def _offsets(self, topic: str, spec: Any) -> dict[int, int]:
        wanted = {TopicPartition(topic, row["partition_index"]): spec for row in self._partitions(topic)}
        with self._mapped(topic):
            found = self._client.list_partition_offsets(wanted)
        return {partition.partition: answer.offset for partition, answer in found.items()}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Return the offsets that a group has committed, per partition; partitions without one are left out."""
        with self._mapped(topic, group):
            found = self._client.list_group_offsets(group)
        return {
            partition.partition: answer.offset
            for partition, answer in found.get(group, {}).items()
            if partition.topic == topic and answer.offset >= 0
        }

    def lag(self, group: str, topic: str) -> int:
        """Return how many stored records the group has not committed yet. Raises TopicMissing."""
        committed = self.committed(group, topic)
        starts = self.start_offsets(topic)
        return sum(
            max(0, end - max(committed.get(partition, 0), starts.get(partition, 0)))
            for partition, end in self.end_offsets(topic).items()
        )
