"""All that writes log records creates them; nothing overwrites one."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import pytest

from shipper.assets import asset
from shipper.index.document import Document, Limits, Refusal, read_document
from shipper.index.splice import Splicer

AT_US = 1_795_000_000_000_000
VALUE = (
    b'{"@timestamp":"2026-11-18T11:06:40.000000Z","event":{"id":"p-1","sequence":1,"dataset":"ml.app"},'
    b'"message":"hello","log":{"level":"info"},"data_stream":{"type":"logs","dataset":"ml.app","namespace":"default"}}'
)


def _actions(body: bytes) -> list[str]:
    return [next(iter(orjson.loads(line))) for line in body.splitlines()[::2]]


@pytest.mark.parametrize("value", [VALUE, VALUE.replace(b'{"@t', b'{ "@t')])
def test_the_indexer_creates(value: bytes) -> None:
    """U28: every action of a bulk request is `create`, for values as shipper writes them and for others."""

    def exact(_position: int) -> Document | Refusal:
        return read_document(value, header_id=None, namespace="default", now_us=AT_US, limits=Limits())

    parcel = Splicer(Limits()).splice([value], range(1), exact, read_us=AT_US, ingested_us=AT_US)
    assert _actions(parcel.body) == ["create"]


@pytest.mark.parametrize(
    "path", sorted(asset("logstash").glob("pipelines/*.conf")), ids=lambda path: path.name
)
def test_every_pipeline_of_logstash_creates(path: Path) -> None:
    """U28: each output to Elasticsearch in a pipeline says `create`; none leaves the action to a default."""
    text = re.sub(r"(?m)^\s*#.*$", "", path.read_text())
    outputs = re.findall(r"\belasticsearch\s*\{(?:[^{}]|\{[^{}]*\})*\}", text)
    assert len(outputs) == len(re.findall(r"\belasticsearch\s*\{", text))
    for output in outputs:
        assert re.findall(r"\baction\s*=>\s*(\S+)", output) == ['"create"']
