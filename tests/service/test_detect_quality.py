"""The quality of predictions on the real Elasticsearch: every measure, late labels, corrections, sampling, words."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from shipper.alert.wording import sentence
from shipper.detect.event_time.window import DAY_US, HOUR_US, iso
from shipper.detect.explain import explain
from shipper.detect.rules.rule import RuleSet
from shipper.detect.rules.rule_file import parse_rules
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place, empty_place

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "model-quality.md"
HOURS, PER_HOUR = 20, 160
FAULT_US = END_US - 6 * HOUR_US

RULES = """
rules:
  - {id: precision, kind: quality, measure: precision, positive: fraud, %s}
  - {id: recall, kind: quality, measure: recall, positive: fraud, %s}
  - {id: f1, kind: quality, measure: f1, positive: fraud, %s}
  - {id: missed, kind: quality, measure: false_negative_rate, positive: fraud, goal: 0.2, compare: [goal], %s}
  - {id: accuracy, kind: quality, measure: accuracy, %s}
  - {id: area, kind: quality, measure: auc, positive: fraud, %s}
  - {id: macro, kind: quality, measure: recall, average: macro, %s}
  - {id: cost, kind: quality, measure: cost, costs: {fraud: {legit: 100}, legit: {fraud: 5}}, %s}
""".replace("%s", "baseline: 1d, group_by: [ml.model.name]")


@dataclass(frozen=True, slots=True)
class Model:
    """How good a model is: of true fraud it finds a part, of the rest it takes a part for fraud."""

    fraud: float = 0.2
    found: float = 0.9
    mistaken: float = 0.02

    def case(self, chance: random.Random) -> tuple[str, str, float]:
        """Truth, prediction, confidence in the prediction."""
        truth = "fraud" if chance.random() < self.fraud else "legit"
        says = "fraud" if chance.random() < (self.found if truth == "fraud" else self.mistaken) else "legit"
        return truth, says, chance.uniform(0.8, 1.0) if truth == says else chance.uniform(0.5, 0.7)


def history(
    seed: int,
    later: Model,
    delay_us: Callable[[random.Random, str], float] = lambda chance, _: chance.uniform(0, HOUR_US),
    *,
    end_us: int = END_US,
    now_us: int = END_US,
) -> list[Json]:
    """Predictions, and those of their labels that have come by now; the model changes at `FAULT_US`."""
    chance, found = random.Random(seed), []
    for number in range(HOURS * PER_HOUR):
        at = end_us - HOURS * HOUR_US + number * HOUR_US // PER_HOUR
        truth, says, score = (later if at >= FAULT_US - (END_US - end_us) else Model()).case(chance)
        delay = delay_us(chance, truth)
        shared = {"log": {"level": "info"}, "message": "m"}
        ml = {"model": {"name": "m", "version": "1"}}
        said = {"id": f"{seed}-{number}", "label": says, "score": score}
        event = {"id": f"p{seed}-{number}", "dataset": "ml.inference", "outcome": "success"}
        found.append({**shared, "@timestamp": iso(at), "event": event, "ml": {**ml, "prediction": said}})
        if at + delay <= now_us:
            feedback = {"label": truth, "delay": delay / 1e6}
            label = {**ml, "prediction": {**said, "time": iso(at)}, "feedback": feedback}
            event = {"id": f"l{seed}-{number}", "dataset": "ml.feedback"}
            found.append({**shared, "@timestamp": iso(int(at + delay)), "event": event, "ml": label})
    return found


def test_every_measure_finds_its_fault_and_says_it_in_words(place: Place) -> None:
    """Half of the fraud is missed and legitimate cases are taken for fraud: each measure says so in its own words."""
    place.store(history(1, Model(found=0.5, mistaken=0.12)))
    report = place.run(parse_rules(RULES))
    alerts = {rule: alert for (rule, _), alert in place.alerts().items()}
    assert set(alerts) == {one.rule_id for one in report.rules}
    words = {
        "precision": "labelled predictions of fraud were right), it was ",
        "recall": "true fraud were missed), it was ",
        "f1": "wrong or missed), it was ",
        "missed": "false-negative rate of fraud is ",
        "accuracy": "labelled predictions were right), it was 9",
        "area": "AUC of fraud is 0.",
        "macro": "mean recall of 2 classes is ",
        "cost": "mean cost of a prediction is ",
    }
    for rule, part in words.items():
        alert = alerts[rule]
        text = sentence(alert.rule, alert.group, alert.start_us, alert.measured)
        assert part in text, text
        assert "95% interval" in text
        assert FAULT_US - HOUR_US <= alert.start_us <= FAULT_US + 2 * HOUR_US, rule
    assert "the goal is 20.0%" in str(alerts["missed"].measured.facts["words"])
    assert alerts["precision"].measured.facts["actual"] == "(others)"
    assert len(alerts["recall"].evidence.samples) == 5


@pytest.mark.parametrize("first", ["fraud", "legit"])
def test_late_labels_of_one_class_raise_no_alarm(place: Place, first: str) -> None:
    """One class is labelled within the hour, the other takes up to ten: quiet, and settled cohorts were judged."""

    def delay(chance: random.Random, truth: str) -> float:
        return chance.uniform(0, HOUR_US if truth == first else 10 * HOUR_US)

    place.store(history(2, Model(), delay))
    report = place.run(parse_rules(RULES))
    assert report.alerts == ()
    assert all(one.windows - one.unknown >= 8 for one in report.rules)
    assert all(one.unknown >= 3 for one in report.rules)


def test_a_young_cohort_says_what_it_waits_for(place: Place) -> None:
    """U64: 'Not enough data: 61 of 188 labels of the cohort's predictions', in the run and in explain."""
    place.store(history(3, Model(), lambda chance, _: chance.uniform(0, 8 * HOUR_US)))
    rules = parse_rules(RULES)
    report = place.run(rules)
    (waiting,) = report.rules[0].waiting
    assert waiting.missing.startswith("labels of the cohort's predictions")
    assert 0 < waiting.have < waiting.need
    found = explain(
        rules, rules.active[0], place.client, place.clock, END_US - HOUR_US,
        namespace=place.namespace, lateness_us=0,
    )  # fmt: skip
    (group,) = found.groups
    assert group.why.startswith(f"Not enough data: {waiting.have} of {waiting.need} labels")


