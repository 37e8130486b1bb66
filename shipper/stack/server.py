"""What both servers have in common: their folders, and what one must be able to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from shipper.stack.artifacts import ServerName
from shipper.stack.placement import Placement, make_folder
from shipper.stack.process import Command, ProcessIdentity

_TAIL_LINES: Final = 12
_TAIL_BYTES: Final = 1 << 16
_TELLING: Final = ("FATAL", "ERROR", "Exception", "Error:", "OutOfMemory")


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """The folder of one server: `<home>/<server>` with data, configuration, logs, temporary files."""

    root: Path
    server: ServerName

    @property
    def data(self) -> Path:
        """What must survive a restart."""
        return self.root / "data"

    @property
    def configuration(self) -> Path:
        """Written anew before each start."""
        return self.root / "config"

    @property
    def logs(self) -> Path:
        """The server's own log files."""
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        """Java's folder for temporary files; the system's may forbid to run libraries from it."""
        return self.root / "tmp"

    @property
    def log(self) -> Path:
        """The server's log, bounded by rotation."""
        return self.logs / f"{self.server}.log"

    @property
    def output(self) -> Path:
        """What the last start wrote to the terminal that it does not have."""
        return self.root / "output.txt"

    def make(self, placement: Placement) -> None:
        """Make the folders; those that the server writes belong to its account.

        Configuration and temporary files begin empty: a start that was cut off may have left a torn
        file there (Elasticsearch's half-written keystore stops the next start).
        """
        make_folder(self.root, placement)
        for folder in (self.configuration, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.configuration, self.logs, self.temporary):
            make_folder(folder, placement, owned=True)

    def write(self, name: str, text: str) -> Path:
        """Write one configuration file, readable for the server's account, and return it."""
        path = self.configuration / name
        # The server's account owns the folder: never follow a link that it may have put here.
        path.unlink(missing_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        path.chmod(0o644)
        return path

    def log_size(self) -> int:
        """Bytes in the log now; the start that follows is the text after them."""
        try:
            return self.log.stat().st_size
        except OSError:
            return 0

    def explain(self, since_bytes: int = 0) -> tuple[str, str]:
        """Return the most telling line and the last lines of what was logged after `since_bytes`."""
        lines = self._told(since_bytes)
        telling = [line for line in lines if any(word in line for word in _TELLING)]
        reason = telling[0].strip() if telling else (lines[-1].strip() if lines else "it wrote nothing")
        return reason[:300], "\n".join(f"  {line[:300]}" for line in lines[-_TAIL_LINES:])

    def tells(self, word: str, since_bytes: int) -> bool:
        """Whether `word` is in what was logged after `since_bytes`."""
        return any(word in line for line in self._told(since_bytes))

    def _told(self, since_bytes: int) -> list[str]:
        return (tail(self.log, since_bytes) or tail(self.output))[-400:]


class Server(Protocol):
    """One of the two servers, as the stack sees it."""

    @property
    def folder(self) -> ServerFolder:
        """Its folders."""

    def prepare(self) -> None:
        """Write the configuration; format the data folder if it is new."""

    def command(self) -> Command:
        """How it is started."""

    def ready_process(self) -> ProcessIdentity | None:
        """The process that answered a real request just now and is of this stack, or None."""


def java_environment(folder: ServerFolder, extra: Mapping[str, str]) -> dict[str, str]:
    """A small environment: no options or secrets of the caller reach the servers."""
    return {
        "PATH": os.defpath,
        "LANG": "C.UTF-8",
        "HOME": str(folder.temporary),
        "TZ": "UTC",
        **extra,
    }


def contact_host(host: str) -> str:
    """The address under which clients on this machine reach a server that listens on `host`."""
    return "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104


def authority(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tail(path: Path, since_bytes: int = 0, *, limit_bytes: int = _TAIL_BYTES) -> list[str]:
    """The last lines of a text file, at most `limit_bytes` of them and none before `since_bytes`."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            # A log that is shorter than before was rotated: all of it is new.
            start = max(since_bytes if since_bytes <= size else 0, size - limit_bytes)
            file.seek(start)
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []
