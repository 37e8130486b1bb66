"""The contenders: programs that bring the same records from disk to Kafka, `acks=all`, lz4, the same headers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.shipping.store import PRODUCER, copy_spool

_RSYSLOG: Final = """\
global(workDirectory="{work}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="omkafka")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="{file}" tag="t" freshStartTail="off" readMode="0" ruleset="kafka")
ruleset(name="kafka" queue.type="LinkedList" queue.size="200000" queue.dequeueBatchSize="10000") {{
  action(type="omkafka" broker=["{servers}"] topic="{topic}" template="line" key="{key}"
         confParam=["compression.codec=lz4", "acks=all", "linger.ms=20", "batch.num.messages=10000",
                    "queue.buffering.max.messages=200000"])
}}
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a run takes place.

    Attributes:
        servers: the brokers.
        topic: made for this run alone.
        spool: a folder to be copied; `lines`: the same records, one a line.
        work: an empty folder for this run.
    """

    servers: str
    topic: str
    spool: Path
    lines: Path
    work: Path


@dataclass(frozen=True, slots=True)
class Road:
    """A contender.

    Attributes:
        name, says: for the tables.
        prepare: makes ready what is not part of the measured time; returns the command and its environment.
        lacks: why it cannot run here, or "".
        is_daemon: it does not end by itself; it is stopped when all records are on the topic.
    """

    name: str
    says: str
    prepare: Callable[[Ground], tuple[Sequence[str], dict[str, str]]]
    lacks: Callable[[], str]
    is_daemon: bool = False


def _agent(client: str) -> Callable[[Ground], tuple[Sequence[str], dict[str, str]]]:
    def prepare(ground: Ground) -> tuple[Sequence[str], dict[str, str]]:
        root = ground.work / "spool"
        copy_spool(ground.spool, root)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")},
            "SHIPPER_SPOOL_DIRECTORY": str(root),
            "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": ground.servers,
            "SHIPPER_KAFKA_TOPIC": ground.topic,
            "SHIPPER_KAFKA_CLIENT": client,
            "SHIPPER_KAFKA_COMPRESSION": "lz4",
        }
        return [sys.executable, "-m", "shipper", "agent", "--once", "--any-destination"], environment

    return prepare


def _kcat(ground: Ground) -> tuple[Sequence[str], dict[str, str]]:
    headers = {
        "event.id": f"{PRODUCER}-100000",
        "event.dataset": "ml.inference",
        "event.index": "logs-ml.inference-default-2026.09.21",
        "@timestamp": "1790000000100000",
        "schema": "1",
    }
    options = (
        "acks=all", "linger.ms=20", "batch.num.messages=10000", "queue.buffering.max.messages=200000",
        "enable.idempotence=true",
    )  # fmt: skip
    command = ["kcat", "-P", "-q", "-b", ground.servers, "-t", ground.topic, "-z", "lz4", "-k", PRODUCER]
    command += [part for option in options for part in ("-X", option)]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}={value}")]
    return [*command, "-l", str(ground.lines)], dict(os.environ)


def _rsyslog(ground: Ground) -> tuple[Sequence[str], dict[str, str]]:
    configuration = ground.work / "rsyslog.conf"
    configuration.write_text(
        _RSYSLOG.format(
            work=ground.work, file=ground.lines, servers=ground.servers, topic=ground.topic, key=PRODUCER
        )
    )
    command = ["rsyslogd", "-n", "-C", "-f", str(configuration), "-i", str(ground.work / "pid")]
    return command, dict(os.environ)


def _sender(name: str) -> Callable[[Ground], tuple[Sequence[str], dict[str, str]]]:
    def prepare(ground: Ground) -> tuple[Sequence[str], dict[str, str]]:
        command = [sys.executable, "-m", "benchmarks.shipping.senders", name, ground.servers, ground.topic]
        return [*command, str(ground.lines)], dict(os.environ)

    return prepare


def _needs_program(name: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(name) else f"{name} is not installed"


def _needs_module(name: str) -> Callable[[], str]:
    return lambda: "" if importlib.util.find_spec(name) else f"{name} is not installed"


ROADS: Final[Sequence[Road]] = (
    Road("agent", "shipper agent, kafka.client = auto", _agent("auto"), lambda: ""),
    Road("agent-kafka-python", "shipper agent over kafka-python", _agent("kafka-python"), lambda: ""),
    Road(
        "agent-confluent-kafka",
        "shipper agent over confluent-kafka",
        _agent("confluent-kafka"),
        _needs_module("confluent_kafka"),
    ),
    Road("kcat", "kcat -P, five headers and a key", _kcat, _needs_program("kcat")),
    Road(
        "rsyslog",
        "rsyslog imfile to omkafka, a key, no headers (it has none)",
        _rsyslog,
        _needs_program("rsyslogd"),
        is_daemon=True,
    ),
    Road(
        "confluent-kafka",
        "a loop around its produce(), tuned",
        _sender("confluent-kafka"),
        _needs_module("confluent_kafka"),
    ),
    Road("kafka-python", "a loop around its send(), tuned", _sender("kafka-python"), lambda: ""),
)
"""All contenders, in the order of the table."""
