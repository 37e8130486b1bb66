"""Run the roads, one at a time, in another random order in each repeat; ratios are those of one repeat."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from benchmarks.indexing.documents import DATASET, PRODUCER
from benchmarks.indexing.roads import BATCH, Ground, Road, command
from benchmarks.result import Figures, Result
from shipper.assets import asset
from shipper.config import ElasticsearchSettings, KafkaSettings
from shipper.elastic.client import ElasticClient, connect
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from shipper.kafka.dead_letters import topic_config
from shipper.kafka.producer import Acknowledged, Message, Producer

_LIMIT_S: Final = 1200


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        repeats: how often each contender runs.
        records, size: how many documents, of about how many bytes.
        kafka, url: the servers.
        seed: of the documents and of the order.
    """

    repeats: int
    records: int
    size: int
    kafka: str
    url: str
    seed: int = 1


class RoadFailed(Exception):
    """A contender ended badly, or not all documents are there."""


def run_all(
    roads: Sequence[Road], pairs: Sequence[tuple[str, str]], plan: Plan, progress: Callable[[str], None]
) -> Result:
    """Run them all; `pairs` are the names whose ratio is wanted. Ctrl-C ends it with what there is.

    Before the first repeat the first contender runs once for nothing: a server that has just started is slower.
    """
    result = Result(missing={road.name: why for road in roads if (why := road.lacks())})
    ground = _ground(plan)
    rng = random.Random(plan.seed)
    with connect(ElasticsearchSettings(url=plan.url, request_timeout_s=120)) as client:
        install(client, packaged_templates(asset("es_templates")))
        progress(f"putting {plan.records} records of {plan.size} bytes on the topic {ground.topic}")
        _fill(ground)
        try:
            able = [road for road in roads if road.name not in result.missing]
            for repeat in range(-1, plan.repeats):
                order = able[:1] if repeat < 0 else rng.sample(able, len(able))
                found: dict[str, Figures] = {}
                for road in order:
                    if road.name in result.failed:
                        continue
                    progress(f"repeat {repeat + 1} of {plan.repeats}: {road.name}")
                    try:
                        found[road.name] = _one(road, ground, client)
                    except RoadFailed as error:
                        result.failed[road.name] = str(error)
                if repeat >= 0:
                    _note(result, found, pairs)
        except KeyboardInterrupt:
            progress("interrupted; this is what there is")
        finally:
            client.delete_index(ground.index)
            with Admin(_settings(ground)) as admin:
                admin.delete_topic(ground.topic)
                admin.delete_topic(f"{ground.topic}-dead")
    return result


def _note(result: Result, found: dict[str, Figures], pairs: Sequence[tuple[str, str]]) -> None:
    for name, figures in found.items():
        result.note([name], [figures])
    for ours, peer in pairs:
        if ours in found and peer in found:
            result.meetings.setdefault((ours, peer), []).append((found[ours], found[peer]))


def _ground(plan: Plan) -> Ground:
    name = f"bench{os.getpid()}"
    moment = datetime.now(UTC).isoformat()
    return Ground(plan.kafka, name, plan.url, plan.records, plan.size, plan.seed, name, moment)


def _settings(ground: Ground) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=ground.kafka, topic=ground.topic, compression="lz4")


def _fill(ground: Ground) -> None:
    """Put the documents on a topic of one partition, with the headers and the key that shipper gives them."""
    settings = _settings(ground)
    with Admin(settings) as admin:
        admin.ensure_topic(ground.topic)
        admin.ensure_topic(f"{ground.topic}-dead", config=topic_config(settings))
    shared = [("event.dataset", DATASET.encode()), ("event.index", ground.index.encode()), ("schema", b"1")]
    producer = Producer(settings)
    try:
        values = ground.values()
        for start in range(0, len(values), BATCH):
            messages = [
                Message(
                    ground.topic,
                    PRODUCER.encode(),
                    value,
                    [
                        ("event.id", b"%b-%d" % (PRODUCER.encode(), sequence)),
                        ("@timestamp", b"0" * 16),
                        *shared,
                    ],
                )
                for sequence, value in enumerate(values[start : start + BATCH], start + 1)
            ]
            if not all(isinstance(outcome, Acknowledged) for outcome in producer.send(messages)):
                raise OSError("the topic could not be filled")
    finally:
        producer.close(5.0)


def _one(road: Road, ground: Ground, client: ElasticClient) -> Figures:
    """Run one contender on an empty index; return its figures."""
    client.delete_index(ground.index)
    client.create_index(ground.index)
    done = subprocess.run(
        command(road, ground), capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    if done.returncode:
        raise RoadFailed(f"exit status {done.returncode}: {done.stderr.strip()[-300:]}")
    client.refresh(ground.index)
    stored = client.count(ground.index)
    if stored != ground.records:
        raise RoadFailed(f"{stored} of {ground.records} documents are there")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found
