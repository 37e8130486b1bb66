"""Errors that were never seen before, judged from counts by fingerprint."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from shipper.detect.detectors.new_error import NewError
from shipper.detect.detectors.new_values import SLASH
from shipper.detect.fetching.error_cells import error_query, new_error_condition
from shipper.detect.judging.judge import Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rules.error_rule import NewErrorRule
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.templates.forms import fingerprint, form_of, text_of
from tests.unit.detect.series import BEGIN_US, STEP_US, judge

RULE = NewErrorRule(id="new", group_by=("service.name",))


def history(windows: int, **errors: list[int]) -> pd.DataFrame:
    """Sixty events a window, and errors by column in the windows that are named."""
    columns = {name: np.bincount(rows, minlength=windows)[:windows] for name, rows in errors.items()}
    frame = pd.DataFrame({"events": np.full(windows, 60), **columns})
    frame.index = pd.Index(BEGIN_US + np.arange(windows) * STEP_US, dtype="int64")
    return frame


def message(text: str) -> str:
    """The column of a message."""
    return f"messages/{text_of(form_of(text)).replace('/', SLASH)}"


def anomalous(judgements: list[Judgement]) -> list[int]:
    """Rows that are anomalous."""
    return [place for place, one in enumerate(judgements) if one.verdict.is_anomalous]


def test_one_sighting_opens_at_once() -> None:
    """A single event with a fingerprint that was never there is strong evidence."""
    found = judge(NewError(), history(50, **{"exceptions/ab12 app.NoModel": [40]}))
    assert anomalous(found) == [40]
    assert found[40].verdict is Verdict.STRONG
    facts = found[40].score.facts
    assert facts["fingerprint"] == "ab12"
    assert facts["words"] == "an error never seen before: app.NoModel, 1 times"


def test_a_huge_message_has_a_short_sentence() -> None:
    """A message without a space fills neither the sentence nor the facts, and is not asked for as a word."""
    facts = judge(NewError(), history(50, **{message("x" * 2000): [40]}))[40].score.facts
    assert len(str(facts["words"])) < 250
    assert len(str(facts["template"])) == 500
    assert new_error_condition(RULE.bad, facts) == new_error_condition(RULE.bad, {})


def test_a_known_message_with_other_numbers_is_not_new() -> None:
    """Two sightings of one message have one column; a different one is told with its template."""
    seen = {
        message("broker 10.0.0.1:9092 gone after 3 s"): [3, 9, 30, 45],
        message("disk /a/b is full"): [44],
    }
    found = judge(NewError(), history(50, **seen))
    assert anomalous(found) == [44]
    assert found[44].score.facts["template"] == "disk <*> is full"
    assert found[44].score.facts["fingerprint"] == fingerprint(form_of("disk /var/lib is full"))


def test_a_known_template_covers_a_new_name() -> None:
    """Names that the baseline shows to vary do not make a new error."""
    names = ["ada", "bob", "cyd", "dan", "eve"]
    known = {message(f"request of customer {name} was refused"): [place] for place, name in enumerate(names)}
    found = judge(NewError(), history(50, **known, **{message("request of customer zoe was refused"): [40]}))
    assert anomalous(found) == []
    found = judge(NewError(), history(50, **known, **{message("request of customer zoe was lost"): [40]}))
    assert anomalous(found) == [40]


def test_lasts_as_long_as_the_error_and_comes_back_as_a_regression() -> None:
    """An error that was told, went and came back is anomalous again, although it was seen before."""
    found = judge(NewError(), history(80, **{"exceptions/ab app.Bad": [40, 41, 42, 70]}))
    assert anomalous(found) == [40, 41, 42, 70]


def test_a_service_that_always_has_new_ones_grows_quiet() -> None:
    """Where first sightings are ordinary, one more is."""
    noisy = {f"exceptions/{place:x} app.E{place}": [place] for place in range(0, 90, 2)}
    assert anomalous(judge(NewError(), history(90, **noisy))) == []


def test_much_more_that_is_new_than_ever_is_told() -> None:
    """A service with one new error now and then is told of when it has twenty at once."""
    noisy = {f"exceptions/{place:x} app.E{place}": [place] for place in range(0, 90, 2)}
    many = {f"exceptions/f{place:x} app.F{place}": [80] for place in range(20)}
    assert anomalous(judge(NewError(), history(90, **noisy, **many))) == [80]


def test_a_service_whose_messages_cannot_be_masked_is_quiet() -> None:
    """Twenty texts in every window that nobody has seen before say nothing."""
    chance = np.random.default_rng(3)
    texts = {
        f"messages/{' '.join(map(chr, chance.integers(0x4E00, 0x9FFF, 8)))}": [n // 20] for n in range(640)
    }
    assert anomalous(judge(NewError(), history(32, **texts))) == []


def test_too_few_windows_are_no_judgement() -> None:
    """U64: a new service is learnt first, and that is said."""
    found = judge(NewError(), history(20, **{"exceptions/ab app.Bad": [19]}))
    assert {one.verdict for one in found} == {Verdict.UNKNOWN}
    assert (found[19].score.have, found[19].score.need) == (19, 24)


def test_fewer_than_the_minimum_is_not_told() -> None:
    """`minimum_count` counts the events of a window."""
    frame = history(50, **{"exceptions/ab app.Bad": [40, 45, 45]})
    assert anomalous(judge(NewError(minimum_count=2), frame)) == []
    frame = history(50, **{"exceptions/ab app.Bad": [45, 45]})
    assert anomalous(judge(NewError(minimum_count=2), frame)) == [45]


def test_the_answer_is_read_by_form() -> None:
    """Texts that differ in what is masked are one column; an exception keeps its type."""
    bucket = {
        "doc_count": 50,
        "bad": {
            "exceptions": {"buckets": [{"key": "ab12", "doc_count": 4, "type": {"buckets": [{"key": "a.E"}]}}]},
            "messages": {
                "texts": {
                    "buckets": [
                        {"key": "cannot open /a/00 in 00 ms", "doc_count": 2},
                        {"key": "cannot open /b in 0 ms", "doc_count": 1},
                    ]
                }
            },
        },
    }  # fmt: skip
    read = error_query(RULE, "default").read
    assert read(bucket) == {
        "events": 50,
        "exceptions/ab12 a.E": 4,
        "messages/cannot open <*> in <*>": 3,
    }


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"error_type": "a.E", "fingerprint": "ab"}, {"term": {"error.id": "ab"}}),
        (
            {"error_type": "", "template": "cannot open <*> in x1"},
            {"match": {"message": {"query": "cannot open in", "operator": "and"}}},
        ),
    ],
)
def test_evidence_is_asked_for_by_fingerprint_or_by_words(
    facts: dict[str, str], expected: dict[str, object]
) -> None:
    """The sample documents of an alert are those of the new error."""
    assert new_error_condition(RULE.bad, facts)[-1] == expected


def test_the_rule_is_read_from_a_file() -> None:
    """Kind new_error with its defaults."""
    (rule,) = parse_rules("rules:\n  - {id: new, kind: new_error, group_by: [service.name]}\n").active
    assert rule == RULE
