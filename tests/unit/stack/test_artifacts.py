"""The lock file: complete, consistent, and free of addresses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shipper.errors import ConfigurationError
from shipper.stack.artifacts import LOCK_FILE, read_lock, sha256_of, total_bytes
from shipper.stack.repin import ELASTICSEARCH, KAFKA, KAFKA_LOGGING


def test_lock_pins_both_servers_whole() -> None:
    """Each file has name, version, size and SHA-256; the servers and the logging backend are among them."""
    lock = read_lock()
    pinned = {artifact.coordinate for artifact in lock.artifacts}
    assert {KAFKA, ELASTICSEARCH, *KAFKA_LOGGING} <= pinned
    assert len(lock.of("kafka")) > 40
    assert len(lock.of("elasticsearch")) == 1
    assert all(re.fullmatch(r"[0-9a-f]{64}", artifact.sha256) for artifact in lock.artifacts)
    assert lock.version("kafka") == KAFKA.rpartition(":")[2]
    assert lock.version("elasticsearch") == ELASTICSEARCH.rpartition(":")[2]
    assert 100 << 20 < total_bytes(lock.artifacts) < 200 << 20


def test_file_names_are_unique() -> None:
    """Two artefacts never share a file in the cache."""
    names = [artifact.file_name for artifact in read_lock().artifacts]
    assert len(names) == len(set(names))


def test_all_parts_of_a_server_have_one_version() -> None:
    """Kafka's own jars are of the version of Kafka: a resolver's mix would fail at run time."""
    lock = read_lock()
    own = {artifact.version for artifact in lock.of("kafka") if artifact.group == "org.apache.kafka"}
    assert own == {lock.version("kafka")}


def test_lock_names_no_address() -> None:
    """No host and no URL stands in the lock file."""
    text = LOCK_FILE.read_text("utf-8")
    assert "://" not in text
    assert read_lock().to_json() == text


def test_fingerprint_follows_the_content() -> None:
    """Another checksum of one file is another software folder."""
    lock = read_lock()
    changed = json.loads(lock.to_json())
    changed[-1]["sha256"] = "0" * 64
    other = type(lock)(tuple(type(lock.artifacts[0])(**entry) for entry in changed))
    server = lock.artifacts[-1].server
    assert lock.fingerprint(server) != other.fingerprint(server)


@pytest.mark.parametrize("text", ["", "[]", "{}", '[{"server": "kafka"}]', '[{"server": "x", "size": 1}]'])
def test_damaged_lock_is_one_sentence(tmp_path: Path, text: str) -> None:
    """An edited or cut lock file is a configuration error, not a stack trace."""
    path = tmp_path / "lock.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match="install shipper again"):
        read_lock(path)


def test_sha256_of_a_file(tmp_path: Path) -> None:
    """The checksum is that of the content, whatever its length."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
