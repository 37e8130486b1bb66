"""Indices as an older schema made them, on the real server, for a dataset that only one test has."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson

from shipper.config import ElasticsearchSettings
from shipper.elastic.client import ElasticClient
from shipper.elastic.raw import RawClient, connect_raw
from shipper.index.existing import existing_indices
from shipper.index.migrate import Result, Step, carry_out, plan
from shipper.index.templates import Template

CLOSED: dict[str, Any] = {"dynamic": False, "date_detection": False, "numeric_detection": False}
KEYWORD = {"type": "keyword", "ignore_above": 1024}


def template(name: str, properties: Mapping[str, Any], version: int) -> Template:
    """Return an index template for a dataset called `name`, whole in itself."""
    body = {
        "index_patterns": [f"logs-{name}-*"],
        "priority": 600,
        "version": version,
        "template": {
            "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
            "mappings": {
                **CLOSED,
                "_meta": {"managed_by": "shipper", "version": version},
                "properties": properties,
            },
        },
    }
    return Template("index", f"logs-{name}", body)


class OldIndex:
    """One index of an old schema; `renew` installs the new one."""

    def __init__(self, url: str, client: ElasticClient, properties: Mapping[str, Any]) -> None:
        self.client = client
        self.settings = ElasticsearchSettings(url=url)
        self.dataset = f"ml.t{uuid.uuid4().hex[:12]}"
        self.name = f"logs-{self.dataset}-default-2026.11.21"
        self.template = template(self.dataset, properties, 1)
        client.put_index_template(self.template.name, self.template.body)

    def renew(self, properties: Mapping[str, Any]) -> None:
        """Install the new schema's template."""
        self.template = template(self.dataset, properties, 2)
        self.client.put_index_template(self.template.name, self.template.body)

    def store(self, documents: Mapping[str, bytes], *, action: str = "create") -> list[int]:
        """Store documents by id, as the bytes that they are; return the status of each."""
        lines = [
            line
            for document_id, source in documents.items()
            for line in (orjson.dumps({action: {"_index": self.name, "_id": document_id}}), source)
        ]
        return [answer.status for answer in self.client.bulk(b"\n".join(lines) + b"\n")]

    def steps(self) -> list[Step]:
        """Return what `shipper migrate plan` says."""
        return plan(self.client, [self.template])

    def migrate(self) -> list[Result]:
        """Do what `shipper migrate apply` does."""
        with connect_raw(self.settings) as raw:
            return [self.carry_out(raw, step) for step in self.steps()]

    def carry_out(self, raw: RawClient, step: Step) -> Result:
        """Do one step."""
        return carry_out(self.client, raw, [self.template], step, pause=lambda _: None)

    def contents(self) -> dict[str, bytes]:
        """Return the documents of the index that has the name now, by id, as bytes."""
        with connect_raw(self.settings) as raw:
            self.client.refresh(self.name)
            (index,) = [found for found in self.indices() if not found[1]]
            page = raw.page(index[0], 0, -1, 10_000)
        return {document.id: document.source for document in page}

    def indices(self) -> list[tuple[str, bool]]:
        """Return the indices there are, and whether each is hidden."""
        return [(index.name, index.is_hidden) for index in existing_indices(self.client, [self.template])]

    def found(self, query: Mapping[str, Any]) -> int:
        """Return how many documents a search by pattern finds, as dashboards search."""
        self.client.refresh(self.name)
        return self.client.count(f"logs-{self.dataset}-*", query)

    def remove(self) -> None:
        """Leave nothing behind."""
        for name, _ in self.indices():
            self.client.delete_index(name)
        self.client.request_or_none("DELETE", f"/_index_template/{self.template.name}")


@contextmanager
def old_index(url: str, client: ElasticClient, properties: Mapping[str, Any]) -> Iterator[OldIndex]:
    """Yield an index of an old schema, removed at the end."""
    index = OldIndex(url, client, properties)
    try:
        yield index
    finally:
        index.remove()


def document(number: int, **more: Any) -> bytes:
    """Return a small document."""
    return json.dumps({"@timestamp": "2026-11-21T10:11:12.123456Z", "number": number, **more}).encode()
