"""docs/reference/events.md is generated, current and complete, and the examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest

from shipper.assets import asset
from shipper.cli.events_reference import PAGE, events_page, fields_of
from shipper.cli.main import COMMANDS
from shipper.emit import events
from shipper.schema.table import load_table
from tests.unit.emit.test_events import CALLS

ROOT = Path(__file__).parents[2]
TABLE = load_table(asset("schema"))
MODULES = [module.name for module in pkgutil.iter_modules(events.__path__)]


@pytest.fixture(autouse=True)
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine shows in the page."""
    for name in ("SHIPPER_MODEL_NAME", "SHIPPER_MODEL_VERSION", "SHIPPER_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_the_page_is_current() -> None:
    """docs/reference/events.md is what `shipper schema generate` writes now; twice the same."""
    page = events_page(TABLE)
    assert page == events_page(TABLE)
    assert (ROOT / PAGE).read_text("utf-8") == page
    assert "schema" in COMMANDS


def test_the_page_is_complete() -> None:
    """Each builder and block has its section, each argument its type and meaning, and no marks are left open."""
    page = (ROOT / PAGE).read_text("utf-8")
    for builder in events.BUILDERS:
        assert f"\n## {builder.__name__}\n" in page
    assert page.count("```") % 2 == 0
    assert ">>>" not in page
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert not [row for row in rows if row.endswith("|  |")]


@pytest.mark.parametrize("builder", events.BUILDERS, ids=lambda builder: builder.__name__)
def test_fields_are_those_of_the_code(builder: Any) -> None:
    """The fields listed for an event are those that its builder gives, open objects by their names."""
    listed = {row.name for row in fields_of(TABLE, builder)}
    given = {
        found.name for name in builder(**CALLS[builder.__name__]) if (found := TABLE.field(name)) is not None
    }
    assert given <= listed
    only_sometimes = {"event.outcome", "event.reason"}
    if builder.__name__ == "debug":
        listed -= {"ml.app"}
    assert listed - given <= only_sometimes


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    """Each example of a docstring gives what it says."""
    answer = doctest.testmod(importlib.import_module(f"shipper.emit.events.{name}"))
    assert answer.failed == 0


def test_every_builder_has_an_example() -> None:
    """Each builder shows one call in its docstring; each block shows its use."""
    for builder in events.BUILDERS:
        assert ">>> event = " in (builder.__doc__ or "")
    for block in (
        events.inference,
        events.logged_inference,
        events.InferenceBatch,
        events.TrainingRun,
        events.preprocessing,
    ):
        assert "::\n" in (inspect.getdoc(block) or "")


def test_no_example_repeats_a_secret_or_a_person() -> None:
    """Examples in the page hold no addresses or keys that somebody might copy."""
    page = (ROOT / PAGE).read_text("utf-8")
    assert not re.findall(r"[\w.]+@[\w.]+\.\w+|sk-[A-Za-z0-9]{8,}", page)
