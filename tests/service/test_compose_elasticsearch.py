"""Elasticsearch as docker-compose.yml sets it up, on the real server: TLS with the stack's certificates, and each service's user.

The server's `xpack.*` settings and the services' SHIPPER_ELASTICSEARCH_* are those that the compose program resolves; the
certificates are those of `certificates.sh`, the roles of users those of `users.sh`. Users stand in the file realm,
since this server has no native one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from shipper.assets import asset
from shipper.config import ElasticsearchSettings
from shipper.elastic.client import connect
from shipper.errors import StoreError
from shipper.schema.roles import password_line
from shipper.stack.process import start
from tests.service.compose_files import SCRIPTS, composed_services, make_certificates
from tests.service.running_stack import RunningStack
from tests.service.secure_elasticsearch import ADMIN, PASSWORD, SecureElasticsearch
from tests.unit.test_compose import SECRETS

_START_S: Final = 180


class ComposedElasticsearch(SecureElasticsearch):
    """The service `elasticsearch` of the compose file, as a process of this machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, (asset("es_templates") / "roles" / "roles.yml").read_text("utf-8"), {})
        self.services = composed_services()
        self.certificates = folder / "certificates"
        self.ca = self.certificates / "public" / "ca.crt"

    def users(self) -> dict[str, tuple[str, list[str]]]:
        """Return password and roles of each user that `users.sh` makes; `elastic` is the server's own."""
        found = {"elastic": (SECRETS["ELASTIC_PASSWORD"], ["superuser"]), ADMIN: (PASSWORD, ["superuser"])}
        text = (SCRIPTS / "users.sh").read_text("utf-8")
        for name, secret, roles in re.findall(r'^user (\w+) "\$(\w+)" \'(.+)\'$', text, re.MULTILINE):
            found[name] = (
                SECRETS[secret],
                [role for role in json.loads(f"[{roles}]") if role != "shipper_boards"],
            )
        return found

    def start(self) -> None:
        """Make certificates and users, and start with the settings of the file."""
        make_certificates(self.certificates)
        self._server.prepare()
        configuration = self._server.folder.configuration
        (configuration / "certs").mkdir()
        for path in (self.certificates / "elasticsearch").iterdir():
            (configuration / "certs" / path.name).write_bytes(path.read_bytes())
        users = self.users()
        holders = {
            role: [name for name, (_, held) in users.items() if role in held]
            for _, all_ in users.values()
            for role in all_
        }
        written = {
            "roles.yml": self._roles,
            "users": "".join(f"{password_line(name, password)}\n" for name, (password, _) in users.items()),
            "users_roles": "".join(f"{role}:{','.join(names)}\n" for role, names in holders.items()),
        }
        for name, text in written.items():
            (configuration / name).write_text(text)
        for path in (configuration, *configuration.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        if self._stack._placement.account is not None:
            os.chown(configuration, self._stack._placement.account.uid, self._stack._placement.account.gid)
        given = self.services["elasticsearch"]["environment"]
        settings = {key: value for key, value in given.items() if key.startswith("xpack.security.")}
        # The elastic user of the file realm stands for the reserved one, which needs an index that this server cannot make.
        settings |= {
            "xpack.security.authc.realms.file.file1.order": "0",
            "xpack.security.authc.reserved_realm.enabled": "false",
            "xpack.security.authc.api_key.enabled": "false",
        }
        yml = configuration / "elasticsearch.yml"
        lines = "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        yml.write_text(yml.read_text("utf-8").replace("xpack.security.enabled: false\n", lines))
        start(self._server.command(), self._stack._placement.account)
        deadline_s = time.monotonic() + _START_S
        while not self._answers():
            assert time.monotonic() < deadline_s, self._server.folder.explain()
            time.sleep(0.2)

    def environment_of(self, service: str) -> dict[str, str]:
        """Return what a service is given of ours, with an address and a path of this machine."""
        given = {key: str(value) for key, value in self.services[service]["environment"].items()}
        ours = {key: value for key, value in given.items() if key.startswith("SHIPPER_ELASTICSEARCH_")}
        assert ours["SHIPPER_ELASTICSEARCH_URL"].startswith("https://")
        return {
            **ours,
            "SHIPPER_ELASTICSEARCH_URL": f"https://localhost:{self.port}",
            "SHIPPER_ELASTICSEARCH_CA_CERTS": str(self.ca),
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
        }

    def settings_of(self, service: str, **more: Any) -> ElasticsearchSettings:
        """Return the same as settings."""
        given = {
            key.removeprefix("SHIPPER_ELASTICSEARCH_").lower(): value
            for key, value in self.environment_of(service).items()
            if key.startswith("SHIPPER_ELASTICSEARCH_")
        }
        return ElasticsearchSettings.model_validate({**given, **more})


def run(server: ComposedElasticsearch, service: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours as a service."""
    return subprocess.run(
        [sys.executable, "-m", "shipper", *words],
        env=server.environment_of(service),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def server(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposedElasticsearch]:
    """The server, set up as `boards` does it: by the command, without Kafka."""
    del stack  # its software is what is needed
    composed = ComposedElasticsearch(tmp_path_factory.mktemp("composed"))
    try:
        composed.start()
        done = run(composed, "setup", "setup", "--no-kafka")
        assert done.returncode == 0, done.stdout + done.stderr
        yield composed
    finally:
        composed.stop()


def test_the_detector_is_well(server: ComposedElasticsearch) -> None:
    """Its health check succeeds, and a run of it, as the user that it is given."""
    words = server.services["detector"]["healthcheck"]["test"][2:]
    done = run(server, "detector", *words)
    assert done.returncode == 0, done.stderr
    done = run(server, "detector", "detect", "run", "--json")
    assert done.returncode == 0, done.stderr


def test_logstash_stores_and_reads_nothing(server: ComposedElasticsearch) -> None:
    """The user of Logstash creates a document in an index that the templates make, and cannot search."""
    document = {
        "@timestamp": "2026-11-21T10:00:00Z",
        "message": "m",
        "event": {"id": "a", "dataset": "ml.app"},
    }
    lines = [{"create": {"_index": "logs-ml.app-default-2026.11.21", "_id": "a"}}, document]
    body = "".join(json.dumps(line) + "\n" for line in lines).encode()
    with connect(server.settings_of("logstash")) as client:
        answer = client.request(
            "POST",
            "/_bulk",
            body=body,
            headers={"accept": "application/json", "content-type": "application/x-ndjson"},
        )
        assert answer["errors"] is False, answer
        with pytest.raises(StoreError):
            client.request("GET", "/logs-ml.app-default-2026.11.21/_search")
        # Without an answer to this one its plugin takes the server for none.
        assert client.request("GET", "/_license")["license"]["status"] == "active"


def test_nobody_gets_in_without_certificate_and_password(
    server: ComposedElasticsearch, tmp_path: Path
) -> None:
    """Plain HTTP, an authority that did not sign, a wrong password: refused."""
    other = tmp_path / "ca.crt"
    made = [
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=other",
        "-out",
        str(other),
        "-keyout",
        str(tmp_path / "key"),
    ]
    subprocess.run(["openssl", "req", "-x509", *made], check=True, capture_output=True)
    for strange in (
        {"url": f"http://localhost:{server.port}", "ca_certs": None},
        {"ca_certs": other},
        {"password": "wrong"},
    ):
        with connect(server.settings_of("detector", **strange)) as client, pytest.raises(StoreError):
            client.request("GET", "/_security/_authenticate")
    with connect(server.settings_of("detector")) as client:
        assert client.request("GET", "/_security/_authenticate")["username"] == "detector"
