"""Drift on the real Elasticsearch: every reference, inputs and outputs, sparse categories, sampled events."""

from __future__ import annotations

import random
from typing import Any

import pytest

from shipper.detect.event_time.window import HOUR_US, iso
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.state import state_index
from shipper.emit.events import data_profile
from tests.service.detect_features import FAULT_US, HOURS, PER_HOUR, Row, documents, ordinary
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place, empty_place


def profile_of(rows: list[Row]) -> Json:
    """The document of a training profile, as the application side makes it."""
    columns: dict[str, list[object]] = {}
    for numeric, categorical, _ in rows:
        for name, value in {**numeric, **categorical}.items():
            columns.setdefault(name, []).append(value)
    fields = data_profile(columns, name="cohort", version="7", histograms=True)
    data = {
        name.removeprefix("ml.data."): value for name, value in fields.items() if name.startswith("ml.data.")
    }
    missing = {
        name.removeprefix("missing."): data.pop(name) for name in list(data) if name.startswith("missing.")
    }
    return {
        "@timestamp": iso(END_US - 400 * HOUR_US),
        "message": "profile",
        "log": {"level": "info"},
        "event": {"id": "profile-1", "dataset": "ml.data", "action": "profile", "kind": "state"},
        "ml": {"model": {"name": "m", "version": "1"}, "data": {**data, "missing": missing}},
    }


def rule(**keys: object) -> Any:
    """A drift rule with these keys."""
    written = "".join(f", {name}: {value}" for name, value in keys.items())
    return parse_rules(
        "rules:\n  - {id: d, kind: drift, window: 1h, baseline: {preceding: 6h, minimum_windows: 3}, "
        f"group_by: [ml.model.name, ml.model.version]{written}}}\n"
    )


def shifted(chance: random.Random, is_late: bool) -> Row:
    """The age moves by a whole standard deviation."""
    numeric, categorical, prediction = ordinary(chance, is_late)
    numeric["age"] += 10 * is_late
    return numeric, categorical, prediction


@pytest.mark.parametrize("against", ["rolling", "fixed"])
def test_a_shift_is_found_and_nothing_before_it(place: Place, against: str) -> None:
    """Against the windows before and against the first ones: the feature is named, its numbers stand in the alert."""
    place.store(documents(shifted, 1))
    place.run(rule(against=against))
    (alert,) = place.alerts().values()
    assert alert.measured.features == ("age",)
    assert FAULT_US - HOUR_US <= alert.start_us <= FAULT_US + HOUR_US
    facts = alert.measured.facts
    assert facts["kolmogorov_smirnov"] == pytest.approx(0.38, abs=0.08)
    assert 0.3 < float(str(facts["psi"])) < 2
    assert facts["test"] == "location"


@pytest.mark.parametrize("against", ["rolling", "fixed"])
def test_sparse_categories_and_zeros_raise_nothing(place: Place, against: str) -> None:
    """Hundreds of rare categories, new ones every hour, and a feature of which most values are zero: quiet."""
    place.store(documents(ordinary, 2))
    report = place.run(rule(against=against))
    assert report.alerts == ()
    assert sum(one.windows - one.unknown for one in report.rules) >= (8 if against == "rolling" else 5)


def test_against_training_a_skew_is_found_at_once_and_a_faithful_model_is_quiet(place: Place) -> None:
    """The profile logged at training is the reference: serving that never fitted is found without any past."""
    chance = random.Random(9)
    place.store([profile_of([ordinary(chance, False) for _ in range(5000)])])
    place.store(documents(ordinary, 3))
    assert place.run(rule(against="training")).alerts == ()

    def skewed(chance: random.Random, is_late: bool) -> Row:
        return shifted(chance, True)

    with empty_place(place.client) as other:
        other.store([profile_of([ordinary(chance, False) for _ in range(5000)])])
        other.store(documents(skewed, 4))
        other.run(rule(against="training"))
        (alert,) = other.alerts().values()
        assert alert.measured.features == ("age",)
        assert alert.start_us <= END_US - (HOURS - 4) * HOUR_US


def test_without_a_profile_the_answer_is_not_enough_data(place: Place) -> None:
    """U64: a rule against training says what is lacking until the profile is there."""
    place.store(documents(ordinary, 5))
    report = place.run(rule(against="training"))
    assert report.alerts == ()
    place.store([profile_of([ordinary(random.Random(1), False) for _ in range(3000)])])
    begin = END_US - 3 * HOUR_US
    report = place.run(rule(against="training"), start_us=begin, end_us=END_US)
    assert sum(one.windows - one.unknown for one in report.rules) == 3


