"""Loggers and clients that hand records to another thread, for a server; none answers unless one is named."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from benchmarks.contender import MESSAGE, Contender, Fields, MissingPeer, Place, Subject, library
from benchmarks.contenders.stdlib_peers import stdlib_logger

_ROOMY = 10_000_000
_NO_BROKER = "needs a broker: name one with --kafka"


def closed_port() -> int:
    """Return a port of this machine that refuses connections."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _document(fields: Fields) -> bytes:
    return orjson.dumps({"time": time.time_ns(), "level": "info", "event": MESSAGE, **fields})


def _open_logstash(_place: Place) -> Subject:
    module = library("logstash_async.handler")
    formatter = library("logstash_async.formatter").LogstashFormatter()
    handler = module.AsynchronousLogstashHandler("127.0.0.1", closed_port(), database_path=None)
    handler.setFormatter(formatter)
    log = stdlib_logger(handler)
    return Subject(lambda fields: log.info(MESSAGE, extra=fields))


def _open_opentelemetry(_place: Place) -> Subject:
    logs, export = library("opentelemetry.sdk._logs"), library("opentelemetry.sdk._logs.export")
    base: Any = export.LogRecordExporter

    class Discard(base):  # type: ignore[misc]  # a class of an optional library
        """Takes each batch and forgets it: the network is not what is measured."""

        def export(self, _batch: Sequence[Any]) -> Any:
            return export.LogRecordExportResult.SUCCESS

        def shutdown(self) -> None:
            """Nothing to let go of."""

        def force_flush(self, _timeout_millis: int = 0) -> bool:
            return True

    provider = logs.LoggerProvider()
    provider.add_log_record_processor(export.BatchLogRecordProcessor(Discard()))
    log = stdlib_logger(logs.LoggingHandler(logger_provider=provider))
    return Subject(lambda fields: log.info(MESSAGE, extra=fields), provider.shutdown)


def _open_confluent(place: Place) -> Subject:
    producer = library("confluent_kafka").Producer(
        {
            "bootstrap.servers": place.kafka or f"127.0.0.1:{closed_port()}",
            "queue.buffering.max.messages": _ROOMY,
            "queue.buffering.max.kbytes": 2_000_000,
            "log_level": 0,
            "logger": _silent_logger(),
        }
    )
    counter = itertools.count(1)

    def emit(fields: Fields) -> None:
        producer.produce("bench-emit", _document(fields))
        if next(counter) % 1000 == 0:
            producer.poll(0)

    return Subject(emit)


def _silent_logger() -> Any:
    import logging  # noqa: PLC0415 - of this contender alone

    logger = logging.getLogger("confluent")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger


def _open_kafka_python(place: Place) -> Subject:
    if not place.kafka:
        raise MissingPeer(_NO_BROKER)  # without metadata its send() waits for a minute
    producer = library("kafka").KafkaProducer(
        bootstrap_servers=place.kafka, value_serializer=None, max_block_ms=10_000
    )
    producer.partitions_for("bench-emit")
    send: Callable[..., object] = producer.send
    return Subject(lambda fields: send("bench-emit", _document(fields)), lambda: producer.close(5))


_STDLIB = "python-json-logger"
REMOTE_PEERS = (
    Contender("logstash-async", "python-logstash-async, nobody listening", _open_logstash, peer=_STDLIB),
    Contender(
        "opentelemetry", "OpenTelemetry batch processor, exporter discards", _open_opentelemetry, peer=_STDLIB
    ),
    Contender("confluent-kafka", "orjson + confluent produce()", _open_confluent, peer="structlog"),
    Contender("kafka-python", "orjson + kafka-python send()", _open_kafka_python, peer="structlog"),
)
