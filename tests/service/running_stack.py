"""The real servers that the service tests talk to, and how those tests may disturb them."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pytest

from shipper.stack import EmbeddedStack

ServerName = Literal["kafka", "elasticsearch"]

_PORTS = random.Random(os.getpid())
"""One sequence per process: ports handed out but not yet in use are not handed out again."""


@dataclass(frozen=True, slots=True)
class RunningStack:
    """A running Kafka and Elasticsearch.

    Tests share it: use topic names, consumer groups and a namespace of your own (a uuid), and leave the
    servers up. `control` is None where the servers were started by somebody else; tests that need to
    restart one are skipped then.
    """

    kafka_bootstrap: str
    elasticsearch_url: str
    control: EmbeddedStack | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables with which a command of shipper finds these servers."""
        return {
            "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap,
            "SHIPPER_ELASTICSEARCH_URL": self.elasticsearch_url,
        }

    def restart_kafka(self, *, kill: bool = False) -> None:
        """Stop Kafka (by SIGKILL if `kill`), start it, wait until it answers."""
        self._controlled().restart_kafka(kill)

    def restart_elasticsearch(self, *, kill: bool = False) -> None:
        """Stop Elasticsearch (by SIGKILL if `kill`), start it, wait until it answers."""
        self._controlled().restart_elasticsearch(kill)

    def stop_server(self, server: ServerName, *, kill: bool = False) -> None:
        """Stop one server; the test starts it again in a `finally`."""
        self._controlled().stop_server(server, kill=kill)

    def start_server(self, server: ServerName) -> None:
        """Start one server again and wait until it answers."""
        self._controlled().start_server(server)

    def _controlled(self) -> EmbeddedStack:
        if self.control is None:
            pytest.skip("needs SHIPPER_TEST_STACK_DIR, the folder of the running stack, to restart a server")
        return self.control


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens now, below the range that outgoing connections take theirs from."""
    ports: list[int] = []
    while len(ports) < count:
        port = _PORTS.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports
