"""U49: no planted secret reaches the topic, the index, the dead letters or an alert, on the real servers."""

from __future__ import annotations

import json
import logging
import random
from pathlib import Path
from typing import Any

import orjson

import shipper
from shipper.elastic.client import ElasticClient
from shipper.emit import ShipperHandler
from shipper.redaction import default_redactor
from shipper.testing import capture, reset
from tests.planted import Planted, plant
from tests.service.detect_history import History
from tests.service.detect_place import END_US, FAULT, connected, empty_place
from tests.service.kafka_stage import KafkaStage
from tests.service.running_stack import RunningStack
from tests.service.topics import read_topic

SEED = 5150
OLD = "2019-01-01T00:00:00Z"
"""Too old to be indexed: such records are dead letters."""


def _log_all(planted: list[Planted]) -> None:
    """Log each secret in a message, an exception, fields and context; each fourth record too old for the index."""
    rng = random.Random(SEED)
    log, handler = shipper.get_logger("app"), ShipperHandler()
    for number, one in enumerate(planted):
        fields: dict[str, Any] = {
            "note": one.text,
            "nested": {"rows": [{"v": one.text}]},
            "tags": [one.text],
            **one.fields,
        }
        if number % 4 == 0:
            fields["@timestamp"] = OLD
        error = ValueError(one.text)
        error.add_note(one.text)
        with shipper.context(bound=one.text):
            log.error(
                rng.choice([one.text, f"failed: {one.text}"]), exc_info=(ValueError, error, None), **fields
            )
        handler.handle(logging.LogRecord("app", 30, "f.py", 1, "got %s", (one.text,), None))


def _leaks(planted: list[Planted], stored: str) -> list[str]:
    """Return what of the secrets stands in `stored`, also with JSON's escapes."""
    return [
        f"{one.kind}: {needle}"
        for one in planted
        for needle in one.needles
        if needle in stored or json.dumps(needle)[1:-1] in stored
    ]


def test_topic_index_and_dead_letters(stage: KafkaStage, tmp_path: Path) -> None:
    """U49: 200 planted secrets are found neither in the topic nor in the index nor among the dead letters."""
    planted = plant(SEED, 200)
    shipper.configure(
        service="t", namespace=stage.namespace, kafka=stage.kafka.model_dump(), spool={"directory": tmp_path}
    )
    try:
        _log_all(planted)
        assert shipper.flush(30) == 0
    finally:
        reset()
    with stage.indexer() as indexer:
        indexer.run_until_idle(1.0)
    topic = [(record.value or b"").decode() for record in read_topic(stage.kafka)]
    letters = stage.dead_letters()
    documents = _documents(stage.client, stage.namespace)
    assert len(topic) == 400
    assert len(letters) == 50
    assert len(documents) == 350
    assert not _leaks(planted, "\n".join(topic))
    assert not _leaks(planted, "\n".join(letter.payload.decode() for letter in letters))
    assert not _leaks(planted, orjson.dumps(documents).decode())


def _documents(client: ElasticClient, namespace: str) -> list[Any]:
    pattern = f"logs-ml.*-{namespace}-*"
    client.refresh(pattern)
    found = client.search(pattern, {"size": 1000, "query": {"match_all": {}}})["hits"]["hits"]
    return [hit["_source"] for hit in found]


def test_alerts(stack: RunningStack) -> None:
    """U49: alerts that point at records with planted secrets hold none of them."""
    planted = plant(SEED + 1, 200)
    with connected(stack.elasticsearch_url) as client, empty_place(client) as place:
        history = History(END_US, seed=11, fault=FAULT).build()
        for number, document in enumerate(history):
            one = planted[number % len(planted)]
            document["message"] = default_redactor().scan(one.text)
        place.store(history)
        place.run()
        pattern = f"alerts-ml-{place.namespace},logs-ml.alert-{place.namespace}-*"
        client.refresh(pattern)
        alerts = client.search(pattern, {"size": 1000, "query": {"match_all": {}}})["hits"]["hits"]
        assert len(alerts) >= 6
        assert not _leaks(planted, orjson.dumps(alerts).decode())


def test_the_search_for_leaks_finds_one() -> None:
    """The test above can fail: with redaction off the same secrets are found."""
    planted = plant(SEED, 20)
    shipper.configure(service="t", redact={"enabled": False})
    try:
        with capture() as found:
            _log_all(planted)
        assert len(_leaks(planted, "\n".join(record.payload.decode() for record in found.records))) >= 20
    finally:
        reset()
