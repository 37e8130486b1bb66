"""From the logging call to the real server: nothing that an application can log is refused, nothing bloats a mapping.

What the emit side makes goes by the indexer's own rules into indices of our templates, as in operation.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shipper
from shipper.assets import asset
from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings
from shipper.elastic.bulk import connect_bulk
from shipper.elastic.client import ElasticClient, connect
from shipper.emit import ShipperHandler
from shipper.index.bulk import create_documents
from shipper.index.document import Document, Limits, read_document
from shipper.index.fate import Fate
from shipper.index.templates import install, packaged_templates
from shipper.schema.templates import TOTAL_FIELDS_LIMIT
from shipper.testing import CapturedRecords, capture
from tests.property.ecs_strategies import FIELDS_GIVEN, SCALARS
from tests.service.running_stack import RunningStack

NUMBERS = ("ml.metrics", "ml.features.numeric", "numeric_labels", "ml.explanation.contributions")
WORDS = ("ml.features.categorical", "labels", "ml.params")


class Road:
    """From captured records to stored documents, in a namespace of its own."""

    def __init__(self, client: ElasticClient) -> None:
        self.client = client
        self.namespace = f"never{uuid.uuid4().hex[:10]}"
        self.stored = 0

    def store(self, payloads: Sequence[bytes]) -> list[str]:
        """Store what was logged, by the indexer's rules; return what was refused, and why."""
        now_us = SystemClock().now_us()
        documents, refused = [], []
        for payload in payloads:
            found = read_document(
                payload,
                header_id=None,
                namespace=self.namespace,
                now_us=now_us,
                limits=Limits(past_s=4e9, future_s=4e9),
            )
            if isinstance(found, Document):
                documents.append(found)
            else:
                refused.append(f"{found}: {payload[:300]!r}")
        if not documents:
            return refused
        with connect_bulk(ElasticsearchSettings(url=self.client.url)) as bulk:
            verdicts = create_documents(bulk, documents, b"2026-11-21T11:00:00.000000Z")
        self.stored += len(documents)
        return refused + [
            f"{verdict.reason} {verdict.detail}: {document.head[:100]!r}{document.tail[:300]!r}"
            for verdict, document in zip(verdicts, documents, strict=True)
            if verdict.fate is not Fate.INDEXED
        ]

    def take(self, records: CapturedRecords) -> list[str]:
        """Store what was captured, into the namespace of this test, and forget it."""
        payloads = []
        for record in records.records:
            document = json.loads(record.payload)
            # One index for all, whatever the time that the event claims: each index costs the server a second.
            document["@timestamp"] = "2026-11-21T10:00:00.000000Z"
            document["data_stream"]["namespace"] = self.namespace
            payloads.append(orjson.dumps(document))
        records.clear()
        return self.store(payloads)

    def mapping_size(self, index: str) -> int:
        """Count the fields and objects of a mapping as the server's limit does."""
        definition = self.client.index_definition(index)
        assert definition is not None
        return _size(definition["mappings"])


def _size(mapping: Mapping[str, Any]) -> int:
    properties = mapping.get("properties", {})
    return len(properties) + sum(_size(inner) for inner in properties.values())


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running Elasticsearch with our templates."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, packaged_templates(asset("es_templates")))
        yield client


@pytest.fixture
def road(client: ElasticClient) -> Iterator[Road]:
    """A road of one's own; what it stored is deleted at the end."""
    road = Road(client)
    yield road
    for index in client.indices(f"logs-*-{road.namespace}-*"):
        client.delete_index(index)


def test_a_topic_of_a_former_version_stays_readable(road: Road) -> None:
    """U31: records as the first version wrote them, kept since, are taken by the indexer and by today's templates."""
    kept = (Path(__file__).parents[1] / "golden" / "records_v1.jsonl").read_bytes().splitlines()
    assert len(kept) == 12
    # One index for all: the fields are declared alike for every dataset.
    own = [
        re.sub(rb'"dataset":"ml\.[a-z]+"', b'"dataset":"ml.app"', payload).replace(
            b'"namespace":"default"', b'"namespace":"%s"' % road.namespace.encode()
        )
        for payload in kept
    ]
    assert road.store(own) == []
    assert road.stored == len(kept)


def test_no_logged_event_is_refused(road: Road) -> None:
    """U31, U33: whatever fields hypothesis gives to either kind of logger, the server stores each record at once."""
    with capture() as records:
        log = shipper.get_logger("never")
        plain = logging.getLogger("never.plain")
        handler = ShipperHandler()
        plain.addHandler(handler)

        @settings(
            max_examples=12, deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
        )  # fmt: skip
        @given(st.lists(st.tuples(SCALARS, FIELDS_GIVEN), min_size=5, max_size=15))
        def store(events: list[tuple[Any, dict[Any, Any]]]) -> None:
            for message, fields in events:
                named = {key: value for key, value in fields.items() if isinstance(key, str)}
                log.info(message, **{key: value for key, value in named.items() if key != "event"})
                plain.warning("plain %s", 1, extra={"given": fields, "ml": named})
            assert road.take(records) == []

        try:
            store()
        finally:
            plain.removeHandler(handler)
    assert road.stored > 100


def test_ten_thousand_logged_names_stay_within_the_cap(road: Road) -> None:
    """U30: 10,000 invented names under each open object, 200 an event: all stored, no mapping beyond its cap."""
    before_names = 0
    with capture() as records:
        log = shipper.get_logger("never")
        for start in range(0, 10_000, 200):
            names = [f"n{number}" for number in range(start, start + 200)]
            for opened in NUMBERS:
                log.info("numbers", **{f"{opened}.{name}": 1.5 for name in names})
            for opened in WORDS:
                log.info("words", **{f"{opened}.{name}": "w" for name in names[:120]})
            before_names += len(names)
        assert road.take(records) == []
    assert before_names == 10_000
    assert road.stored == 50 * (len(NUMBERS) + len(WORDS))
    (index,) = road.client.indices(f"logs-ml.app-{road.namespace}-*")
    assert road.mapping_size(index) <= TOTAL_FIELDS_LIMIT


@pytest.mark.parametrize("opened", ["metrics", "features.numeric", "features.categorical"])
def test_ten_thousand_names_of_others_in_one_document(road: Road, opened: str) -> None:
    """U30: a document of another program with 10,000 names is stored, and what comes after it is too."""
    values = {f"n{number}": number for number in range(10_000)}
    inner: dict[str, Any] = {"ml": {"features": {opened.partition(".")[2]: values}}}
    given = inner if opened.startswith("features") else {"ml": {"metrics": values}}

    def document(number: int, more: Mapping[str, Any]) -> bytes:
        return orjson.dumps(
            {
                "@timestamp": "2026-11-21T10:00:00.000000Z",
                "event": {"id": f"{road.namespace}-{number}", "dataset": "ml.inference"},
                "message": "x",
                "log": {"level": "info"},
                **more,
            }
        )

    assert road.store([document(1, given), document(2, {"ml": {"metrics": {"loss": 1}}})]) == []
    (index,) = road.client.indices(f"logs-ml.inference-{road.namespace}-*")
    assert road.mapping_size(index) <= TOTAL_FIELDS_LIMIT
    road.client.refresh(index)
    assert road.client.count(index) == 2
