"""Which application on which machine: computed once per process."""

from __future__ import annotations

import socket
import sys
from pathlib import Path


def program_name() -> str:
    """Return the name of the running program: its package or file, `python` in an interactive session."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name.removesuffix(".__main__"))
    file = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else "")
    return Path(file).stem or "python"


def main_folder() -> Path | None:
    """Return the folder of the program's main module, None where there is none."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(file).resolve().parent if file else None


def service_fields(name: str, version: str, environment: str) -> dict[str, object]:
    """Return `service.*`; an empty name becomes the program's."""
    return {
        "service.name": name or program_name(),
        "service.version": version,
        "service.environment": environment,
    }


def host_fields() -> dict[str, object]:
    """Return `host.*`; empty where the machine does not know its name."""
    try:
        name = socket.gethostname()
    except OSError:
        name = ""
    return {"host.name": name}


def process_fields() -> dict[str, object]:
    """Return `process.name`; the process id is part of a producer's identity."""
    return {"process.name": program_name()}