def test_predictions_and_labels_drift_too(place: Place) -> None:
    """A model that suddenly says `ill` twice as often is found by the labels it gives."""

    def ill(chance: random.Random, is_late: bool) -> Row:
        numeric, categorical, _ = ordinary(chance, is_late)
        return (
            numeric,
            categorical,
            {"label": "ill" if chance.random() < (0.45 if is_late else 0.2) else "well"},
        )

    place.store(documents(ill, 6))
    place.run(rule(of="predictions"))
    (alert,) = place.alerts().values()
    assert alert.measured.features == ("ml.prediction.label",)


def labelled(seed: int, *, ill: float, taller: float) -> list[Json]:
    """Labels in the order of their arrival; of late ones `ill` are ill, and values are `taller`."""
    chance, found = random.Random(seed), []
    for one in documents(ordinary, seed, dataset="ml.feedback"):
        is_late = one["@timestamp"] >= iso(FAULT_US)
        says = "ill" if chance.random() < (ill if is_late else 0.2) else "well"
        value = chance.gauss(170 + taller * is_late, 10)
        one["ml"] = {**one["ml"], "features": {}, "feedback": {"label": says, "value": value}}
        found.append(one)
    return found


@pytest.mark.parametrize(
    ("ill", "taller", "moved"),
    [(0.45, 0.0, ("ml.feedback.label",)), (0.2, 10.0, ("ml.feedback.value",)), (0.2, 0.0, ())],
    ids=["classes", "values", "nothing"],
)
def test_labels_drift_too(place: Place, ill: float, taller: float, moved: tuple[str, ...]) -> None:
    """True classes and true values that shift are found and named; labels that do not are quiet."""
    place.store(labelled(12, ill=ill, taller=taller))
    report = place.run(rule(of="labels", dataset="ml.feedback"))
    alerts = place.alerts().values()
    assert [alert.measured.features for alert in alerts] == ([moved] if moved else [])
    assert all(FAULT_US - HOUR_US <= alert.start_us <= FAULT_US + HOUR_US for alert in alerts)
    assert sum(one.windows - one.unknown for one in report.rules) >= 8


def test_a_category_never_seen_before_is_found_whatever_its_name(place: Place) -> None:
    """Events of one new category stand out among hundreds of rare ones."""

    def renamed(chance: random.Random, is_late: bool) -> Row:
        numeric, categorical, prediction = ordinary(chance, is_late)
        if is_late and chance.random() < 0.1:
            categorical["site"] = "(unknown)"
        return numeric, categorical, prediction

    place.store(documents(renamed, 7))
    place.run(rule())
    (alert,) = place.alerts().values()
    assert alert.measured.features == ("site",)


def test_events_that_stand_for_others_count_as_many(place: Place) -> None:
    """Where sampling kept one ordinary event of ten, a mixture that only sampling changed is no drift."""

    def mixed(chance: random.Random, is_late: bool) -> Row:
        del is_late
        return {"age": chance.gauss(50, 10)}, {"site": "a" if chance.random() < 0.5 else "b"}, {}

    kept = []
    for number, document in enumerate(documents(mixed, 8)):
        is_late = number >= (HOURS - 3) * PER_HOUR
        is_a = document["ml"]["features"]["categorical"]["site"] == "a"
        if is_late and is_a:
            if number % 4:
                continue
            document["ml"]["sample"] = {"weight": 4}
        kept.append(document)
    place.store(kept)
    assert place.run(rule()).alerts == ()
    unweighed = [{**one, "ml": {k: v for k, v in one["ml"].items() if k != "sample"}} for one in kept]
    with empty_place(place.client) as other:
        other.store(unweighed)
        other.run(rule())
        assert len(other.alerts()) == 1


def test_a_spoilt_reference_is_rebuilt_and_said(place: Place) -> None:
    """U65: a state that cannot be read is begun anew from what is stored, loudly; the answer stays the same."""
    place.store(documents(shifted, 1))
    place.run(rule(against="fixed"))
    before = sorted(place.alerts())
    place.client.put(
        state_index(place.namespace), "rule-d", {"kind": "rule", "name": "d", "body": {"version": 99}}
    )
    place.client.refresh(state_index(place.namespace))
    report = place.run(rule(against="fixed"))
    assert "cannot be read" in report.rules[0].notes[0]
    assert sorted(place.alerts()) == before
