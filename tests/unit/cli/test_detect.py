"""`shipper detect`: what a person mistypes is said in one sentence before anything is asked."""

from __future__ import annotations

import pytest

from shipper.cli.detect import moment_of
from shipper.cli.detect_explain import rules_named
from shipper.detect.rule_file import load_rules
from shipper.errors import ConfigurationError


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "0001-01-01", "2300-01-01", "12"])
def test_what_is_no_moment_is_said(text: str) -> None:
    """Words, impossible dates, and those that Elasticsearch cannot store."""
    with pytest.raises(ConfigurationError, match=r"FROM: .* is not a moment such as"):
        moment_of("FROM", text)


def test_a_moment_without_a_zone_is_utc() -> None:
    """A day is its midnight; nothing is nothing."""
    assert moment_of("FROM", "2026-11-21") == moment_of("FROM", "2026-11-21T01:00:00+01:00")
    assert moment_of("FROM", "") is None


def test_a_misspelt_rule_gets_a_guess() -> None:
    """The sentence says which rule was probably meant."""
    rules = load_rules(None)
    assert [one.id for one in rules_named(rules, "inference-errors")] == ["inference-errors"]
    with pytest.raises(ConfigurationError, match=r"did you mean inference-errors\?"):
        rules_named(rules, "inference-error")
