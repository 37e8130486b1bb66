"""The directions of dependency that the design lays down, checked on the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import shipper

ROOT = Path(shipper.__file__).parent

ROOTS = {"errors", "record", "clock", "dataset_table", "loading", "own_thread", "treatment"}
SECOND_ROOTS = ROOTS | {"datasets", "assets", "lease", "state_index"}
APPLICATION = {"emit", "enrich", "ecs", "spool", "ship"}
ELASTIC_SIDE = {"index", "detect", "alert"}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "record": set(),
    "clock": set(),
    "dataset_table": set(),
    "loading": set(),
    "own_thread": set(),
    "treatment": set(),
    "datasets": {"dataset_table"},
    "assets": {"errors"},
    "lease": {"errors", "clock"},
    "state_index": {"errors"},
    "config": SECOND_ROOTS
    | {
        "audit_settings",
        "health_settings",
        "kafka_settings",
        "retention_settings",
        "service_links",
        "setting_groups",
        "spool_settings",
    },
    "service_links": set(),
    "setting_groups": set(),
    "kafka_settings": set(),
    "spool_settings": {"setting_groups"},
    "retention_settings": {"datasets", "setting_groups"},
    "health_settings": {"setting_groups"},
    "audit_settings": {"setting_groups"},
    "observe": SECOND_ROOTS | {"config"},
    "enrich": SECOND_ROOTS | {"observe"},
    "ecs": SECOND_ROOTS | {"observe"},
    "spool": SECOND_ROOTS | {"observe"},
    "kafka": SECOND_ROOTS | {"config", "observe"},
    "elastic": SECOND_ROOTS | {"config", "observe"},
    "emit": SECOND_ROOTS | {"observe", "enrich", "ecs", "spool", "pipeline"},
    "ship": SECOND_ROOTS | {"observe", "spool", "kafka", "config"},
    "index": SECOND_ROOTS | {"observe", "kafka", "elastic", "config"},
    "detect": SECOND_ROOTS | {"observe", "config", "alert"},
    "alert": SECOND_ROOTS | {"observe", "config"},
    "schema": SECOND_ROOTS,
    "stack": SECOND_ROOTS | {"config", "kafka", "elastic"},
    "kibana": SECOND_ROOTS | {"schema", "ecs"},
    "testing": SECOND_ROOTS | {"emit", "enrich", "ecs", "spool", "ship", "observe", "pipeline", "process"},
}
"""What each part may import of ours; parts that are not named (cli, pipeline, demo) wire the others."""

CLIENTS = {
    "kafka": "kafka",
    "confluent_kafka": "kafka",
    "elasticsearch": "elastic",
    "elastic_transport": "elastic",
}
"""Third-party clients and the only package of ours that may import them."""


def imported_modules(path: Path) -> set[str]:
    """Return the absolute names of all modules that the file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} uses a relative import"
            names.add(node.module or "")
            if node.module == "shipper":
                names.update(f"shipper.{alias.name}" for alias in node.names)
    return names


SOURCES = sorted(path for path in ROOT.rglob("*.py") if "_assets" not in path.parts)


def part_of(path: Path) -> str:
    """Return the first level below the package: `emit`, `errors`, ..."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_left_to_right(path: Path) -> None:
    """A part imports only the parts that stand before it on the record's way."""
    part = part_of(path)
    if part not in ALLOWED:
        return
    ours = {name.split(".")[1] for name in imported_modules(path) if name.startswith("shipper.")}
    breach = ours - ALLOWED[part] - {part}
    assert not breach, f"{path.relative_to(ROOT)} imports {sorted(breach)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_client_has_one_importer(path: Path) -> None:
    """Only shipper/kafka imports the Kafka client, only shipper/elastic the Elasticsearch client."""
    for name in imported_modules(path):
        home = CLIENTS.get(name.partition(".")[0])
        assert home is None or part_of(path) == home, f"{path.relative_to(ROOT)} imports {name}"


def test_no_drawer_modules() -> None:
    """No module is called utils, helpers, common, misc or manager: its concept has a name."""
    drawers = {"utils", "helpers", "common", "misc", "manager"}
    assert not [path for path in SOURCES if path.stem in drawers or path.parent.name in drawers]


def test_no_file_over_300_lines() -> None:
    """A file over 300 lines is a file with two concepts; generated tables are exempt."""
    generated = {ROOT / "ecs" / "fields.py", ROOT / "dataset_table.py"}
    long = {
        str(path.relative_to(ROOT)): count
        for path in SOURCES
        if path not in generated and (count := len(path.read_text("utf-8").splitlines())) > 300
    }
    assert not long


def test_import_shipper_is_light() -> None:
    """`import shipper` loads neither the clients nor pandas nor pydantic."""
    code = (
        "import sys, shipper; "
        "print(sorted({'kafka','elasticsearch','pandas','pydantic','yaml','numpy','typer'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
