"""Data quality on the real Elasticsearch: every check finds its fault, says it in words, and is quiet otherwise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import yaml

from shipper.alert.wording import sentence
from shipper.detect.event_time.window import HOUR_US, parse_iso
from shipper.detect.rules.rule import RuleSet
from shipper.detect.rules.rule_file import parse_rules
from tests.service.detect_features import FAULT_US, Row, documents, ordinary
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place, empty_place

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "data-quality.md"

RULES = """
rules:
  - {id: missing, kind: data, check: missing, features: [age]}
  - {id: range, kind: data, check: out_of_range, ranges: {pulse: [20, 250]}, limit: 0.001}
  - {id: category, kind: data, check: new_category, features: [ward]}
  - {id: constant, kind: data, check: constant, features: [sensor]}
  - {id: duplicate, kind: data, check: duplicate}
  - {id: imbalance, kind: data, check: imbalance, of: predictions, effect: {share: 0.1}}
  - {id: conflict, kind: data, check: label_conflict, dataset: ml.feedback}
  - {id: schema, kind: data, check: schema}
"""

WORDS = {
    "missing": "age is missing in ",
    "range": "pulse is out of its range in ",
    "category": "ward has the value moon/2 in ",
    "constant": "sensor has one value in all ",
    "duplicate": "% of ",
    "imbalance": "one class of ml.prediction.label has ",
    "conflict": "contradict another label of the same event",
    "schema": "category unit is new: in 100.0% of ",
}


def patient(chance: random.Random, is_faulty: bool) -> Row:
    """One prediction; faulty in every way at once."""
    numeric, categorical, prediction = ordinary(chance, False)
    numeric |= {"pulse": chance.gauss(80, 10), "sensor": chance.gauss(0, 1)}
    categorical["ward"] = chance.choice(["north", "south", "east/1"])
    if chance.random() < 0.01 or (is_faulty and chance.random() < 0.2):
        del numeric["age"]
    if is_faulty:
        numeric["sensor"] = 3.5
        categorical["unit"] = "mm"
        if chance.random() < 0.1:
            numeric["pulse"] = 900.0
        if chance.random() < 0.1:
            categorical["ward"] = "moon/2"
        prediction["label"] = "ill" if chance.random() < 0.01 else "well"
    return numeric, categorical, prediction


def history(seed: int, *, is_faulty: bool) -> list[Json]:
    """Predictions with their labels; some are sent twice and some labels contradict where they are faulty."""
    chance = random.Random(seed)
    found = documents(lambda made, is_late: patient(made, is_late and is_faulty), seed)
    for one in list(found):
        is_late = is_faulty and parse_iso(one["@timestamp"]) >= FAULT_US
        if chance.random() < (0.1 if is_late else 0.001):
            found.append({**one, "event": {**one["event"], "id": f"again-{one['event']['id']}"}})
        for place in range(2 if is_late and chance.random() < 0.1 else 1):
            label = ("well", "ill")[place]
            found.append(
                {
                    "@timestamp": one["@timestamp"],
                    "message": "label",
                    "log": {"level": "info"},
                    "event": {"id": f"label-{one['event']['id']}-{place}", "dataset": "ml.feedback"},
                    "ml": {"prediction": {"id": one["ml"]["prediction"]["id"]}, "feedback": {"label": label}},
                }
            )
    return found


def test_every_check_finds_its_fault_and_says_it_in_words(place: Place) -> None:
    """Eight things go wrong at once; each rule tells its own, with the numbers, and with events where one shows it."""
    made = history(1, is_faulty=True)
    by_id = {one["event"]["id"]: one for one in made}
    place.store(made)
    place.run(parse_rules(RULES))
    alerts = {rule: alert for (rule, _), alert in place.alerts().items()}
    assert set(alerts) == set(WORDS)
    for rule, words in WORDS.items():
        alert = alerts[rule]
        assert words in str(alert.measured.facts["words"]), alert.measured.facts
        assert words in sentence(alert.rule, alert.group, alert.start_us, alert.measured)
        assert FAULT_US - HOUR_US <= alert.start_us <= FAULT_US + HOUR_US
    for sample in alerts["missing"].evidence.samples:
        assert "age" not in by_id[sample]["ml"]["features"]["numeric"]
    for sample in alerts["range"].evidence.samples:
        assert by_id[sample]["ml"]["features"]["numeric"]["pulse"] == 900
    for sample in alerts["category"].evidence.samples:
        assert by_id[sample]["ml"]["features"]["categorical"]["ward"] == "moon/2"


@pytest.mark.parametrize("seed", [2, 3])
def test_no_check_says_anything_of_good_data(place: Place, seed: int) -> None:
    """One value in a hundred is missing, one event in a thousand comes twice, as ever: quiet; and every rule did judge."""
    place.store(history(seed, is_faulty=False))
    report = place.run(parse_rules(RULES))
    assert report.alerts == ()
    assert all(one.windows - one.unknown >= 8 for one in report.rules)


def test_too_little_data_is_an_answer(place: Place) -> None:
    """U64: twelve events in the newest window are no verdict: "12 of 30"."""
    made = [one for one in history(4, is_faulty=False) if one["event"]["dataset"] == "ml.inference"]
    newest = [one for one in made if parse_iso(one["@timestamp"]) >= END_US - HOUR_US]
    keep = {one["event"]["id"] for one in newest[:12]}
    place.store([one for one in made if one not in newest or one["event"]["id"] in keep])
    report = place.run(parse_rules("rules:\n  - {id: missing, kind: data, check: missing}\n"))
    assert report.alerts == ()
    waiting = report.rules[0].waiting
    assert not waiting or (waiting[0].have, waiting[0].need) == (12, 30)


def test_what_sampling_left_out_is_counted(place: Place) -> None:
    """Of complete events with ordinary ages one in five is kept: no share has grown but for who does not weigh them."""

    def one_of_ten_missing(made: random.Random, _: bool) -> Row:
        numeric, categorical, prediction = patient(made, False)
        if made.random() < 0.1:
            numeric.pop("age", None)
        return numeric, categorical, prediction

    chance, kept = random.Random(5), []
    for one in documents(one_of_ten_missing, 5):
        is_late = parse_iso(one["@timestamp"]) >= FAULT_US
        if is_late and one["ml"]["features"]["numeric"].get("age", 99) <= 60:
            if chance.random() >= 0.2:
                continue
            one["ml"]["sample"] = {"weight": 5}
        kept.append(one)
    rules = parse_rules(
        "rules:\n"
        "  - {id: missing, kind: data, check: missing, features: [age]}\n"
        "  - {id: imbalance, kind: data, check: imbalance, of: predictions}\n"
        "  - {id: range, kind: data, check: out_of_range, ranges: {age: [0, 60]}}\n"
        "  - {id: schema, kind: data, check: schema}\n"
        "  - {id: duplicate, kind: data, check: duplicate}\n"
    )
    place.store(kept)
    assert place.run(rules).alerts == ()
    for one in kept:
        one["ml"].pop("sample", None)
    with empty_place(place.client) as other:
        other.store(kept)
        other.run(rules)
        assert {rule for rule, _ in other.alerts()} >= {"missing", "range"}


def test_the_examples_of_the_page_are_accepted() -> None:
    """Every rule that the page shows is valid."""
    text = PAGE.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    rules = parse_rules(text)
    assert isinstance(rules, RuleSet)
    assert len(rules.active) == len(yaml.safe_load(text)["rules"])
