"""Writes `artifacts.lock.json` anew: `python -m shipper.stack.repin`, after changing a version below.

For maintainers. Downloads everything once into a temporary folder; the diff of the lock file is what a
reviewer reads.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shipper.config import load_settings
from shipper.stack.artifacts import LOCK_FILE, Artifact, Lock, ServerName, sha256_of
from shipper.stack.maven import certificates, dependencies, download

KAFKA: Final = "org.apache.kafka:kafka_2.13:4.1.0"
KAFKA_LOGGING: Final = (
    # What Kafka's own distribution logs with; Kafka's published dependencies name no backend.
    "org.apache.logging.log4j:log4j-api:2.24.3",
    "org.apache.logging.log4j:log4j-core:2.24.3",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
)
ELASTICSEARCH: Final = "org.elasticsearch.distribution.integ-test-zip:elasticsearch:9.2.4"


def pin(scratch: Path, repository: str) -> Lock:
    """Resolve the servers' dependencies, download all, and return the lock that describes them."""
    kafka = sorted({*dependencies(KAFKA, scratch, repository), *KAFKA_LOGGING})
    wanted: list[tuple[ServerName, str, str]] = [("kafka", coordinate, "jar") for coordinate in kafka]
    wanted.append(("elasticsearch", ELASTICSEARCH, "zip"))
    return Lock(tuple(_measured(wanted, scratch, repository)))


def _measured(
    wanted: list[tuple[ServerName, str, str]], scratch: Path, repository: str
) -> Iterator[Artifact]:
    for server, coordinate, packaging in wanted:
        group, name, version = coordinate.split(":")
        unmeasured = Artifact(server, group, name, version, packaging, size=1, sha256="0" * 64)
        file = download(unmeasured, scratch, repository, lambda _count: None)
        yield Artifact(server, group, name, version, packaging, file.stat().st_size, sha256_of(file))


def main() -> None:
    """Write the lock file and say how many files it pins."""
    with tempfile.TemporaryDirectory() as scratch, certificates():
        lock = pin(Path(scratch), load_settings().stack.maven_repository)
    LOCK_FILE.write_text(lock.to_json(), "utf-8")
    sys.stdout.write(f"{LOCK_FILE}: {len(lock.artifacts)} files pinned\n")


if __name__ == "__main__":
    main()
