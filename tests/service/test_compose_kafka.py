"""The broker of docker-compose.yml on the real Kafka: its variables, certificates and rules of access, without Docker.

What the container does is done here by the same programs: `certificates.sh` with openssl, the start program of
Kafka's own image (it is in Kafka's jars) on the variables that the real compose program resolves, and `kafka-access.sh`
with Kafka's own tool. Only addresses and paths are others.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from shipper.config import KafkaSettings, StackSettings, load_settings
from shipper.errors import AccessRefused, TransportError
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import ConsumedRecord, Consumer
from shipper.kafka.producer import Producer
from shipper.record import RecordBatch, Row
from shipper.stack import EmbeddedStack
from shipper.stack.artifacts import Artifact, sha256_of
from shipper.stack.maven import download
from shipper.stack.probe import kafka_cluster_id
from tests.service.compose_files import SCRIPTS, composed_services, make_certificates
from tests.service.running_stack import RunningStack, free_ports
from tests.unit.test_compose import ROOT, SECRETS

_TOOLS: Final = Artifact(
    "kafka",
    "org.apache.kafka",
    "kafka-tools",
    "4.1.0",
    "jar",
    615926,
    "1c2836cee57a947d2db461410ac5008ca80facbd19b7ed9d284ca883782ea741",
)
"""Kafka's command line, which the embedded stack does not need."""


