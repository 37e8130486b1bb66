"""The client for bulk requests against a raw HTTP server: bytes out as they are, answers compared before decoded."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shipper.config import ElasticsearchSettings
from shipper.elastic.bulk import BulkClient, connect_bulk
from shipper.elastic.client import connect
from shipper.errors import RequestRefused, StoreUnavailable
from tests.unit.elastic.test_client import Wire, wire

__all__ = ["wire"]

BODY = '{"create":{"_index":"i","_id":"1"}}\n{"message":"Grüße  "}\n'.encode() * 2
STORED = b'{"create":{"status":201}}'


@pytest.fixture
def bulk(wire: Wire) -> Iterator[BulkClient]:
    """A client of that server."""
    wire.content_type = "application/vnd.elasticsearch+json;compatible-with=9"
    with connect_bulk(ElasticsearchSettings(url=wire.url, request_timeout_s=5)) as client:
        yield client


def answered(wire: Wire, items: bytes, *, errors: bool = False) -> None:
    """Let the server answer with these items."""
    wire.body = b'{"errors":%b,"items":[%b]}' % (b"true" if errors else b"false", items)


def test_bytes_leave_untouched_and_all_are_stored(wire: Wire, bulk: BulkClient) -> None:
    """The body goes out byte for byte, once; an answer that says "all stored" is not taken apart."""
    answered(wire, STORED + b"," + STORED)
    assert bulk.create(BODY, 2) is None
    method, path, headers, sent = wire.requests[-1]
    assert (method, path.split("?")[0], sent) == ("POST", "/_bulk", BODY)
    assert "x-ndjson" in headers["content-type"]
    assert len(wire.requests) == 1


@pytest.mark.parametrize(
    "items",
    [
        STORED,
        STORED + b"," + STORED + b"," + STORED,
        b"",
        STORED + b"," + STORED[:-3],
        b'{"create":{"status":201}},{"create":{}}',
        b"null,null",
        b"1,2",
    ],
)
def test_an_answer_that_does_not_fit_is_none(wire: Wire, bulk: BulkClient, items: bytes) -> None:
    """U27: fewer, more or unreadable items say nothing of any document: the request is to be repeated."""
    answered(wire, items)
    with pytest.raises(StoreUnavailable):
        bulk.create(BODY, 2)


def test_each_item_has_its_answer(wire: Wire, bulk: BulkClient) -> None:
    """U35: as soon as one item was not stored now, each has an answer of its own, in order."""
    there = b'{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"there"}}}'
    answered(wire, STORED + b"," + there, errors=True)
    answers = bulk.create(BODY, 2)
    assert answers is not None
    assert [answer.status for answer in answers] == [201, 409]
    assert answers[1].error_type == "version_conflict_engine_exception"


def test_the_failure_store_is_seen(wire: Wire, bulk: BulkClient) -> None:
    """U34: a document that the server set aside is told apart, though no error is announced."""
    answered(wire, STORED + b',{"create":{"status":201,"failure_store":"used"}}')
    answers = bulk.create(BODY, 2)
    assert answers is not None
    assert [answer.in_failure_store for answer in answers] == [False, True]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_later_is_told_with_the_servers_sentence(wire: Wire, bulk: BulkClient, status: int) -> None:
    """U36: a whole answer that says "later" is retriable, and its sentence is not lost."""
    wire.status, wire.body = status, b'{"error":{"type":"t","reason":"no room"},"status":429}'
    with pytest.raises(StoreUnavailable, match="no room"):
        bulk.create(BODY, 2)


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_a_refusal_keeps_its_status(wire: Wire, bulk: BulkClient, status: int) -> None:
    """U36: other refusals carry the status by which the indexer decides, JSON or not."""
    wire.status, wire.body = status, b"<html>no</html>"
    with pytest.raises(RequestRefused) as refused:
        bulk.create(BODY, 2)
    assert refused.value.status == status


def test_an_answer_with_an_odd_document_is_read(wire: Wire) -> None:
    """The server hands out what somebody stored: a number beyond a double or half a pair fails no search."""
    wire.body = b'{"hits":{"hits":[{"_source":{"a":1e999,"b":"\\ud800","c":"\xff"}}]}}'
    with connect(ElasticsearchSettings(url=wire.url, request_timeout_s=5)) as client:
        (hit,) = client.search("i", {})["hits"]["hits"]
    assert hit["_source"]["a"] == float("inf")
