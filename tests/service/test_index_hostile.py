"""Hostile values on the real Kafka and the real Elasticsearch: none breaks a neighbour, a search, or the indexer."""

from __future__ import annotations

import json
import uuid
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.service.kafka_stage import KafkaStage


def hostile(stage: KafkaStage) -> dict[str, tuple[str, bytes, str]]:
    """Return id, value and expected reason ("": stored) of each kind; only ids of `stage` are ever stored."""
    index = stage.today()
    forged = b'{"create":{"_index":"%b","_id":"forged"}}' % index.encode()
    victim = b'{"delete":{"_index":"%b","_id":"%b-1"}}' % (index.encode(), stage.producer_id.encode())

    def tail(extra: bytes) -> tuple[str, bytes]:
        event_id, value = stage.value()
        return event_id, value[:-1] + b"," + extra + b"}"

    def after(extra: bytes) -> tuple[str, bytes]:
        event_id, value = stage.value()
        return event_id, value + extra

    other = stage.value()[1]
    return {
        "garbage behind": (*after(b"garbage"), "json"),
        "a second object": (*after(other), "json"),
        "a second line": (*after(b"\n" + other), "json"),
        "a forged action": (*after(b"\n" + forged + b"\n" + other), "json"),
        "a forged deletion": (*after(b"\n" + victim + b"\n"), "json"),
        "an action in a text": (*tail(b'"x":"\n%b\n"' % victim), "json"),
        "an action with carriage returns": (*tail(b'"x":"\r%b\r"' % victim), "json"),
        "an escaped action in a text": (*tail(b'"x":' + orjson.dumps("\n" + victim.decode() + "\n")), ""),
        "a zero byte": (*tail(b'"x":"\x00"'), "json"),
        "a zero byte behind": (*after(b"\x00"), "json"),
        "no UTF-8": (*tail(b'"x":"\xff\xfe"'), "json"),
        "UTF-8 of surrogates": (*tail(b'"x":"\xed\xa0\x80"'), "json"),
        "an overlong zero": (*tail(b'"x":"\xc0\x80"'), "json"),
        "half a surrogate pair": (*tail(b'"x":"\\ud800"'), "json"),
        "a comment": (*tail(b'"x":/* */1'), "json"),
        "NaN": (*tail(b'"x":NaN'), "json"),
        "beyond a double": (*tail(b'"x":1e999'), ""),
        "a key twice": (*tail(b'"labels":{"a":"1","a":"2"}'), "mapping"),
        "event twice": (*tail(b'"event":{"id":"forged","dataset":"ml.app"}'), "mapping"),
        "a byte order mark": (stage.value()[0], b"\xef\xbb\xbf" + other, "json"),
        "90 deep": (*tail(b'"x":' + b"[" * 90 + b"]" * 90), ""),
        "900 deep": (*tail(b'"x":' + b"[" * 900 + b"]" * 900), "json"),
        "100,000 deep": (*tail(b'"x":' + b"[" * 100_000 + b"]" * 100_000), "json"),
        "a line end as white space": (*tail(b'\n"x":1\r\n'), ""),
        "nothing": (stage.value()[0], b"", "json"),
        "a tombstone of text": (stage.value()[0], b"null", "json"),
    }


def raw_search(stage: KafkaStage) -> bytes:
    """Return the server's answer to a search for everything of the stage."""
    connection = HTTPConnection(urlsplit(stage.stack.elasticsearch_url).netloc, timeout=30)
    try:
        query = b'{"size":1000,"query":{"match_all":{}}}'
        path = f"/logs-*-{stage.namespace}-*/_search"
        connection.request("POST", path, query, {"Content-Type": "application/json"})
        return connection.getresponse().read()
    finally:
        connection.close()


def no_constant(name: str) -> Any:
    """Refuse what JSON has not."""
    raise AssertionError(f"{name} in an answer")


def test_hostile_values_break_nobody(stage: KafkaStage) -> None:
    """U34, U35: each hostile value is a whole dead letter or stored; its neighbours and all searches are unharmed."""
    first = stage.value()
    kinds = hostile(stage)
    good = [first]
    mixed = [first]
    for event_id, value, _ in kinds.values():
        mixed += [(event_id, value), stage.value()]
        good.append(mixed[-1])
    stage.send(mixed)
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.5)
    kept = [event_id for event_id, _, reason in kinds.values() if not reason]
    assert sorted(stage.stored_ids()) == sorted(kept + [event_id for event_id, _ in good])
    letters = stage.dead_letters()
    expected = {name: (reason, value) for name, (_, value, reason) in kinds.items() if reason}
    assert sorted((letter.reason, letter.payload) for letter in letters) == sorted(expected.values())
    found = json.loads(raw_search(stage).decode("utf-8"), parse_constant=no_constant)
    assert found["hits"]["total"]["value"] == len(good) + len(kept)
    sources = {hit["_id"]: hit["_source"] for hit in found["hits"]["hits"]}
    for event_id, value in good:
        del sources[event_id]["event"]["ingested"]
        assert sources[event_id] == json.loads(value)
    assert indexer.counts().in_hand == 0


def test_a_hundred_megabytes_of_depth(stage: KafkaStage) -> None:
    """U35: a value that was small when compressed and is a hundred megabytes of brackets is a dead letter like others."""
    from confluent_kafka import Producer as Client  # kafka-python refuses to send it

    before, after = stage.value(), stage.value()
    event_id, value = stage.value()
    deep = value[:-1] + b',"x":' + b"[" * 100_000_000
    stage.send([before])
    client = Client(
        {
            "bootstrap.servers": stage.kafka.bootstrap_servers,
            "compression.type": "gzip",
            "message.max.bytes": 300_000_000,
        }
    )
    client.produce(stage.kafka.topic, deep, headers=[("event.id", event_id.encode())])
    assert client.flush(60) == 0
    stage.send([after])
    with stage.indexer(group=f"group-{uuid.uuid4().hex}") as indexer:
        indexer.run_until_idle(0.5)
    assert sorted(stage.stored_ids()) == sorted([before[0], after[0]])
    assert dict(indexer.counts().dead_lettered) == {"too_large": 1}
