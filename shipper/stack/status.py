"""The answer to "what runs?": plain values for people and scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from shipper.stack.artifacts import TITLES, ServerName

ServerPhase = Literal["running", "not answering", "stopped"]


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """One server: `running` has answered a real request just now; sizes in bytes, `started_s` since the epoch."""

    name: ServerName
    version: str
    phase: ServerPhase
    address: str
    pid: int | None
    started_s: float | None
    memory_bytes: int
    data_bytes: int
    data: str
    log: str

    @property
    def title(self) -> str:
        """Name and version for people, for example `Kafka 4.1.0`."""
        return f"{TITLES[self.name]} {self.version}"


@dataclass(frozen=True, slots=True)
class StackStatus:
    """Both servers and the folders."""

    directory: str
    home: str
    cache: str
    servers: tuple[ServerStatus, ...]

    @property
    def is_running(self) -> bool:
        """Whether both servers answer."""
        return all(server.phase == "running" for server in self.servers)

    def as_document(self) -> dict[str, object]:
        """The same as a JSON-ready document."""
        return {
            "running": self.is_running,
            "directory": self.directory,
            "home": self.home,
            "cache": self.cache,
            "servers": {server.name: asdict(server) for server in self.servers},
        }


def folder_bytes(folder: Path) -> int:
    """Size of all files below `folder`; what disappears meanwhile counts as nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            status = path.lstat()
        except OSError:
            continue
        total += status.st_blocks * 512
    return total
