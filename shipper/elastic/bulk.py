"""Bulk requests at the speed of the wire: finished bytes out, and an answer that is seldom taken apart.

Bytes go through the client's transport (its connections, TLS, credentials, errors) and past its serialisers. The
server is asked for the status of each item and, where there is one, its error. So when each document was stored,
which is nearly always, the whole answer is known beforehand and is compared, not decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import elastic_transport
import orjson

from shipper.config import ElasticsearchSettings
from shipper.elastic.answers import ItemAnswer, item_answer
from shipper.elastic.connection import LINES_BODY, Connection
from shipper.errors import StoreUnavailable

_FIELDS: Final = (
    "errors,items.*.status,items.*.failure_store,"
    "items.*.error.type,items.*.error.reason,items.*.error.caused_by"
)
_ITEM_STORED: Final = b'{"create":{"status":201}}'


class BulkClient(Connection):
    """Sends finished bulk bodies. Safe to share between threads; each request at a time has its own connection."""

    def create(self, body: bytes, count: int) -> Sequence[ItemAnswer] | None:
        """Send a body of `count` create actions (lines of JSON, each ended by a newline).

        Returns:
            None where every document was stored now; else one answer per item, in the order of the request.

        Raises:
            StoreUnavailable: no whole answer, or one that says "later"; nothing is known of any document.
            RequestRefused: any other answer that is not a success.
        """
        answer = self._perform("POST", "/_bulk", {"filter_path": _FIELDS}, LINES_BODY, body)
        if answer == _all_stored(count):
            return None
        try:
            answers = [item_answer(item) for item in orjson.loads(answer)["items"]]  # type: ignore[arg-type]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise StoreUnavailable(self.url, "the answer to a bulk request cannot be read") from error
        if len(answers) != count:
            raise StoreUnavailable(self.url, f"{len(answers)} answers for {count} documents")
        return answers


def connect_bulk(settings: ElasticsearchSettings) -> BulkClient:
    """Return a client for bulk requests to the configured cluster; no request is made yet.

    Raises:
        ConfigurationError: the address or a certificate file is not usable.
    """
    return BulkClient.open(settings, {"application/json": Bytes(), "application/x-ndjson": Bytes()})


class Bytes(elastic_transport.Serializer):
    """Takes bytes for what they are, both ways."""

    def loads(self, data: bytes) -> bytes:
        """Return what the server sent."""
        return data

    def dumps(self, data: Any) -> bytes:
        """Return what shall be sent."""
        return bytes(data)


def _all_stored(count: int) -> bytes:
    return b'{"errors":false,"items":[' + b",".join([_ITEM_STORED] * count) + b"]}"
