"""Typed events on the real Elasticsearch: every field of every builder is stored as declared, none is ignored."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from shipper.assets import asset
from shipper.config import ElasticsearchSettings
from shipper.elastic.client import ElasticClient, connect
from shipper.emit import events
from shipper.index.templates import install, packaged_templates
from shipper.testing import capture
from tests.property.test_ecs_total import leaves
from tests.service.running_stack import RunningStack
from tests.unit.emit.test_events import CALLS

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running Elasticsearch with our templates."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, packaged_templates(asset("es_templates")))
        yield client


def test_every_field_of_every_event_is_searchable(client: ElasticClient) -> None:
    """Each builder with all its arguments is stored at once, no value is ignored, and each field is found by search."""
    namespace = f"events{uuid.uuid4().hex[:10]}"
    with capture() as records:
        for builder in events.BUILDERS:
            call: Any = builder
            events.log(None, call(**CALLS[builder.__name__]))
    lines = []
    for record in records.records:
        index = f"logs-{record.dataset}-{namespace}-2026.11.01"
        lines += [orjson.dumps({"create": {"_index": index, "_id": str(record.sequence)}}), record.payload]
    try:
        answers = client.bulk(b"\n".join(lines) + b"\n")
        assert [answer for answer in answers if answer.status != 201] == []
        client.refresh(f"logs-*-{namespace}-*")
        for record, document in zip(records.records, records.documents, strict=True):
            index = f"logs-{record.dataset}-{namespace}-2026.11.01"
            one: dict[str, Any] = {"term": {"event.sequence": record.sequence}}
            (hit,) = client.search(index, {"query": one})["hits"]["hits"]
            assert hit["_source"] == document, "the order of a curve's points included"
            assert "_ignored" not in hit
            for name in leaves(document["ml"], "ml."):
                if name in {"ml.prediction.input", "ml.prediction.output"}:
                    continue  # kept, not searched
                query = {"bool": {"filter": [one, {"exists": {"field": name}}]}}
                assert client.search(index, {"query": query, "size": 0})["hits"]["total"]["value"] == 1, name
    finally:
        for index in client.indices(f"logs-*-{namespace}-*"):
            client.delete_index(index)
