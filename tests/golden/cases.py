"""The cases under logstash/tests/: one Kafka record each, and what must become of it on either road."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from shipper.assets import asset

NOW = "2026-11-21T12:00:00.000000Z"
"""The time at which every case arrives; documents carry it as event.ingested."""

NOW_US = 1_795_262_400_000_000
NAMESPACE = "red"
"""For documents that name no namespace."""

MAX_BYTES = 6000
"""The largest record that is taken; so small that a case for it is a small file."""

FOLDER = Path("logstash") / "tests"


@dataclass(frozen=True, slots=True)
class Case:
    """One record and its expected fate: `index`, `id`, `document`, or `refused` with its reason."""

    name: str
    about: str
    headers: dict[str, str]
    value: bytes
    expected: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RecipeCase:
    """What stands in one file that a recipe reads, and the records that must come of it, in their order.

    Attributes:
        expected: the values for the topic; `event.id`, which is another each time, is `<name>-<number>`, and the
            name of the machine `HOST`.
        has_year: False where the source leaves out the year, and it is a matter of when the case is run.
    """

    name: str
    about: str
    recipe: str
    content: bytes
    expected: list[dict[str, Any]]
    has_year: bool


def load_cases() -> list[Case]:
    """Read all cases of records, sorted by name."""
    return [_load(path) for path in _paths("*.json")]


def load_recipe_cases() -> list[RecipeCase]:
    """Read all cases of recipes, sorted by name."""
    return [_load_recipe(path) for path in _paths("recipes/*.json")]


def _paths(pattern: str) -> list[Path]:
    found = (asset("logstash") / "tests").glob(pattern)
    return sorted(path for path in found if not path.name.endswith(".expected.json"))


def _load_recipe(path: Path) -> RecipeCase:
    raw = json.loads(path.read_text("utf-8"))
    expected = path.with_suffix("").with_suffix(".expected.json")
    return RecipeCase(
        name=path.stem,
        about=raw["about"],
        recipe=raw["recipe"],
        content=_value(raw),
        expected=exact(expected.read_text("utf-8")) if expected.is_file() else [],
        has_year=raw.get("has_year", True),
    )


def exact(text: str | bytes) -> Any:
    """Decode JSON without rounding a number; -0.0 and 0.0, 1e2 and 100.0 are the same number."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise AssertionError(f"{name} is not JSON")


def _load(path: Path) -> Case:
    raw = json.loads(path.read_text("utf-8"))
    expected = path.with_suffix("").with_suffix(".expected.json")
    return Case(
        name=path.stem,
        about=raw["about"],
        headers=raw.get("headers", {}),
        value=_value(raw),
        expected=exact(expected.read_text("utf-8")) if expected.is_file() else {},
    )


def _value(raw: dict[str, Any]) -> bytes:
    """Return the record's value: a document, a text as it stands, or bytes."""
    if "document" in raw:
        return json.dumps(raw["document"], ensure_ascii=False, separators=(",", ":")).encode()
    if "text" in raw:
        return str(raw["text"]).encode()
    return base64.b64decode(raw["base64"])
