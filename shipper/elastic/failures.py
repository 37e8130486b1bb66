"""Each exception of the client library becomes one of ours; nothing of the library leaks.

=================================  =====================================================
the library's                      ours
=================================  =====================================================
connection, TLS, time-out          `StoreUnavailable`: a repeat can help
status 408, 429, 500, 502-504      `StoreUnavailable`: the server says "later"
any other status                   `RequestRefused` with the status
an answer that cannot be read      `RequestRefused`: something else listens at that address
=================================  =====================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import elastic_transport
import elasticsearch
import orjson

from shipper.elastic.answers import failure_reason
from shipper.errors import RequestRefused, StoreError, StoreUnavailable

RETRIABLE_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504})
"""HTTP statuses of a whole request after which the same request may succeed."""

CLIENT_ERRORS: Final = (elastic_transport.TransportError, elastic_transport.ApiError)
"""The two roots of all exceptions that the client library raises for a request."""

_REASON_LIMIT: Final = 500


def mapped(error: Exception, url: str) -> StoreError:
    """Return our error for an exception of the client library; the caller raises it `from` the original."""
    if isinstance(error, elasticsearch.UnsupportedProductError):
        return RequestRefused(error.meta.status, f"the server at {url} is not Elasticsearch")
    if isinstance(error, elastic_transport.ApiError):
        return _from_status(error, url)
    if isinstance(error, elastic_transport.SerializationError):
        return RequestRefused(
            200, f"the answer of {url} cannot be read, so it is probably not Elasticsearch ({_short(error)})"
        )
    if isinstance(error, elastic_transport.ConnectionTimeout):
        return StoreUnavailable(url, "no answer in time")
    if isinstance(error, elastic_transport.TlsError):
        return StoreUnavailable(url, f"TLS failed: {_short(error)}; check elasticsearch.ca_certs")
    return StoreUnavailable(url, _short(error))


def _from_status(error: elastic_transport.ApiError, url: str) -> StoreError:
    status = error.meta.status
    reason = _body_reason(error.body) or str(error.message)[:_REASON_LIMIT]
    if status in RETRIABLE_STATUSES:
        return StoreUnavailable(url, f"status {status}: {reason}")
    if status in (401, 403):
        reason += "; check elasticsearch.username or elasticsearch.api_key and the rights behind it"
    return RequestRefused(status, reason)


def _body_reason(body: object) -> str:
    if isinstance(body, bytes):  # of a client that leaves answers as they are
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            return ""
    if isinstance(body, Mapping):
        return failure_reason(body.get("error"))[:_REASON_LIMIT]
    return ""


def _short(error: Exception) -> str:
    """Return one line of the library's text without the class names that it likes to repeat."""
    text = " ".join(str(getattr(error, "message", error)).split()) or type(error).__name__
    # urllib3 wraps what it knows: <...Connection(...) at 0x...>: Failed to ...: [Errno 111] Connection refused,
    # ('Connection aborted.', RemoteDisconnected('Remote end closed connection without response')).
    for mark in ("[Errno", "('"):
        if mark in text:
            text = text.rpartition(mark)[2]
            text = text.partition("] ")[2] or text
    return text.strip(" )'\"")[:_REASON_LIMIT]
