"""What the recipes make, through the indexer's own rules. The recipes themselves run in a real Logstash only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipper.assets import asset
from shipper.ecs.fields import FIELDS
from shipper.index.document import Document, Limits, read_document
from tests.golden.cases import MAX_BYTES, NAMESPACE, NOW, NOW_US, RecipeCase, exact, load_recipe_cases

CASES = load_recipe_cases()
TAGS = {"_unparsed", "_time_unparsed", "_not_utf8", "_cut"}


def _names(value: object, path: str = "") -> list[str]:
    if path in FIELDS or not isinstance(value, dict):
        return [path]
    return [name for key, inner in value.items() for name in _names(inner, f"{path}.{key}".lstrip("."))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_indexer_stores_what_a_recipe_makes(case: RecipeCase) -> None:
    """U56: each document of a recipe passes the guard unchanged, with declared fields only."""
    assert case.about
    assert case.expected
    for wanted in case.expected:
        value = json.dumps(wanted, default=float).encode()
        limits = Limits(past_s=90 * 86_400, future_s=3600, max_bytes=MAX_BYTES)
        read = read_document(value, header_id=None, namespace=NAMESPACE, now_us=NOW_US, limits=limits)
        assert isinstance(read, Document), read
        stored = exact(b"".join(read.bulk_lines(NOW.encode())).splitlines()[1])
        assert stored["event"].pop("ingested") == NOW
        assert stored == wanted
        assert [name for name in _names(wanted) if name not in FIELDS] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_line_is_stored_once(case: RecipeCase) -> None:
    """U57: `event.original` is there only where the message is not the line already, and no line is there twice."""
    for document in case.expected:
        event: dict[str, Any] = document["event"]
        assert event.get("original") != document["message"]
        is_unparsed = "_unparsed" in document.get("tags", [])
        assert not (is_unparsed and "original" in event)
        if "error" in document:
            assert document["error"]["stack_trace"] not in document["message"] + event.get("original", "")


def test_nothing_of_a_source_is_lost() -> None:
    """Every word of every source is in one of its documents, except where a line had to be cut, and says so."""
    for case in CASES:
        if any("_cut" in document.get("tags", []) for document in case.expected):
            continue
        try:
            # A mark of byte order at its beginning says nothing.
            words = case.content.decode("utf-8-sig").split()
        except UnicodeDecodeError:
            continue
        kept = json.dumps(case.expected, default=float, ensure_ascii=False)
        missing = [word for word in words if json.dumps(word, ensure_ascii=False)[1:-1] not in kept]
        assert missing == [], case.name


def test_there_are_cases_of_every_recipe() -> None:
    """Each recipe has cases, among them one with lines that no pattern fits; every tag of the recipes occurs."""
    recipes = {
        path.stem.removeprefix("recipe-") for path in (asset("logstash") / "pipelines").glob("recipe-*.conf")
    }
    assert {case.recipe for case in CASES} == recipes
    tags = {tag for case in CASES for document in case.expected for tag in document.get("tags", [])}
    assert tags == TAGS
    unparsed = {
        case.recipe
        for case in CASES
        if any("_unparsed" in document.get("tags", []) for document in case.expected)
    }
    assert unparsed >= recipes - {"gunicorn-uvicorn"}
