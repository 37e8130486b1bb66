"""`shipper detect`: what a person mistypes is said in one sentence before anything is asked."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from shipper.cli.detect import moment_of
from shipper.cli.detect_explain import as_document, rules_named
from shipper.cli.rules_trial import chosen
from shipper.detect.detectors.base import Score, not_enough
from shipper.detect.event_time.window import Window
from shipper.detect.explain import Explanation, GroupExplanation
from shipper.detect.judging.judge import Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rules.rule_file import load_rules
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


def test_a_window_without_enough_data_is_explained_as_json() -> None:
    """U64: a score that has no facts to tell is a document as any other."""
    judgement = Judgement(0, Verdict.UNKNOWN, not_enough(3, 20, "events in the window"), 0.01, 0)
    group = GroupExplanation({"service.name": "api"}, judgement, "share", "Not enough data.")
    (rule,) = [one for one in load_rules(None).active if one.id == "inference-errors"]
    found = Explanation(rule, Window(0, rule.window), (), (group,))
    (document,) = json.loads(json.dumps(as_document(found)))["groups"]
    assert (document["verdict"], document["score"], document["facts"]) == ("unknown", None, {})
    assert (document["have"], document["need"]) == (3, 20)


def test_rules_are_tried_by_name_switched_on_or_not() -> None:
    """All that are on by default; a rule that is off when named, in the parts that it is judged as; a guess where none is."""
    rules = load_rules(None)
    assert chosen(rules, []) == list(rules.active)
    both = [one.id for one in chosen(rules, ["inference-objective"])]
    assert both == ["inference-objective.critical", "inference-objective.warning"]
    assert [one.id for one in chosen(rules, both[:1])] == both[:1]
    with pytest.raises(ConfigurationError, match="did you mean inference-objective"):
        chosen(rules, ["inference-objectiv"])


def test_numbers_of_numpy_are_explained_as_json() -> None:
    """What a detector computed is written as a number, whoever made it."""
    yes: Any = np.bool_(True)
    some: Any = np.int64(30)
    score = Score(np.float64(7.5), np.float64(0.2), yes, count=some, facts={"slow_from_ns": some})
    judgement = Judgement(0, Verdict.STRONG, score, np.float64(0.01), 0)
    group = GroupExplanation({}, judgement, "share", "Anomalous.")
    (rule,) = [one for one in load_rules(None).active if one.id == "inference-errors"]
    found = Explanation(rule, Window(0, rule.window), (), (group,))
    (document,) = json.loads(json.dumps(as_document(found)))["groups"]
    assert (document["score"], document["is_effective"], document["count"]) == (7.5, True, 30)
    assert document["facts"] == {"slow_from_ns": 30}
