"""What a stack remembers between commands: `<directory>/stack.json`, replaced as a whole.

It holds the settings that the stack runs with, the folder of the servers, and the identity of each
server's process. A lost or torn file is no disaster: processes are found by their mark, data by its folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from shipper.config import StackSettings
from shipper.stack.artifacts import SERVER_NAMES, ServerName
from shipper.stack.process import ProcessIdentity

_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class StackState:
    """The remembered stack; `processes` names the servers that were started and not stopped."""

    settings: StackSettings
    home: Path
    processes: Mapping[ServerName, ProcessIdentity] = field(default_factory=dict)

    def with_process(self, server: ServerName, process: ProcessIdentity) -> StackState:
        """The state with one more, or another, process."""
        return replace(self, processes={**self.processes, server: process})

    def without(self, server: ServerName) -> StackState:
        """The state without the process of `server`."""
        return replace(self, processes={n: p for n, p in self.processes.items() if n != server})


def state_file(directory: Path) -> Path:
    """Where the state is."""
    return directory / "stack.json"


def read_state(directory: Path) -> StackState | None:
    """Read the state; None if there is none or it cannot be used."""
    try:
        content = json.loads(state_file(directory).read_text("utf-8"))
        if content["format"] != _FORMAT:
            return None
        processes: dict[ServerName, ProcessIdentity] = {
            name: ProcessIdentity(int(entry["pid"]), float(entry["started_s"]))
            for name in SERVER_NAMES
            if (entry := content["processes"].get(name))
        }
        return StackState(StackSettings(**content["settings"]), Path(content["home"]), processes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_state(directory: Path, state: StackState) -> None:
    """Replace the state atomically."""
    content = {
        "format": _FORMAT,
        "settings": state.settings.model_dump(mode="json"),
        "home": str(state.home),
        "processes": {
            name: {"pid": process.pid, "started_s": process.started_s}
            for name, process in state.processes.items()
        },
    }
    partial = state_file(directory).with_suffix(".json.partial")
    with partial.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(state_file(directory))
