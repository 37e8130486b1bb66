"""Our client's own logs never become records, whichever of its threads makes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson

from tests.service.running_stack import RunningStack
from tests.service.topics import own_topics, read_topic

APPLICATION = """
import logging, logging.config
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"shipper": {"class": "shipper.emit.ShipperHandler"}},
    "root": {"level": "DEBUG", "handlers": ["shipper"]},
})
import shipper
for number in range(20):
    logging.getLogger("app").info("record %d", number)
shipper.flush(20)
logging.getLogger("app").info("last record")
shipper.close()
"""


def test_the_client_at_debug_does_not_feed_us(stack: RunningStack, tmp_path: Path) -> None:
    """U10: with the root logger at DEBUG exactly the application's records reach the topic, none of the client's."""
    with own_topics(stack) as kafka:
        environment = {
            **os.environ,
            "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "SHIPPER_KAFKA_TOPIC": kafka.topic,
            "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": kafka.dead_letter_topic,
            "SHIPPER_SPOOL_DIRECTORY": str(tmp_path),
            "SHIPPER_SHIP_CLOSE_TIMEOUT_S": "20",
        }
        subprocess.run([sys.executable, "-c", APPLICATION], env=environment, timeout=90, check=True)
        loggers = [orjson.loads(record.value or b"{}")["log"]["logger"] for record in read_topic(kafka)]
    assert loggers == ["app"] * 21
