"""A thin, typed client: the calls that shipper needs, with our errors.

`info()` is never called: the embedded server answers 405 to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import orjson

from shipper.config import ElasticsearchSettings
from shipper.elastic.answers import (
    ClusterHealth,
    Document,
    ItemAnswer,
    JsonObject,
    ServerFacts,
    failure_reason,
    item_answer,
)
from shipper.elastic.connection import LINES_BODY, Connection
from shipper.elastic.failures import RETRIABLE_STATUSES
from shipper.elastic.starting import once_started
from shipper.errors import RequestRefused, StoreError, StoreUnavailable

_NO_INDEX: Final = "index_not_found_exception"
_BULK_FIELDS: Final = "errors,items.*.status,items.*.error,items.*.failure_store"


class ElasticClient(Connection):
    """Requests to one cluster. Safe to share between threads.

    Every method raises `StoreUnavailable` where a repeat can help and `RequestRefused` where it cannot.
    """

    # Documents

    def bulk(self, body: bytes) -> list[ItemAnswer]:
        """Send a finished bulk body (lines of JSON, each ended by a newline).

        Returns:
            One answer per item, in the order of the request.
        """
        answer = self.request(
            "POST", "/_bulk", params={"filter_path": _BULK_FIELDS}, body=body, headers=LINES_BODY
        )
        return [item_answer(item) for item in answer.get("items", ())]

    def get(self, index: str, document_id: str) -> Document | None:
        """Return a document by id as of now (no refresh needed), or None where it or its index is absent."""
        found = self.request_or_none("GET", f"/{_part(index)}/_doc/{_part(document_id)}")
        return None if found is None else _document(found, self.url)

    def get_many(self, index: str, ids: Sequence[str]) -> list[Document | None]:
        """Return documents by id as `get` does, in this order, by one request."""
        if not ids:
            return []
        body = orjson.dumps({"ids": list(ids)})
        answer = self.request("POST", f"/{_part(index)}/_mget", body=body)
        return [_document(one, self.url) for one in answer["docs"]]

    def put_many(
        self, index: str, writes: Sequence[tuple[str, Mapping[str, Any], Document | None]]
    ) -> list[bool]:
        """Store documents by one request, each only where nobody else wrote it.

        Args:
            writes: id, source, and the stored document that it replaces; None: there shall be none yet.

        Returns:
            Per document, whether it was stored; False where another one is there than was expected.
        """
        lines: list[bytes] = []
        for document_id, source, known in writes:
            about: dict[str, Any] = {"_index": index, "_id": document_id}
            if known is not None:
                about |= {"if_seq_no": known.seq_no, "if_primary_term": known.primary_term}
            lines += [orjson.dumps({"create" if known is None else "index": about}), orjson.dumps(source)]
        answers = self.bulk(b"".join(line + b"\n" for line in lines)) if lines else []
        for one in answers:
            if one.status >= 300 and one.status != 409:
                raise _failed(one.status, one.reason, self.url)
        return [one.status != 409 for one in answers]

    def create(
        self, index: str, document_id: str, source: Mapping[str, Any], *, refresh: bool = False
    ) -> bool:
        """Store a new document; return False, changing nothing, where the id exists already."""
        try:
            self.request(
                "PUT",
                f"/{_part(index)}/_create/{_part(document_id)}",
                params={"refresh": "true"} if refresh else None,
                body=orjson.dumps(source),
            )
        except RequestRefused as error:
            if error.status == 409:
                return False
            raise
        return True

    def put(
        self,
        index: str,
        document_id: str,
        source: Mapping[str, Any],
        *,
        unless_changed_since: Document | None = None,
        refresh: bool = False,
    ) -> None:
        """Store a document under its id, replacing what is there.

        Args:
            unless_changed_since: refuse (`RequestRefused`, status 409) where the stored document is not this one.
        """
        params = {"refresh": "true"} if refresh else {}
        if unless_changed_since is not None:
            params["if_seq_no"] = str(unless_changed_since.seq_no)
            params["if_primary_term"] = str(unless_changed_since.primary_term)
        self.request(
            "PUT", f"/{_part(index)}/_doc/{_part(document_id)}", params=params, body=orjson.dumps(source)
        )

    def update(
        self, index: str, document_id: str, changes: Mapping[str, Any], *, refresh: bool = False
    ) -> None:
        """Merge `changes` into a stored document; concurrent updates are repeated by the server."""
        params = {"retry_on_conflict": "3"} | ({"refresh": "true"} if refresh else {})
        self.request(
            "POST",
            f"/{_part(index)}/_update/{_part(document_id)}",
            params=params,
            body=orjson.dumps({"doc": changes}),
        )

    def delete(self, index: str, document_id: str) -> None:
        """Remove a document; nothing happens where it is absent."""
        self.request_or_none("DELETE", f"/{_part(index)}/_doc/{_part(document_id)}")

    # Searches

    def search(self, index: str, body: Mapping[str, Any]) -> JsonObject:
        """Search one index, pattern or comma-separated list; an empty `index` goes with a point in time.

        A result is whole or an error: what only some shards answered is never returned as if it were all.
        """
        params = {"allow_partial_search_results": "false"}
        if index:
            params["ignore_unavailable"] = "true"
        path = f"/{_part(index)}/_search" if index else "/_search"
        return once_started(lambda: self.request("POST", path, params=params, body=orjson.dumps(body)))

    def msearch(self, searches: Iterable[tuple[str, Mapping[str, Any]]]) -> list[JsonObject]:
        """Run several searches, each an index pattern and a body, in one request; all succeed or it raises."""
        lines: list[bytes] = []
        for index, body in searches:
            header = {"index": index, "ignore_unavailable": True, "allow_partial_search_results": False}
            lines += [orjson.dumps(header), b"\n", orjson.dumps(body), b"\n"]
        return once_started(lambda: self._msearch(b"".join(lines)))

    def _msearch(self, lines: bytes) -> list[JsonObject]:
        answer = self.request("POST", "/_msearch", body=lines, headers=LINES_BODY)
        responses: list[JsonObject] = answer["responses"]
        for response in responses:
            if "error" in response:
                raise _failed_search(response, self.url)
        return responses

    def count(self, index: str, query: Mapping[str, Any] | None = None) -> int:
        """Return the number of documents that match; 0 where no such index exists.

        It is a search and not the server's `_count`, which passes over shards that fail and returns less in silence.
        """
        body: dict[str, Any] = {"size": 0, "track_total_hits": True}
        if query is not None:
            body["query"] = query
        return int(self.search(index, body)["hits"]["total"]["value"])

    def open_point_in_time(self, index: str, *, keep_alive_s: float) -> str:
        """Freeze what a search of `index` sees; the id goes into the body of searches with an empty index."""
        params = {"keep_alive": f"{max(1, round(keep_alive_s))}s", "ignore_unavailable": "true"}
        opened = once_started(lambda: self.request("POST", f"/{_part(index)}/_pit", params=params))
        return str(opened["id"])

    def close_point_in_time(self, point_in_time: str) -> None:
        """Give the frozen view back; nothing happens where it has run out already."""
        self.request_or_none("DELETE", "/_pit", body=orjson.dumps({"id": point_in_time}))

    # Indices and templates

    def indices(self, pattern: str, *, states: str = "open") -> list[str]:
        """Return the names of the indices that match, sorted.

        Args:
            states: of `open`, `closed`, `hidden`, separated by commas; hidden ones may be open or closed.
        """
        params = {"filter_path": "*.settings.index.uuid", "expand_wildcards": states}
        return sorted(self.request("GET", f"/{_part(pattern)}/_settings", params=params))

    def create_index(self, index: str, definition: Mapping[str, Any] | None = None) -> None:
        """Create an index as its template says, or as defined; `RequestRefused`, status 400, where it exists."""
        self.request("PUT", f"/{_part(index)}", body=orjson.dumps(definition) if definition else None)

    def delete_index(self, index: str) -> None:
        """Delete one index with all its documents; nothing happens where it is absent."""
        self.request_or_none("DELETE", f"/{_part(index)}")

    def index_definitions(self, pattern: str) -> dict[str, JsonObject]:
        """Return `settings` and `mappings` of the indices that match, by name."""
        return dict(self.request_or_none("GET", f"/{_part(pattern)}") or {})

    def index_definition(self, index: str) -> JsonObject | None:
        """Return `settings` and `mappings` of one index, or None where there is no such index."""
        return self.index_definitions(index).get(index)

    def refresh(self, index: str) -> None:
        """Make everything that was stored in the matching indices visible to searches."""
        self.request("POST", f"/{_part(index)}/_refresh", params={"ignore_unavailable": "true"})

    def component_template(self, name: str) -> JsonObject | None:
        """Return the body of a component template, or None where it is not installed."""
        found = self.request_or_none("GET", f"/_component_template/{_part(name)}")
        return None if found is None else found["component_templates"][0]["component_template"]

    def put_component_template(self, name: str, body: Mapping[str, Any]) -> None:
        """Install a component template, replacing the one of this name."""
        self.request("PUT", f"/_component_template/{_part(name)}", body=orjson.dumps(body))

    def index_template(self, name: str) -> JsonObject | None:
        """Return the body of an index template, or None where it is not installed."""
        found = self.request_or_none("GET", f"/_index_template/{_part(name)}")
        return None if found is None else found["index_templates"][0]["index_template"]

    def put_index_template(self, name: str, body: Mapping[str, Any]) -> None:
        """Install an index template, replacing the one of this name."""
        self.request("PUT", f"/_index_template/{_part(name)}", body=orjson.dumps(body))

    def simulate_index(self, index: str) -> JsonObject:
        """Return what an index of this name would be created with: `template` and `overlapping`."""
        return self.request("POST", f"/_index_template/_simulate_index/{_part(index)}")

    # The cluster

    def health(self) -> ClusterHealth:
        """Return the health of the cluster without waiting for a better one."""
        found = self.request("GET", "/_cluster/health")
        return ClusterHealth(found["cluster_name"], found["status"], int(found["number_of_nodes"]))

    def server_facts(self) -> ServerFacts:
        """Return version and time of the node that answers."""
        versions = self.request("GET", "/_nodes/_local", params={"filter_path": "nodes.*.version"})
        times = self.request("GET", "/_nodes/_local/stats/fs", params={"filter_path": "nodes.*.timestamp"})
        (version,) = versions["nodes"].values()
        (moment,) = times["nodes"].values()
        return ServerFacts(version=version["version"], time_us=int(moment["timestamp"]) * 1000)


def connect(settings: ElasticsearchSettings) -> ElasticClient:
    """Return a client for the configured cluster; no request is made yet.

    Raises:
        ConfigurationError: the address or a certificate file is not usable.
    """
    return ElasticClient.open(settings)


def _part(text: str) -> str:
    """Return `text` as one segment of a path: ids may hold anything."""
    return quote(text, safe=",*-")


def _document(found: Mapping[str, Any], url: str) -> Document | None:
    """Return what was found under an id, None where there is nothing or no index of this name."""
    error = found.get("error")
    if error is not None and error.get("type") != _NO_INDEX:
        raise StoreUnavailable(url, failure_reason(error))
    if not found.get("found"):
        return None
    return Document(
        index=found["_index"],
        id=found["_id"],
        source=found["_source"],
        seq_no=found["_seq_no"],
        primary_term=found["_primary_term"],
    )


def _failed_search(response: Mapping[str, Any], url: str) -> StoreError:
    return _failed(int(response.get("status", 500)), failure_reason(response["error"]), url)


def _failed(status: int, reason: str, url: str) -> StoreError:
    if status in RETRIABLE_STATUSES:
        return StoreUnavailable(url, f"status {status}: {reason}")
    return RequestRefused(status, reason)