def test_cohorts_wait_for_labels_that_come_after_weeks(place: Place) -> None:
    """Labels 30 days late: judged when they are in, once, by the labels of 30 days; the same model is quiet until then."""
    month = 30 * DAY_US
    end = END_US - month
    later = Model(mistaken=0.12)
    rules = parse_rules(
        "rules:\n  - {id: p, kind: quality, measure: precision, positive: fraud, labels_within: 30d, baseline: 1d}\n"
    )

    def delay(chance: random.Random, truth: str) -> float:
        return chance.uniform(0, 10 * DAY_US) if truth == "fraud" else month - 30_000_000

    place.store(history(4, later, delay, end_us=end))
    place.clock.set(place.clock.now_us() - 8 * HOUR_US)
    assert place.run(rules).alerts == ()
    place.clock.set(place.clock.now_us() + 8 * HOUR_US)
    report = place.run(rules)
    (alert,) = [one.alert for one in report.alerts]
    assert FAULT_US - month <= alert.start_us <= FAULT_US - month + 2 * HOUR_US
    assert alert.detected_us >= alert.start_us + month
    assert report.rules[0].to_us == end
    assert place.run(rules).changed == ()


def test_labels_beyond_reach_are_told_and_not_lost_in_silence(place: Place) -> None:
    """U59: a rule that does not wait says how many labels came too late for it, and what to do."""
    rules = parse_rules("rules:\n  - {id: a, kind: quality, measure: accuracy, baseline: 1d}\n")
    place.store(history(5, Model(), end_us=END_US - 4 * DAY_US, now_us=0), ingested_us=END_US - 3 * DAY_US)
    place.run(rules)
    place.clock.set(place.clock.now_us() + HOUR_US)
    late = [
        one for one in history(5, Model(), end_us=END_US - 4 * DAY_US) if one["event"]["id"].startswith("l")
    ]
    place.store(late)
    report = place.run(rules)
    assert f"{len(late):,} labels came for cohorts" in report.rules[0].notes[0]
    assert "labels_within" in report.rules[0].notes[0]


