"""A second stack beside the shared one, small and of the test's own, driven by the real command."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipper.config import StackSettings, load_settings
from shipper.stack import EmbeddedStack
from tests.service.running_stack import free_ports

LIMIT_S = 170


@dataclass(frozen=True, slots=True)
class SpareStack:
    """Settings as variables for the command, and as an object for a look inside."""

    control: EmbeddedStack
    environment: dict[str, str]

    def start_command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `shipper stack` in a process group of its own and return at once."""
        return subprocess.Popen(
            [sys.executable, "-m", "shipper", "stack", *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `shipper stack` to its end; never shows a stack trace."""
        with self.start_command(*arguments) as process:
            output, errors = process.communicate(timeout=LIMIT_S)
        assert "Traceback" not in errors, errors
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def processes(self) -> int:
        """How many server processes of this stack live."""
        return sum(server.pid is not None for server in self.control.status().servers)

    def ask(self, method: str, path: str, document: object = None) -> object:
        """One request to this stack's Elasticsearch; returns the decoded answer."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.control.settings.elasticsearch_port, timeout=30
        )
        try:
            body = None if document is None else json.dumps(document)
            connection.request(method, path, body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def spare_stack(directory: Path) -> Iterator[SpareStack]:
    """A stack that is not started yet; whatever runs of it is stopped and deleted at the end."""
    names = ("kafka_port", "kafka_controller_port", "elasticsearch_port", "elasticsearch_transport_port")
    values: dict[str, object] = {
        **dict(zip(names, free_ports(4), strict=True)),
        "directory": directory,
        "cache": load_settings().stack.cache,
        "kafka_heap_mib": 192,
        "elasticsearch_heap_mib": 384,
    }
    variables = {f"SHIPPER_STACK_{name.upper()}": str(value) for name, value in values.items()}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    control = EmbeddedStack(StackSettings.model_validate(values))
    try:
        yield SpareStack(control, {**kept, **variables})
    finally:
        control.down()
        control.wipe()
