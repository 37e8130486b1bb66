"""Documents from one index into another as the bytes that they are: read in the order of writing, never decoded.

A decoder would change what it cannot hold (a number beyond a double, the digits of another), and a copy must not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import elastic_transport
import msgspec
import orjson

from shipper.config import ElasticsearchSettings
from shipper.elastic.answers import ItemAnswer
from shipper.elastic.bulk import BulkClient, Bytes
from shipper.errors import RequestRefused, StoreUnavailable

_JSON_BODY: Final = {"accept": "application/json", "content-type": "application/json"}
_LINE_ENDS: Final = re.compile(rb"[\r\n]")


class _Hit(msgspec.Struct):
    index: str = msgspec.field(name="_index")
    id: str = msgspec.field(name="_id")
    sort: list[int]
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    routing: str | None = msgspec.field(name="_routing", default=None)


class _Hits(msgspec.Struct):
    hits: list[_Hit]


class _Page(msgspec.Struct):
    hits: _Hits


_decode: Final = msgspec.json.Decoder(_Page).decode


@dataclass(frozen=True, slots=True)
class RawDocument:
    """One stored document.

    Attributes:
        position: its place in the order of writing, in its shard; from 0.
        source: its JSON on one line; empty where only ids were asked for.
    """

    id: str
    position: int
    source: bytes = b""
    routing: str | None = None

    def index_lines(self, index: str) -> bytes:
        """Return the two lines that store it in `index`, replacing what has its id there."""
        action: dict[str, str] = {"_index": index, "_id": self.id}
        if self.routing is not None:
            action["routing"] = self.routing
        return orjson.dumps({"index": action}) + b"\n" + self.source + b"\n"


class RawClient(BulkClient):
    """Reads and writes stored documents as bytes."""

    def page(
        self, index: str, shard: int, after: int, size: int, *, with_source: bool = True
    ) -> list[RawDocument]:
        """Return the documents that were written into one shard after a position, oldest first.

        Args:
            index: the index itself, not an alias.
            after: position of the last one seen; -1 for the beginning.

        Raises:
            StoreUnavailable: a repeat can help.
            RequestRefused: it is not there, or it was put in place of another meanwhile.
        """
        query = {
            "size": size,
            "sort": [{"_seq_no": "asc"}],
            "query": {"range": {"_seq_no": {"gt": after}}},
            "_source": with_source,
            "track_total_hits": False,
        }
        params = {"preference": f"_shards:{shard}", "allow_partial_search_results": "false"}
        answer = self._perform(
            "POST", f"/{quote(index, safe='')}/_search", params, _JSON_BODY, orjson.dumps(query)
        )
        try:
            hits = _decode(answer).hits.hits  # type: ignore[arg-type]
        except msgspec.MsgspecError as error:
            raise RequestRefused(200, f"documents of {index} cannot be read ({error})") from error
        if any(hit.index != index for hit in hits):
            raise RequestRefused(409, f"{index} has been put in place of another index meanwhile")
        return [
            RawDocument(hit.id, hit.sort[0], _LINE_ENDS.sub(b" ", bytes(hit.source)), hit.routing)
            for hit in hits
        ]

    def store(self, index: str, documents: Sequence[RawDocument]) -> list[ItemAnswer]:
        """Store documents under their ids, replacing what is there; one answer per document, in order.

        Raises:
            StoreUnavailable: nothing is known of any of them; the same call may be repeated.
        """
        body = b"".join(document.index_lines(index) for document in documents)
        answers = self.create(body, len(documents))
        if answers is None:
            raise StoreUnavailable(self.url, "an answer for other actions than were sent")
        return list(answers)


def connect_raw(settings: ElasticsearchSettings) -> RawClient:
    """Return a client that copies documents; no request is made yet.

    Raises:
        ConfigurationError: the address or a certificate file is not usable.
    """
    serializers: dict[str, elastic_transport.Serializer] = {
        "application/json": Bytes(),
        "application/x-ndjson": Bytes(),
    }
    return RawClient.open(settings, serializers)
