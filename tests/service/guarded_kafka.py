"""A Kafka with an authorizer and the access rules of docs/how-to/secure-kafka.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

import shipper
from shipper.config import KafkaSettings
from shipper.kafka.admin import Admin
from tests.service.secure_kafka import PASSWORD, SecureKafka

PAGE: Final = Path(shipper.__file__).parents[1] / "docs" / "how-to" / "secure-kafka.md"
PARTIES: Final = ("app", "indexer", "logstash", "operator", "stranger")
TOPIC: Final = "ml-logs"
LETTERS: Final = "ml-logs-dead-letters"


class GuardedKafka(SecureKafka):
    """Refuses what no rule allows; the plain listener is the administrator's."""

    scram_users = PARTIES

    def _properties(self) -> dict[str, object]:
        users = " ".join(f'user_{name}="{PASSWORD}"' for name in PARTIES)
        login = f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        return {
            **super()._properties(),
            "listener.name.sasltls.plain.sasl.jaas.config": login,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "false",
            "super.users": "User:ANONYMOUS",
            "ssl.principal.mapping.rules": mapping_rule(),
        }

    def as_party(self, name: str, **more: Any) -> KafkaSettings:
        """Settings of a party, over TLS and SASL."""
        values: dict[str, Any] = {
            "sasl_mechanism": "PLAIN",
            "sasl_username": name,
            "sasl_password": PASSWORD,
            "ssl_cafile": self.path("ca.pem"),
            "topic": TOPIC,
            "dead_letter_topic": LETTERS,
        }
        return self.settings("SASLTLS", **values | more)


def mapping_rule() -> str:
    """Return how the page has a broker read a party's name from its certificate."""
    found = re.search(r"^ssl\.principal\.mapping\.rules=(.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def rules() -> list[ACL]:
    """Return the rules of the page."""
    found: list[ACL] = []
    for line in re.findall(r"^kafka-acls\.sh .*$", PAGE.read_text("utf-8"), re.MULTILINE):
        words = shlex.split(line)
        given: dict[str, list[str]] = {}
        for word, value in zip(words, [*words[1:], ""], strict=True):
            if word.startswith("--") and not value.startswith("--"):
                given.setdefault(word, []).append(value)
        kind = ResourceType.TOPIC if "--topic" in given else ResourceType.GROUP
        (name,) = given.get("--topic", []) + given.get("--group", [])
        pattern = given.get("--resource-pattern-type", ["literal"])[0].upper()
        resource = ResourcePattern(kind, name, ACLResourcePatternType[pattern])
        for operation in given["--operation"]:
            word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()
            (principal,) = given["--allow-principal"]
            found.append(ACL(principal, "*", ACLOperation[word], ACLPermissionType.ALLOW, resource))
    return found


@contextmanager
def guarded_kafka(folder: Path) -> Iterator[GuardedKafka]:
    """Run one with the rules of the page, both topics, and `payroll`, which is nobody's."""
    server = GuardedKafka(folder)
    try:
        server.start()
        with Admin(server.settings("PLAIN")) as admin:
            for topic in (TOPIC, LETTERS, "payroll"):
                admin.ensure_topic(topic)
            found = rules()
            assert len(found) > 20
            admin._client.create_acls(found)
        yield server
    finally:
        server.stop()
