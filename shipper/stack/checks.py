"""What must be true before a server is started; each breach is one sentence that says what to do."""

from __future__ import annotations

import errno
import shutil
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import psutil

from shipper.config import StackSettings
from shipper.errors import ConfigurationError, PortBusy, ResourceShortage
from shipper.stack.artifacts import ServerName

_MIB: Final = 1 << 20
_OVERHEAD_MIB: Final[dict[ServerName, int]] = {"kafka": 150, "elasticsearch": 350}
"""What a Java server takes beside its heap: code, threads, buffers (measured, rounded up)."""
DATA_RESERVE_BYTES: Final = 512 * _MIB
"""Free disk that the data folder must have at a start."""
PORT_FIELDS: Final[dict[ServerName, tuple[str, str]]] = {
    "kafka": ("kafka_port", "kafka_controller_port"),
    "elasticsearch": ("elasticsearch_port", "elasticsearch_transport_port"),
}
_CGROUP: Final = Path("/sys/fs/cgroup")


def check_python(found: tuple[int, ...] = sys.version_info[:2]) -> None:
    """Raise ConfigurationError unless this Python is new enough."""
    if tuple(found) < (3, 11):
        raise ConfigurationError(
            f"shipper needs Python 3.11 or later, this is {'.'.join(map(str, found))}; "
            "make a virtual environment with a newer one."
        )


def check_folder_names(home: Path, software: Path) -> None:
    """Raise ConfigurationError for names that cannot be written in a configuration of the servers."""
    for folder, character, variable in (
        (home, ",", "SHIPPER_STACK_DIRECTORY"),  # Kafka reads a list of folders
        (software, ":", "SHIPPER_STACK_CACHE"),  # Java reads a list of folders
    ):
        if character in str(folder):
            raise ConfigurationError(
                f"The servers cannot use {folder}, a name with '{character}' in it; choose another folder with {variable}."
            )


def check_distinct_ports(settings: StackSettings) -> None:
    """Raise ConfigurationError if two servers are given the same port."""
    seen: dict[int, str] = {}
    for field in (field for fields in PORT_FIELDS.values() for field in fields):
        port = getattr(settings, field)
        if port in seen:
            raise ConfigurationError(
                f"{_variable(seen[port])} and {_variable(field)} are both {port}; each needs a port of its own."
            )
        seen[port] = field


def check_ports(settings: StackSettings, servers: Iterable[ServerName]) -> None:
    """Check that nobody listens on the ports of `servers`.

    Raises:
        PortBusy: somebody does; the error names the setting.
        ConfigurationError: the address or port cannot be used at all.
    """
    for server in servers:
        for field in PORT_FIELDS[server]:
            _check_port(settings.host, getattr(settings, field), _variable(field))


def _check_port(host: str, port: int, variable: str) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the servers do: a port whose last connections are still winding down is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(port, variable) from None
        if error.errno in (errno.EACCES, errno.EPERM):
            raise ConfigurationError(
                f"Port {port} needs special rights; choose one above 1023 with {variable}."
            ) from None
        raise ConfigurationError(
            f"No server can listen on {host}:{port} ({error.strerror or error}); see SHIPPER_STACK_HOST."
        ) from None


def needed_memory_bytes(settings: StackSettings, servers: Iterable[ServerName]) -> int:
    """Memory that `servers` may grow to."""
    heaps = {"kafka": settings.kafka_heap_mib, "elasticsearch": settings.elasticsearch_heap_mib}
    return sum(heaps[server] + _OVERHEAD_MIB[server] for server in servers) * _MIB


def check_memory(settings: StackSettings, servers: Iterable[ServerName]) -> None:
    """Raise ResourceShortage unless the servers' memory is available, also within a container's limit."""
    needed, available = needed_memory_bytes(settings, servers), available_memory_bytes()
    if available < needed:
        raise ResourceShortage(
            "memory",
            needed,
            available,
            "stop other programs or lower SHIPPER_STACK_ELASTICSEARCH_HEAP_MIB and SHIPPER_STACK_KAFKA_HEAP_MIB",
        )


def available_memory_bytes(cgroup: Path = _CGROUP) -> int:
    """What programs can still take: of the machine, or of the container that we are in."""
    machine = int(psutil.virtual_memory().available)
    try:
        limit = int((cgroup / "memory.max").read_text("ascii"))
        used = int((cgroup / "memory.current").read_text("ascii"))
        statistics = dict(line.split() for line in (cgroup / "memory.stat").read_text("ascii").splitlines())
        # Pages of files are given back when programs need the room.
        return min(machine, limit - used + int(statistics["inactive_file"]))
    except (OSError, ValueError, KeyError):  # no container, "max", or another kind of limit
        return machine


def check_disk(folder: Path, needed_bytes: int, variable: str) -> None:
    """Raise ResourceShortage unless the disk of `folder` (or of its nearest parent) has room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise ResourceShortage(
            f"disk space for {folder}",
            needed_bytes,
            free,
            f"make room or choose another folder with {variable}",
        )


def _variable(field: str) -> str:
    return f"SHIPPER_STACK_{field.upper()}"