def test_a_corrected_label_replaces_the_first(place: Place) -> None:
    """A second opinion turns 'fraud' into 'legit': the prediction moves to its new cell, nothing is counted twice."""
    made = history(6, Model())
    labels = [one for one in made if one["event"]["dataset"] == "ml.feedback"]
    wrong = [one for one in labels if one["ml"]["prediction"]["label"] != one["ml"]["feedback"]["label"]]
    for number, one in enumerate(wrong):
        says, truth = one["ml"]["prediction"]["label"], one["ml"]["feedback"]["label"]
        feedback = {**one["ml"]["feedback"], "label": says, "previous_label": truth, "revision": 2}
        made.append(
            {**one, "event": {**one["event"], "id": f"c{number}"}, "ml": {**one["ml"], "feedback": feedback}}
        )
    place.store(made)
    rules = parse_rules("rules:\n  - {id: a, kind: quality, measure: accuracy, baseline: 1d}\n")
    start = END_US - 5 * HOUR_US
    found = explain(
        rules, rules.active[0], place.client, place.clock, start, namespace=place.namespace, lateness_us=0
    )
    (group,) = found.groups
    assert group.judgement is not None
    assert group.judgement.score.observed == 1.0
    in_window = [
        one for one in labels if iso(start) <= one["ml"]["prediction"]["time"] < iso(start + HOUR_US)
    ]
    assert group.judgement.score.count == len(in_window)


def test_labels_that_stand_for_others_count_as_many(place: Place) -> None:
    """Where sampling kept one right answer of six, with its weight, the model is as good as it was."""
    chance, kept = random.Random(1), list[Json]()
    for one in history(7, Model()):
        is_late = one["ml"]["prediction"].get("time", "") >= iso(FAULT_US)
        if is_late and one["ml"]["feedback"]["label"] == one["ml"]["prediction"]["label"]:
            if chance.random() >= 1 / 6:
                continue
            one["ml"]["sample"] = {"weight": 6}
        kept.append(one)
    rules = parse_rules("rules:\n  - {id: a, kind: quality, measure: accuracy, baseline: 1d}\n")
    place.store(kept)
    assert place.run(rules).alerts == ()
    for one in kept:
        one["ml"].pop("sample", None)
    with empty_place(place.client) as other:
        other.store(kept)
        other.run(
            parse_rules(
                rule_text
                := "rules:\n  - {id: a, kind: quality, measure: accuracy, coverage: null, baseline: 1d}\n"
            )
        )
        assert len(other.alerts()) == 1, rule_text


def test_a_previous_version_is_what_a_new_one_is_compared_with(place: Place) -> None:
    """A version that is worse from its first request on has no past of its own; the version before it is its measure."""
    made = history(8, Model(mistaken=0.15))
    for one in made:
        at = one["ml"]["prediction"].get("time", one["@timestamp"])
        one["ml"]["model"] = {"name": "m", "version": "2" if at >= iso(FAULT_US) else "1"}
    place.store(made)
    place.run(
        parse_rules(
            "rules:\n  - {id: p, kind: quality, measure: precision, positive: fraud, baseline: 1d, "
            "group_by: [ml.model.name, ml.model.version]}\n"
        )
    )
    (alert,) = place.alerts().values()
    assert alert.group["ml.model.version"] == "2"
    assert "the previous version had " in str(alert.measured.facts["words"])


def test_the_examples_of_the_page_are_accepted() -> None:
    """Every rule that the page shows is valid."""
    text = PAGE.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    rules = parse_rules(text)
    assert isinstance(rules, RuleSet)
    assert len(rules.active) >= 5
