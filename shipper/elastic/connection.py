"""The one way out to Elasticsearch: our errors, and nothing repeated behind our back.

The library's own retries are off: each caller of ours has its own patience, and a repeat that
nobody sees would hide an outage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

import elastic_transport
import elasticsearch
import elasticsearch.serializer
from elastic_transport.client_utils import DEFAULT

from shipper.config import ElasticsearchSettings
from shipper.elastic.answers import JsonObject
from shipper.elastic.failures import CLIENT_ERRORS, mapped
from shipper.errors import ConfigurationError, RequestRefused

_JSON: Final = {"accept": "application/json"}
_JSON_BODY: Final = {"accept": "application/json", "content-type": "application/json"}
LINES_BODY: Final = {"accept": "application/json", "content-type": "application/x-ndjson"}
"""Headers of a request whose body is lines of JSON."""


class Connection:
    """Pooled connections to one cluster. Safe to share between threads."""

    def __init__(self, library_client: elasticsearch.Elasticsearch, url: str) -> None:
        self._library = library_client
        self.url = url

    @classmethod
    def open(
        cls,
        settings: ElasticsearchSettings,
        serializers: Mapping[str, elastic_transport.Serializer] | None = None,
    ) -> Self:
        """Prepare connections as the settings say; no request is made yet.

        Args:
            serializers: in place of the usual ones, by media type.

        Raises:
            ConfigurationError: the address or a certificate file is not usable.
        """
        return cls(_library_client(settings, serializers or _SERIALIZERS), settings.url)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; this object is of no use afterwards."""
        self._library.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> JsonObject:
        """Send one request and return the JSON object that answers it.

        Raises:
            StoreUnavailable: no answer, or one that says "later".
            RequestRefused: any other answer that is not a success.
        """
        if headers is None:
            headers = _JSON if body is None else _JSON_BODY
        content: object = self._perform(method, path, params, headers, body)
        if not isinstance(content, dict):
            raise RequestRefused(200, f"the answer of {self.url} is not a JSON object")
        return content

    def _perform(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> object:
        """Send one request; return what the serialiser made of the answer. Raises as `request` does."""
        try:
            answer = self._library.perform_request(method, path, params=params, headers=headers, body=body)
        except CLIENT_ERRORS as error:
            raise mapped(error, self.url) from error
        return answer.body

    def request_or_none(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> JsonObject | None:
        """Like `request`, with None for an answer of status 404."""
        try:
            return self.request(method, path, params=params, body=body)
        except RequestRefused as error:
            if error.status == 404:
                return None
            raise


class _Lenient(elasticsearch.serializer.OrjsonSerializer):
    """Reads what the server sends, even where a document in it is not strict JSON.

    The server hands documents out as they were written, and takes more than the strict reader does (a number beyond
    a double, for one). A single such document must not make every search that finds it fail.
    """

    def json_loads(self, data: bytes) -> Any:
        """Return the decoded answer. Raises ValueError."""
        try:
            return super().json_loads(data)
        except ValueError:
            return json.loads(data.decode("utf-8", "replace"))


_SERIALIZERS: Final = {"application/json": _Lenient()}


def _library_client(
    settings: ElasticsearchSettings, serializers: Mapping[str, elastic_transport.Serializer]
) -> elasticsearch.Elasticsearch:
    password = settings.password.get_secret_value()
    api_key = settings.api_key.get_secret_value()
    if api_key and settings.username:
        raise ConfigurationError("Set either elasticsearch.api_key or elasticsearch.username, not both.")
    if settings.ca_certs is not None and not settings.ca_certs.is_file():
        raise ConfigurationError(f"elasticsearch.ca_certs names {settings.ca_certs}, which is not a file.")
    try:
        return elasticsearch.Elasticsearch(
            _with_port(settings.url),
            basic_auth=(settings.username, password) if settings.username else None,
            api_key=api_key or None,
            ca_certs=str(settings.ca_certs) if settings.ca_certs is not None else DEFAULT,
            request_timeout=settings.request_timeout_s,
            max_retries=0,
            retry_on_timeout=False,
            serializers=dict(serializers),
        )
    except (ValueError, TypeError, OSError) as error:
        raise ConfigurationError(f"elasticsearch.url {settings.url} is not usable: {error}.") from error


def _with_port(url: str) -> str:
    """Return `url` with its scheme's usual port where it names none, as every browser does."""
    parts = urlsplit(url)
    if parts.port is not None:
        return url
    port = 443 if parts.scheme == "https" else 80
    return urlunsplit(parts._replace(netloc=f"{parts.netloc}:{port}"))
