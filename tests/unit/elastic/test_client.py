"""The client against a raw HTTP server: what it sends, and what it makes of odd answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shipper.config import ElasticsearchSettings
from shipper.elastic.answers import failure_reason
from shipper.elastic.client import ElasticClient, connect
from shipper.elastic.kibana import import_saved_objects
from shipper.errors import ConfigurationError, RequestRefused, StoreUnavailable


@dataclass
class Wire:
    """What the server answers next, and what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    product: str = "Elasticsearch"
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A server on a free port of this machine that answers as told."""
    told = Wire()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.requests.append((self.command, self.path, headers, self.rfile.read(length)))
            self.send_response(told.status)
            self.send_header("content-type", told.content_type)
            self.send_header("content-length", str(len(told.body)))
            if told.product:
                self.send_header("x-elastic-product", told.product)
            self.end_headers()
            self.wfile.write(told.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client(wire: Wire) -> Iterator[ElasticClient]:
    """A client of that server."""
    with connect(ElasticsearchSettings(url=wire.url, request_timeout_s=5)) as client:
        yield client


def test_bulk_bytes_leave_untouched(wire: Wire, client: ElasticClient) -> None:
    """The body of a bulk request is sent byte for byte, as lines of JSON."""
    wire.body = b'{"errors":false,"items":[{"create":{"status":201}}]}'
    body = '{"create":{"_index":"i","_id":"1"}}\n{"message":"Grüße  "}\n'.encode()
    (answer,) = client.bulk(body)
    assert answer.status == 201
    method, path, headers, sent = wire.requests[-1]
    assert (method, path.partition("?")[0], sent) == ("POST", "/_bulk", body)
    assert "x-ndjson" in headers["content-type"]


def test_bulk_reads_each_item(wire: Wire, client: ElasticClient) -> None:
    """Each item has its own status, error, causes and failure store mark, whatever the action was."""
    wire.body = json.dumps(
        {
            "errors": True,
            "items": [
                {"create": {"status": 409, "error": {"type": "conflict", "reason": "there"}}},
                {
                    "index": {
                        "status": 400,
                        "error": {"type": "t", "reason": "a", "caused_by": {"reason": "b\n c"}},
                    }
                },
                {"create": {"status": 201, "failure_store": "used"}},
            ],
        }
    ).encode()
    conflict, bad, aside = client.bulk(b"x\n")
    assert (conflict.status, conflict.error_type) == (409, "conflict")
    assert bad.reason == "a: b c"
    assert aside.in_failure_store
    assert not conflict.in_failure_store


def test_a_server_that_is_not_elasticsearch_is_named(wire: Wire, client: ElasticClient) -> None:
    """A 200 without Elasticsearch's mark is refused, not believed."""
    wire.product = ""
    with pytest.raises(RequestRefused, match="not Elasticsearch"):
        client.health()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"<html>hello</html>", "text/html"), (b'{"half', "application/json"), (b"[]", "application/json")],
)
def test_an_unreadable_answer_is_a_refusal(
    wire: Wire, client: ElasticClient, body: bytes, content_type: str
) -> None:
    """HTML, half an object or a list where an object belongs: RequestRefused, never another exception."""
    wire.body, wire.content_type = body, content_type
    with pytest.raises(RequestRefused):
        client.health()


def test_nothing_is_repeated_behind_our_back(wire: Wire, client: ElasticClient) -> None:
    """A 503 is one request and one StoreUnavailable: patience belongs to the caller."""
    wire.status, wire.body = 503, b'{"error":{"type":"u","reason":"no master"},"status":503}'
    with pytest.raises(StoreUnavailable, match="no master"):
        client.health()
    assert len(wire.requests) == 1


def test_ids_may_hold_anything(wire: Wire, client: ElasticClient) -> None:
    """An id with slashes, spaces and question marks stays one segment of the path."""
    wire.status, wire.body = 404, b"{}"
    assert client.get("i", "a/b c?d#e%") is None
    assert wire.requests[-1][1] == "/i/_doc/a%2Fb%20c%3Fd%23e%25"


def test_credentials_are_sent(wire: Wire) -> None:
    """User and password go as basic authentication, an API key as ApiKey."""
    with connect(ElasticsearchSettings(url=wire.url, username="u", password="p")) as client:
        client.refresh("i")
    assert wire.requests[-1][2]["authorization"].startswith("Basic ")
    with connect(ElasticsearchSettings(url=wire.url, api_key="a2V5")) as client:
        client.refresh("i")
    assert wire.requests[-1][2]["authorization"] == "ApiKey a2V5"


