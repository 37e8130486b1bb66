"""A Kafka of the test's own whose listeners ask who one is: TLS, mutual TLS, SASL; certificates made here."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import trustme
from cryptography.hazmat.primitives import serialization

from shipper.config import KafkaSettings, StackSettings, load_settings
from shipper.stack import EmbeddedStack
from shipper.stack.probe import kafka_cluster_id
from tests.service.running_stack import free_ports

USER: Final = "alice"
PASSWORD: Final = "s3cret %d and more"
KEY_PASSWORD: Final = "of the key"
_JAAS: Final = "org.apache.kafka.common.security"
_LISTENERS: Final = {
    "PLAIN": "PLAINTEXT",
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "SASLTLS": "SASL_SSL",
    "SASLPLAIN": "SASL_PLAINTEXT",
    "CONTROLLER": "PLAINTEXT",
}


class SecureKafka:
    """One broker with a listener of each kind.

    Attributes:
        scram_users: known by SCRAM; all have `PASSWORD`.
    """

    scram_users: ClassVar[tuple[str, ...]] = (USER,)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ports = dict(zip(_LISTENERS, free_ports(len(_LISTENERS)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        stack = EmbeddedStack(StackSettings(directory=folder / "stack", cache=load_settings().stack.cache))
        software: Any = stack._servers["kafka"]
        self._java = [
            str(software._software.java_program),
            "-Xmx256m",
            "-cp",
            f"{software._software.kafka}/*",
        ]
        self._make_certificates()

    def _make_certificates(self) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        authority.cert_pem.write_to_path(self.path("ca.pem"))
        stranger.cert_pem.write_to_path(self.path("other-ca.pem"))
        parties = [(name, authority) for name in ("server", "client", *self.scram_users)]
        for name, issuer in (*parties, ("stranger", stranger)):
            issued = issuer.issue_cert("127.0.0.1", "localhost", common_name=name)
            chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
            self.path(f"{name}.pem").write_bytes(chain)
            self.path(f"{name}.key").write_bytes(self._key(issued, None))
            self.path(f"{name}-locked.key").write_bytes(self._key(issued, KEY_PASSWORD))
            self.path(f"{name}-both.pem").write_bytes(self._key(issued, None) + chain)
        self.path("key-password").write_text(KEY_PASSWORD + "\n")
        self.path("password").write_text(PASSWORD + "\n")

    @staticmethod
    def _key(issued: trustme.LeafCert, password: str | None) -> bytes:
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption(),
        )

    def path(self, name: str) -> Path:
        """A file of this broker's folder."""
        return self._folder / name

    def settings(self, listener: str, **more: Any) -> KafkaSettings:
        """Settings for a listener; `more` says who one is."""
        values: dict[str, Any] = {
            "bootstrap_servers": f"127.0.0.1:{self.ports[listener]}",
            "security_protocol": _LISTENERS[listener],
            "topic": "secured",
            "dead_letter_topic": "secured-dead",
            "request_timeout_s": 5.0,
        }
        return KafkaSettings.model_validate({**values, **more})

    def start(self) -> None:
        """Format, start, and wait until it answers."""
        properties = self.path("server.properties")
        properties.write_text("".join(f"{key}={value}\n" for key, value in self._properties().items()))
        if not self.path("data").exists():
            scram = [
                part
                for user in self.scram_users
                for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                for part in ("--add-scram", f'{kind}=[name="{user}",password="{PASSWORD}"]')
            ]
            tool = ["kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", "c" * 22]
            done = subprocess.run(
                [*self._java, *tool, *scram, "--config", str(properties)],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        with self.path("output").open("ab") as output:
            self._process = subprocess.Popen(
                [*self._java, "kafka.Kafka", str(properties)], stdout=output, stderr=output, cwd=self._folder
            )
        deadline = time.monotonic() + 60
        while kafka_cluster_id("127.0.0.1", self.ports["PLAIN"]) is None:
            assert self._process.poll() is None, self.path("output").read_text()[-2000:]
            assert time.monotonic() < deadline, "Kafka did not start"
            threading.Event().wait(0.1)

    def stop(self) -> None:
        """Kill it; its data stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _properties(self) -> dict[str, object]:
        def spread(separator: str, form: str, names: Any) -> str:
            return separator.join(form.format(name=name, port=self.ports[name]) for name in names)

        public = [name for name in _LISTENERS if name != "CONTROLLER"]
        login = f'{_JAAS}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        sasl: dict[str, object] = {}
        for name in ("sasltls", "saslplain"):
            prefix = f"listener.name.{name}"
            sasl[f"{prefix}.sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
            sasl[f"{prefix}.plain.sasl.jaas.config"] = login
            for kind in ("256", "512"):
                sasl[f"{prefix}.scram-sha-{kind}.sasl.jaas.config"] = (
                    f"{_JAAS}.scram.ScramLoginModule required;"
                )
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.ports['CONTROLLER']}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAIN",
            "listeners": spread(",", "{name}://127.0.0.1:{port}", _LISTENERS),
            "advertised.listeners": spread(",", "{name}://127.0.0.1:{port}", public),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in _LISTENERS.items()),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.path("server-both.pem"),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self.path("ca.pem"),
            "listener.name.mutual.ssl.client.auth": "required",
            **sasl,
            "log.dirs": self.path("data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            "log.cleaner.dedupe.buffer.size": 8 << 20,
        }


@contextmanager
def secure_kafka(folder: Path) -> Iterator[SecureKafka]:
    """Run one."""
    server = SecureKafka(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
