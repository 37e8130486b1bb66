"""The benchmark of quiet traffic counts the rules that are off as if they were on."""

from __future__ import annotations

import pytest

from benchmarks import quiet
from shipper.detect.rules.rule_file import load_rules


@pytest.mark.slow
def test_rules_that_are_off_are_judged_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """Two days of one group: a row per rule, at one share more of the budget; the same seed says the same."""
    arguments = ["--seed", "3", "--groups", "1", "--days", "1", "--only", "e"]
    assert quiet.main(arguments) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in quiet.RULES if "e" in name)
    assert quiet.main(arguments) == 0
    assert capsys.readouterr().out == told


def test_each_rule_is_one_that_could_be_switched_on() -> None:
    """The shipped ones are those that ship switched off; the others are rules of kind data with their defaults."""
    shipped = load_rules(None)
    off = {rule.id for rule in shipped.rules if not rule.enabled}
    for name, (text, _) in quiet.RULES.items():
        rule = quiet.rule_of(name, shipped)
        assert rule.enabled
        assert rule.id in off if not text else rule.kind == "data"
