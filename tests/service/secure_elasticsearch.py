"""An Elasticsearch of the test's own with security and TLS on: users of the file realm, a certificate made here."""

from __future__ import annotations

import json
import shutil
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any, Final

import trustme

from shipper.clock import SystemClock
from shipper.config import ElasticsearchSettings, StackSettings, load_settings
from shipper.elastic.client import ElasticClient, connect
from shipper.schema.roles import password_line
from shipper.stack import EmbeddedStack
from shipper.stack.process import find_marked, start, stop
from tests.service.front import Tls
from tests.service.running_stack import free_ports

ADMIN: Final = "admin"
PASSWORD: Final = "a long password: of a test"
_START_S: Final = 240


class SecureElasticsearch:
    """One node; whoever asks must say who one is, over TLS.

    Args:
        folder: for certificates and settings.
        roles_yaml: text of `roles.yml`.
        users: roles of each user; all have `PASSWORD`. `ADMIN`, who may do everything, is added.
    """

    def __init__(self, folder: Path, roles_yaml: str, users: Mapping[str, tuple[str, ...]]) -> None:
        kafka, controller, self.port, transport = free_ports(4)
        settings = StackSettings(
            directory=folder / "stack",
            cache=load_settings().stack.cache,
            kafka_port=kafka,
            kafka_controller_port=controller,
            elasticsearch_port=self.port,
            elasticsearch_transport_port=transport,
            elasticsearch_heap_mib=512,
        )
        self._stack = EmbeddedStack(settings)
        self._server: Any = self._stack._servers["elasticsearch"]
        self._roles = roles_yaml
        self._users = {**users, ADMIN: ("superuser",)}
        self.ca = folder / "ca.pem"
        self._folder = folder

    @property
    def tls(self) -> Tls:
        """Its certificate, for a front before it."""
        configuration = self._server.folder.configuration
        return Tls(configuration / "node.pem", configuration / "node.key", self.ca)

    @property
    def url(self) -> str:
        """Its address."""
        return f"https://127.0.0.1:{self.port}"

    def settings(self, user: str, **more: Any) -> ElasticsearchSettings:
        """Settings of a user."""
        values = {"url": self.url, "username": user, "password": PASSWORD, "ca_certs": self.ca}
        return ElasticsearchSettings.model_validate(values | more)

    def environment(self, user: str) -> dict[str, str]:
        """Variables with which a command works as this user."""
        return {
            "SHIPPER_ELASTICSEARCH_URL": self.url,
            "SHIPPER_ELASTICSEARCH_USERNAME": user,
            "SHIPPER_ELASTICSEARCH_PASSWORD": PASSWORD,
            "SHIPPER_ELASTICSEARCH_CA_CERTS": str(self.ca),
        }

    def client(self, user: str = ADMIN) -> ElasticClient:
        """A client of this user; to be closed."""
        return connect(self.settings(user))

    def status(
        self, method: str, path: str, document: object = None, *, user: str = ADMIN, body: str = ""
    ) -> int:
        """Send one request as a user; return the status, or the worst status of a bulk request's items."""
        context = ssl.create_default_context(cafile=str(self.ca))
        connection = HTTPSConnection("127.0.0.1", self.port, context=context, timeout=30)
        token = b64encode(f"{user}:{PASSWORD}".encode()).decode()
        kind = "application/x-ndjson" if body else "application/json"
        headers = {"Authorization": f"Basic {token}", "Content-Type": kind}
        try:
            sent = body or (json.dumps(document) if document is not None else None)
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if body and answer.status == 200:
            items = json.loads(content)["items"]
            return max(int(next(iter(item.values()))["status"]) for item in items)
        return answer.status

    def start(self) -> None:
        """Write the configuration, start, and wait until it answers an administrator."""
        self._server.prepare()
        configuration = self._server.folder.configuration
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca)
        issued = authority.issue_cert("127.0.0.1", "localhost")
        written = {
            "ca.pem": authority.cert_pem.bytes(),
            "node.pem": b"".join(blob.bytes() for blob in issued.cert_chain_pems),
            "node.key": issued.private_key_pem.bytes(),
            "roles.yml": self._roles.encode(),
            "users": "".join(f"{password_line(name, PASSWORD)}\n" for name in self._users).encode(),
            "users_roles": _users_roles(self._users).encode(),
        }
        for name, content in written.items():
            (configuration / name).write_bytes(content)
            (configuration / name).chmod(0o644)
        yaml = configuration / "elasticsearch.yml"
        text = yaml.read_text("utf-8").replace(
            "xpack.security.enabled: false\n",
            "".join(f"{key}: {json.dumps(value)}\n" for key, value in _security().items()),
        )
        yaml.write_text(text, "utf-8")
        start(self._server.command(), self._stack._placement.account)
        deadline_s = time.monotonic() + _START_S
        while not self._answers():
            assert time.monotonic() < deadline_s, self._server.folder.explain()
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            return self.status("GET", "/_cluster/health?wait_for_status=yellow&timeout=5s") == 200
        except (OSError, HTTPException):
            return False

    def stop(self) -> None:
        """Stop it and delete what it wrote."""
        root = self._server.folder.root
        stop(find_marked(root), clock=SystemClock(), patience_s=20)
        shutil.rmtree(root, ignore_errors=True)


def _users_roles(users: Mapping[str, tuple[str, ...]]) -> str:
    names = sorted({role for roles in users.values() for role in roles})
    return "".join(
        f"{role}:{','.join(user for user, roles in users.items() if role in roles)}\n" for role in names
    )


def _security() -> dict[str, object]:
    values: dict[str, object] = {
        "xpack.security.enabled": True,
        "xpack.security.autoconfiguration.enabled": False,
        "xpack.security.authc.realms.file.file1.order": 0,
        "xpack.security.authc.api_key.enabled": False,
    }
    for side in ("http", "transport"):
        prefix = f"xpack.security.{side}.ssl"
        values |= {
            f"{prefix}.enabled": True,
            f"{prefix}.key": "node.key",
            f"{prefix}.certificate": "node.pem",
            f"{prefix}.certificate_authorities": ["ca.pem"],
        }
    return values


@contextmanager
def secure_elasticsearch(
    folder: Path, roles_yaml: str, users: Mapping[str, tuple[str, ...]]
) -> Iterator[SecureElasticsearch]:
    """Run one."""
    server = SecureElasticsearch(folder, roles_yaml, users)
    try:
        server.start()
        yield server
    finally:
        server.stop()