class Broker:
    """The service `kafka` of the compose file, as a process of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificates = folder / "certificates"
        self.inside, self.machine, local, controller = free_ports(4)
        self.services = composed_services()
        stack = EmbeddedStack(StackSettings(directory=folder / "stack", cache=load_settings().stack.cache))
        server: Any = stack._servers["kafka"]
        self.java = [str(server._software.java_program), "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp"]
        self.jars = f"{server._software.kafka}/*"
        self.places = {
            "INSIDE": f"localhost:{self.inside}",
            "MACHINE": f"localhost:{self.machine}",
            "LOCAL": f"localhost:{local}",
            "CONTROLLER": f"localhost:{controller}",
        }
        self.local = local
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Return the container's variables, with places of this machine in place of the container's."""
        given = {key: str(value) for key, value in self.services["kafka"]["environment"].items()}
        for key in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS"):
            names = re.findall(r"(\w+)://", given[key])
            given[key] = ",".join(f"{name}://{self.places[name]}" for name in names)
        given["KAFKA_CONTROLLER_QUORUM_VOTERS"] = f"1@{self.places['CONTROLLER']}"
        given["KAFKA_LOG_DIRS"] = str(self.folder / "data")
        keys = given["KAFKA_SSL_KEYSTORE_LOCATION"].removeprefix("/certificates/")
        given["KAFKA_SSL_KEYSTORE_LOCATION"] = str(self.certificates / "kafka" / keys)
        return {**given, "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw", "PATH": os.environ["PATH"]}

    def settings(self, service: str, **more: Any) -> KafkaSettings:
        """Return the Kafka settings that a service of ours is given, with an address of this machine."""
        given = {key: str(value) for key, value in self.services[service]["environment"].items()}
        values = {
            key.removeprefix("SHIPPER_KAFKA_").lower(): value
            for key, value in given.items()
            if key.startswith("SHIPPER_KAFKA_")
        }
        own = {
            "bootstrap_servers": self.places["MACHINE"],
            "ssl_cafile": self.authority,
            "request_timeout_s": 5.0,
        }
        return KafkaSettings.model_validate({**values, **own, **more})

    @property
    def authority(self) -> Path:
        """The certificate that clients trust."""
        return self.certificates / "public" / "ca.crt"

    def make_certificates(self) -> str:
        """Run the script; return what it says."""
        return make_certificates(self.certificates, SERVER_NAME="logs.example")

    def start(self) -> None:
        """Let the image's own program write the configuration and format the disk; start; wait for an answer."""
        folders = {name: self.folder / name for name in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir()
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / name).touch()
        options = [word for name, path in folders.items() for word in (f"--{name}-configs-dir", str(path))]
        done = subprocess.run(
            [*self.java, self.jars, "kafka.docker.KafkaDockerWrapper", "setup", *options],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with (self.folder / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [*self.java, self.jars, "kafka.Kafka", str(folders["final"] / "server.properties")],
                stdout=output,
                stderr=output,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 60
        while kafka_cluster_id("localhost", self.local) is None:
            assert self._process.poll() is None, (self.folder / "output").read_text()[-2000:]
            assert time.monotonic() < deadline, "Kafka did not start"
            threading.Event().wait(0.1)

    def grant(self) -> None:
        """Run the service `access`."""
        tools = download(
            _TOOLS, self.folder / "tools", load_settings().stack.maven_repository, lambda _count: None
        )
        assert sha256_of(tools) == _TOOLS.sha256
        command = self.folder / "kafka-acls.sh"
        words = shlex.join([*self.java, f"{self.jars}:{tools}", "org.apache.kafka.tools.AclCommand"])
        command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        command.chmod(0o755)
        given = {key: str(value) for key, value in self.services["access"]["environment"].items()}
        own = {
            "PATH": os.environ["PATH"],
            "KAFKA_ACLS": str(command),
            "KAFKA_SERVER": self.places["INSIDE"],
            "CERTIFICATES": str(self.certificates / "public"),
        }
        done = subprocess.run(
            ["bash", str(SCRIPTS / "kafka-access.sh")],
            env={**given, **own},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture(scope="module")
def broker(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker with certificates, topics (made as `setup` makes them) and rules of access."""
    del stack  # its software is what is needed
    server = Broker(tmp_path_factory.mktemp("compose"))
    try:
        server.make_certificates()
        server.start()
        kafka = server.settings("setup")
        with Admin(kafka) as admin:
            admin.ensure_topic(kafka.topic, partitions=kafka.partitions)
            admin.ensure_topic(kafka.dead_letter_topic)
        server.grant()
        yield server
    finally:
        server.stop()


def sent(kafka: KafkaSettings, topic: str, payload: bytes = b"{}") -> TransportError | None:
    """Send one record; return why it was not stored, or None."""
    rows: list[Row] = [(1, 1_790_000_000_000_000, 20, "ml.app", payload)]
    producer = Producer(kafka)
    try:
        return producer.send_records(topic, RecordBatch("producer", rows), "default").get(0)
    finally:
        producer.close(5)


def taken(kafka: KafkaSettings, count: int) -> list[ConsumedRecord]:
    """Read so many records as the indexer's group does, and commit them."""
    found: list[ConsumedRecord] = []
    deadline = time.monotonic() + 30
    with closing(Consumer(kafka, [kafka.topic], "shipper-index")) as consumer:
        while len(found) < count:
            assert time.monotonic() < deadline, f"only {len(found)} of {count} records came"
            found += consumer.poll(0.5)
        consumer.commit({(kafka.topic, record.partition): record.offset + 1 for record in found})
    return found


def test_certificates_are_kept_until_they_must_not_be(broker: Broker) -> None:
    """A second run changes nothing; a certificate for another name, or of another authority, is made anew."""
    before = {path: path.read_bytes() for path in broker.certificates.rglob("*") if path.is_file()}
    assert broker.make_certificates() == ""
    assert {path: path.read_bytes() for path in broker.certificates.rglob("*") if path.is_file()} == before
    (broker.certificates / "grafana" / "names").write_text("DNS:other\n")
    assert "made a certificate for grafana" in broker.make_certificates()
    for name in ("kafka", "elasticsearch", "kibana", "grafana"):
        folder = broker.certificates / name
        checked = ["openssl", "verify", "-CAfile", str(broker.authority), str(folder / "server.crt")]
        subprocess.run(checked, check=True, capture_output=True)
        assert [path.name for path in folder.iterdir() if path.stat().st_mode & 0o007] == []


@pytest.mark.parametrize("place", ["INSIDE", "MACHINE"])
def test_applications_write_and_read_nothing(broker: Broker, place: str) -> None:
    """On both listeners: the user of agents and applications stores records and dead letters, and is refused the rest."""
    kafka = broker.settings("agent", bootstrap_servers=broker.places[place])
    assert sent(kafka, kafka.topic) is None
    assert sent(kafka, kafka.dead_letter_topic) is None
    with pytest.raises(AccessRefused), closing(Consumer(kafka, [kafka.topic], "shipper-index")) as consumer:
        consumer.poll(5.0)


@pytest.mark.parametrize("service", ["indexer", "logstash"])
def test_the_indexer_reads_and_writes_dead_letters_alone(broker: Broker, service: str) -> None:
    """What applications wrote is read and committed, dead letters are stored; records of its own are refused."""
    application = broker.settings("agent")
    payload = f"for {service}".encode()
    assert sent(application, application.topic, payload) is None
    kafka = broker.settings(service)
    assert payload in {record.value for record in taken(kafka, 1)}
    assert sent(kafka, kafka.dead_letter_topic) is None
    assert isinstance(sent(kafka, kafka.topic), AccessRefused)
    with Admin(kafka) as admin:
        assert admin.lag("shipper-index", kafka.topic) == 0


def test_nobody_else_gets_in(broker: Broker, tmp_path: Path) -> None:
    """Without TLS, with another authority's certificate, with a wrong password or a user who is none: refused."""
    kafka = broker.settings("agent", request_timeout_s=2.0)
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
    for strange in ({"sasl_password": "wrong"}, {"sasl_username": "nobody"}, {"ssl_cafile": other}):
        assert isinstance(
            sent(broker.settings("agent", request_timeout_s=2.0, **strange), kafka.topic), AccessRefused
        )
    plain = KafkaSettings(
        bootstrap_servers=broker.places["MACHINE"], topic=kafka.topic, request_timeout_s=2.0
    )
    assert sent(plain, plain.topic) is not None


def test_the_agent_of_the_file_ships(broker: Broker, tmp_path: Path) -> None:
    """An application without a password writes its spool; the agent, with the file's settings, sends it."""
    spool = {
        "SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }
    place = {"SHIPPER_KAFKA_BOOTSTRAP_SERVERS": broker.places["MACHINE"]}
    given = {name: broker.services[name]["environment"] for name in ("application", "agent")}
    program = "import shipper; shipper.configure(); shipper.get_logger('a').info('hello'); shipper.close()"
    subprocess.run(
        [sys.executable, "-c", program],
        env={**given["application"], **spool, **place},
        check=True,
        timeout=60,
    )
    trust = {"SHIPPER_KAFKA_SSL_CAFILE": str(broker.authority)}
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "agent", "--once", "--json"],
        env={**given["agent"], **spool, **place, **trust},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert b'"message":"hello"' in b"".join(
        record.value or b"" for record in taken(broker.settings("indexer"), 1)
    )


def test_the_page_logs_what_it_says(broker: Broker, tmp_path: Path) -> None:
    """docs/how-to/compose.md, "Log something": its variables and its program, word for word but for the port."""
    page = (ROOT / "docs" / "how-to" / "compose.md").read_text("utf-8")
    (part,) = re.findall(r"## Log something\n(.*?)\n## ", page, re.DOTALL)
    told = dict(re.findall(r"(SHIPPER_\w+)=(\S+)", part.replace("$PWD", str(broker.authority.parent))))
    assert told["SHIPPER_KAFKA_BOOTSTRAP_SERVERS"] == "localhost:9092"
    told["SHIPPER_KAFKA_BOOTSTRAP_SERVERS"] = broker.places["MACHINE"]
    assert "s/^KAFKA_APPLICATION_PASSWORD=//p" in part
    told["SHIPPER_KAFKA_SASL_PASSWORD"] = SECRETS["KAFKA_APPLICATION_PASSWORD"]
    (program,) = re.findall(r'python -c "\n(.*?)"\n```', part, re.DOTALL)
    own = {
        "PATH": os.environ["PATH"],
        # A busy machine may need longer than three seconds for a connection over TLS.
        "SHIPPER_SHIP_CLOSE_TIMEOUT_S": "30",
        "HOME": str(tmp_path),
        "SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool"),
    }
    told = {name: value for name, value in told.items() if name.startswith("SHIPPER_KAFKA_")}
    subprocess.run([sys.executable, "-c", program], env={**told, **own}, check=True, timeout=60)
    assert b'"message":"score is high"' in b"".join(
        record.value or b"" for record in taken(broker.settings("indexer"), 1)
    )
