"""The pinned archives of the two servers: the lock file beside this module, read and checked.

`artifacts.lock.json` names each file by Maven coordinate with its size and SHA-256; it is written by
`python -m shipper.stack.repin` and by nobody's hand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal

from shipper.errors import ConfigurationError

ServerName = Literal["kafka", "elasticsearch"]
SERVER_NAMES: Final[tuple[ServerName, ...]] = ("kafka", "elasticsearch")
TITLES: Final[dict[ServerName, str]] = {"kafka": "Kafka", "elasticsearch": "Elasticsearch"}

LOCK_FILE: Final = Path(__file__).with_name("artifacts.lock.json")
_MAIN: Final[dict[ServerName, str]] = {"kafka": "kafka_2.13", "elasticsearch": "elasticsearch"}
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Artifact:
    """One pinned file; `size` in bytes, `sha256` as 64 hexadecimal digits."""

    server: ServerName
    group: str
    name: str
    version: str
    packaging: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if self.server not in SERVER_NAMES or self.size <= 0 or len(self.sha256) != 64:
            raise ValueError(f"the lock file pins {self.coordinate} wrongly")

    @property
    def coordinate(self) -> str:
        """The Maven coordinate without packaging: `group:name:version`."""
        return f"{self.group}:{self.name}:{self.version}"

    @property
    def file_name(self) -> str:
        """Name of the file in the cache; unique within the lock."""
        return f"{self.name}-{self.version}.{self.packaging}"


@dataclass(frozen=True, slots=True)
class Lock:
    """All pinned files."""

    artifacts: tuple[Artifact, ...]

    def of(self, server: ServerName) -> tuple[Artifact, ...]:
        """The files of one server, in the order of the lock."""
        return tuple(artifact for artifact in self.artifacts if artifact.server == server)

    def version(self, server: ServerName) -> str:
        """The version of the server itself, for example `4.1.0`."""
        return next(a.version for a in self.of(server) if a.name == _MAIN[server])

    def fingerprint(self, server: ServerName) -> str:
        """Twelve hexadecimal digits that change when any file of the server does."""
        pins = "\n".join(sorted(f"{a.file_name} {a.sha256}" for a in self.of(server)))
        return hashlib.sha256(pins.encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """The text of the lock file."""
        return json.dumps([asdict(artifact) for artifact in self.artifacts], indent=1) + "\n"


def read_lock(path: Path = LOCK_FILE) -> Lock:
    """Read the lock file.

    Raises:
        ConfigurationError: the installation is incomplete or the file was edited.
    """
    try:
        lock = Lock(tuple(Artifact(**entry) for entry in json.loads(path.read_text("utf-8"))))
        for server in SERVER_NAMES:
            lock.version(server)
    except (OSError, ValueError, TypeError, StopIteration) as error:
        raise ConfigurationError(
            f"The list of pinned archives {path} is not usable ({error}); install shipper again."
        ) from error
    return lock


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def total_bytes(artifacts: Iterable[Artifact]) -> int:
    """Sum of the sizes, in bytes."""
    return sum(artifact.size for artifact in artifacts)