def test_a_dead_address_is_unavailable() -> None:
    """Nothing listens: StoreUnavailable with the address, no trace of the library."""
    with (
        connect(ElasticsearchSettings(url="http://127.0.0.1:1")) as client,
        pytest.raises(StoreUnavailable, match=r"http://127.0.0.1:1 cannot be reached \(Connection refused\)"),
    ):
        client.health()


def test_wrong_settings_are_refused_before_any_request(tmp_path: Path) -> None:
    """Two kinds of credentials, a missing certificate file, a broken port: ConfigurationError."""
    for settings in (
        ElasticsearchSettings(url="http://h:1", api_key="k", username="u"),
        ElasticsearchSettings(url="https://h:1", ca_certs=tmp_path / "none.pem"),
        ElasticsearchSettings(url="http://h:port"),
    ):
        with pytest.raises(ConfigurationError):
            connect(settings)


def test_a_url_without_port_has_the_usual_one(wire: Wire) -> None:
    """http means 80 and https 443 where the address names no port; a path is kept."""
    with connect(ElasticsearchSettings(url="https://es.example/prefix")) as client:
        assert client.url == "https://es.example/prefix"


def test_failure_reason_takes_what_it_gets() -> None:
    """A text, an object, or nothing at all; a cause that only repeats is left out."""
    assert failure_reason("plain") == "plain"
    assert failure_reason(None) == ""
    assert failure_reason({"reason": "a", "caused_by": {"reason": "a"}}) == "a"
    assert failure_reason({"type": "only_type"}) == "only_type"


class TestKibana:
    """Import of saved objects."""

    def test_the_import_is_what_kibana_expects(self, wire: Wire, tmp_path: Path) -> None:
        """A multipart POST with the header kbn-xsrf; existing objects are replaced."""
        path = tmp_path / "all.ndjson"
        path.write_text('{"id":"x"}\n')
        wire.body = b'{"success":true,"successCount":1}'
        result = import_saved_objects(wire.url + "/s/team/", [path], ElasticsearchSettings(username="u"))
        assert (result.imported, result.problems) == (1, ())
        method, url_path, headers, body = wire.requests[-1]
        assert (method, url_path) == ("POST", "/s/team/api/saved_objects/_import?overwrite=true")
        assert headers["kbn-xsrf"]
        assert headers["content-type"].startswith("multipart/form-data")
        assert headers["authorization"].startswith("Basic ")
        assert b'filename="all.ndjson"' in body
        assert b'{"id":"x"}\n' in body

    def test_objects_that_kibana_refuses_are_named(self, wire: Wire, tmp_path: Path) -> None:
        """A missing reference is one sentence with type and id."""
        path = tmp_path / "all.ndjson"
        path.write_text("{}\n")
        error = {"type": "missing_references", "references": [{"type": "index-pattern", "id": "gone"}]}
        wire.body = json.dumps(
            {
                "success": False,
                "successCount": 0,
                "errors": [{"id": "d", "type": "dashboard", "error": error}],
            }
        ).encode()
        result = import_saved_objects(wire.url, [path], ElasticsearchSettings())
        assert result.problems == ("dashboard d: missing_references (index-pattern gone)",)

    @pytest.mark.parametrize(
        ("status", "body", "kind"),
        [
            (503, b"Kibana server is not ready yet", StoreUnavailable),
            (200, b"<html/>", RequestRefused),
            (400, b'{"message":"bad"}', RequestRefused),
        ],
    )
    def test_trouble_is_ours(
        self, wire: Wire, tmp_path: Path, status: int, body: bytes, kind: type[Exception]
    ) -> None:
        """Not ready is retriable; anything else that is no import answer is refused."""
        path = tmp_path / "all.ndjson"
        path.write_text("{}\n")
        wire.status, wire.body = status, body
        with pytest.raises(kind):
            import_saved_objects(wire.url, [path], ElasticsearchSettings())

    def test_a_dead_kibana_is_unavailable(self, tmp_path: Path) -> None:
        """Nothing listens: StoreUnavailable."""
        path = tmp_path / "all.ndjson"
        path.write_text("{}\n")
        with pytest.raises(StoreUnavailable):
            import_saved_objects("http://127.0.0.1:1", [path], ElasticsearchSettings())
