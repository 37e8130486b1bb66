"""docs/how-to/back-up.md, walked through on a server of its own, command by command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shipper.stack import EmbeddedStack
from tests.service.spare_stack import SpareStack, spare_stack

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/back-up.md").read_text("utf-8")
INDEX = "logs-ml.app-default-2026.11.21"


def commands() -> list[list[str]]:
    """Return the commands of each block of the page, in order."""
    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    return [
        [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")] for block in blocks
    ]


@pytest.fixture
def spare(tmp_path: Path) -> Iterator[SpareStack]:
    """A running Elasticsearch that may keep snapshots in a folder."""
    # Started by root, the server is another user, whom pytest's own folders do not let in.
    with TemporaryDirectory(prefix="shipper-snapshots-") as folder, spare_stack(tmp_path) as plain:
        Path(folder).chmod(0o755)
        place = Path(folder) / "kept"
        settings = plain.control.settings.model_copy(update={"snapshots": place})
        variables = {**plain.environment, "SHIPPER_STACK_SNAPSHOTS": str(place)}
        started = replace(plain, control=EmbeddedStack(settings), environment=variables)
        done = started.command("up")
        assert done.returncode == 0, done.stderr
        yield started


OURS = "logs-ml.*,alerts-ml-*,dead-letters-ml-*,erasures-ml-*,shipper-*"
"""What the page takes a snapshot of."""


def run(spare: SpareStack, command: str) -> str:
    """Run a command of the page as a person would, and return what it prints."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={
            **spare.environment,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ES": spare.control.elasticsearch_url,
            "SHIPPER_ELASTICSEARCH_URL": spare.control.elasticsearch_url,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.service
@pytest.mark.timeout(240)
def test_the_page_is_true(spare: SpareStack) -> None:
    """Everything that was stored is there again after the loss of all indices, aliases of migrations included, and
    a record that comes again is not stored twice."""
    place, snapshot, restore, look = commands()
    assert OURS in snapshot[0]
    run(spare, "shipper setup --no-kafka")
    for number in range(50):
        spare.ask(
            "PUT", f"/{INDEX}/_create/id-{number}", {"@timestamp": "2026-11-21T10:00:00Z", "message": "x"}
        )
    run(spare, f"shipper migrate apply --yes --index {INDEX}")
    for command in (*place, *snapshot):
        run(spare, command)
    lost = spare.ask("GET", f"/_cat/indices/{OURS}?format=json&expand_wildcards=all")
    assert isinstance(lost, list)
    for row in lost:
        spare.ask("DELETE", f"/{row['index']}")
    for command in restore:
        shown = run(spare, command)
    assert "nothing is to be migrated" in shown
    assert count(spare, f"/{INDEX}/_count") == 50
    again = spare.ask("PUT", f"/{INDEX}/_create/id-7", {"message": "x"})
    assert isinstance(again, dict)
    assert again["status"] == 409
    for command in look[:-1]:
        run(spare, command)
    assert count(spare, "/restored-logs-ml.app-*/_count") == 50
    run(spare, look[-1])


def count(spare: SpareStack, path: str) -> int:
    """Return the count that a request answers."""
    answer = spare.ask("GET", path)
    assert isinstance(answer, dict)
    return int(answer["count"])
