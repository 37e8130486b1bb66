"""Rules files: what is accepted, and what is said of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.datasets import DATASETS
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.rules.kinds import KINDS
from shipper.detect.rules.rule import ErrorRateRule, MetricRule
from shipper.detect.rules.rule_file import default_rules_text, load_rules, parse_rules
from shipper.ecs.fields import FIELDS
from shipper.errors import ConfigurationError

ONE = """
rules:
  - id: one
    kind: error_rate
"""


def problems(text: str) -> str:
    """The sentence that a wrong file gets."""
    with pytest.raises(ConfigurationError) as caught:
        parse_rules(text, "the rules", FIELDS)
    return str(caught.value)


def test_the_default_rules_are_right() -> None:
    """The rules that ship with the package pass their own check and use every kind."""
    rules = load_rules(None, FIELDS)
    assert {rule.kind for rule in rules.rules} == set(KINDS)
    assert rules.false_alarms == 1.0
    assert {rule.dataset for rule in rules.active} <= set(DATASETS)


def test_the_default_rules_know_nobody() -> None:
    """No service, model or feature is named in the default rules."""
    text = default_rules_text()
    assert "scoring" not in text
    assert "texture" not in text


def test_defaults_are_filled_in() -> None:
    """An id and a kind are enough."""
    (rule,) = parse_rules(ONE).active
    assert isinstance(rule, ErrorRateRule)
    assert (rule.window, rule.baseline.preceding, rule.title) == (15 * MINUTE_US, DAY_US, "one")


def test_a_baseline_may_be_a_length() -> None:
    """`baseline: 6h` is short for how far it reaches back."""
    (rule,) = parse_rules(ONE + "    baseline: 6h\n").active
    assert rule.baseline.preceding == 6 * HOUR_US


@pytest.mark.parametrize(("text", "per_day"), [("1/day", 1.0), ("2/week", 2 / 7), ("0.5 / day", 0.5)])
def test_the_budget_is_read(text: str, per_day: float) -> None:
    """The budget is a number per day or week."""
    assert parse_rules(f"false_alarms: {text}{ONE}").false_alarms == pytest.approx(per_day)


def test_a_misspelt_key_gets_a_guess_and_its_line() -> None:
    """The sentence names line, rule and the key that was probably meant."""
    said = problems(ONE + "    windw: 15m\n")
    assert "line 5, rule one: unknown key windw, did you mean window?" in said


def test_a_misspelt_key_inside_a_group_gets_a_guess() -> None:
    """Keys of inner groups are guessed among that group's keys."""
    assert "unknown key effect.ratoi, did you mean ratio?" in problems(ONE + "    effect: {ratoi: 3}\n")


def test_all_problems_are_told_at_once() -> None:
    """Nobody has to run the check five times."""
    said = problems(
        """
false_alarm: 1/day
rules:
  - id: Bad Id
    kind: error_rate
  - id: two
    kind: latenci
  - id: three
    kind: drift
    window: soon
    group_by: [service.nam]
  - id: four
    kind: silence
  - id: four
    kind: silence
"""
    )
    for part in (
        "line 2: unknown key false_alarm, did you mean false_alarms?",
        "line 4, rule Bad Id: id:",
        "line 7, rule two: kind 'latenci' is unknown, did you mean latency?",
        "line 10, rule three: window: 'soon' is not a length of time",
        "two rules have the id four",
    ):
        assert part in said


def test_a_misspelt_field_gets_a_guess() -> None:
    """Fields are checked against the field table."""
    assert "group_by names the unknown field service.nam, did you mean service.name?" in problems(
        ONE + "    group_by: [service.nam]\n"
    )


def test_names_under_an_open_object_are_accepted() -> None:
    """A metric or feature may have any name."""
    text = ONE.replace("error_rate", "metric") + "    field: ml.metrics.my_own\n    dataset: ml.evaluation\n"
    (rule,) = parse_rules(text, "the rules", FIELDS).active
    assert isinstance(rule, MetricRule)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "is not valid YAML: line 1"),
        ("- 1", "it must be a mapping"),
        ("rules: []", "at least one rule"),
        ("rules: [5]", "a rule must be a mapping"),
        ("rules: [{id: a}]", "kind is missing"),
        (ONE + "    window: 15\n", "with its unit"),
        (ONE + "    baseline: 30m\n", "shorter than baseline.minimum_windows windows"),
        (ONE + "    hysteresis: {open: 4, of: 3}\n", "open (4) cannot be more than of (3)"),
        (ONE + "    dataset: ml.inferense\n", "there is no dataset 'ml.inferense'"),
        (f"false_alarms: many{ONE}", "is not a budget such as 1/day"),
        (ONE.replace("error_rate", "drift") + "    features: []\n", "features names none"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    """Each mistake has its sentence."""
    assert said in problems(text)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A missing file is the user's mistake, in one sentence."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_rules(tmp_path / "none.yml")


def test_the_digest_changes_with_the_judgement_only() -> None:
    """A new owner is no new rule; a new window is."""
    (plain,) = parse_rules(ONE).active
    (owned,) = parse_rules(ONE + "    owner: team\n    severity: info\n").active
    (longer,) = parse_rules(ONE + "    window: 30m\n").active
    assert plain.digest == owned.digest != longer.digest


def test_a_rule_can_be_switched_off() -> None:
    """A disabled rule is listed but not active, and takes no part of the budget."""
    rules = parse_rules(ONE + "    enabled: false\n")
    assert len(rules.rules) == 1
    assert rules.active == ()
