"""The reference page of rules names every key, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from shipper.detect.rules.kinds import KINDS
from shipper.detect.rules.rule import Rule, RuleSet
from shipper.detect.rules.rule_file import parse_rules

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "rules.md").read_text("utf-8")
TOLD_ONCE = set(Rule.model_fields)


def section(title: str) -> str:
    """The text of one section."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, f"the page has no section {title}"
    return found[1]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_section_with_all_its_keys(kind: str) -> None:
    """A key that is not explained is refused, as is a kind without words on when to use it."""
    text = section(kind)
    assert "When to use it:" in text
    for name in set(KINDS[kind].model_fields) - TOLD_ONCE:
        assert f"`{name}" in text, name


@pytest.mark.parametrize(("title", "model"), [("Every rule", Rule), ("The file", RuleSet)])
def test_the_common_keys_are_explained(title: str, model: type[BaseModel]) -> None:
    """All keys that every rule has are on the page."""
    for name in model.model_fields:
        assert f"`{name}" in section(title), name


def test_the_example_is_right() -> None:
    """The example on the page passes the check."""
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    assert [rule.id for rule in parse_rules(found[1]).active] == ["checkout-errors"]
