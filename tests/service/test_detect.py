"""Detection on the real Elasticsearch: every kind finds its fault, and nothing else is ever said."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.alert.alert import State
from shipper.datasets import DATASETS, REQUIRED_FIELDS
from shipper.detect.event_time.window import HOUR_US, iso, parse_iso
from shipper.detect.rules.rule_file import parse_rules
from tests.service.detect_history import COMMITS, Fault, History, Json
from tests.service.detect_place import (
    END_US,
    FAULT,
    FAULT_US,
    Place,
    only,
)


def test_every_kind_finds_its_fault_and_names_the_commit(place: Place) -> None:
    """One faulty commit: errors, latency, accuracy and drift are found, with evidence; nothing else is."""
    documents = History(END_US, seed=11, fault=FAULT).build()
    place.store(documents)
    report = place.run()
    alerts = place.alerts()
    assert set(alerts) == {
        ("inference-errors", "scoring-api"),
        ("inference-errors", "batch-scorer"),
        ("inference-latency", "scoring-api"),
        ("inference-latency", "batch-scorer"),
        ("model-accuracy", "tumour"),
        ("feature-drift", "tumour"),
    }
    assert {one.action for one in report.alerts} == {"opened"}
    by_id = {document["event"]["id"]: document for document in documents}
    for alert in alerts.values():
        assert alert.state is State.OPEN
        assert alert.commit == COMMITS[2]
        assert FAULT_US - HOUR_US <= alert.start_us <= FAULT_US + 2 * HOUR_US
        assert alert.detected_us <= FAULT_US + 3 * HOUR_US
        assert 1 <= len(alert.evidence.samples) <= 5
        for sample in alert.evidence.samples:
            moment = by_id[sample]["ml"]["prediction"].get("time", by_id[sample]["@timestamp"])
            assert alert.start_us <= parse_iso(moment) < alert.detected_us
        assert alert.evidence.url.startswith("https://kibana.example/app/discover#/")
    assert len({alert.incident for alert in alerts.values()}) == 1
    drift = alerts["feature-drift", "tumour"]
    assert drift.measured.features == ("texture",)
    assert drift.measured.facts["missing_share"] == pytest.approx(0.3, abs=0.1)
    accuracy = alerts["model-accuracy", "tumour"]
    assert accuracy.group["ml.model.version"] == "2"
    # Of a look of up to four hours, of which the fault (0.78) may fill a part.
    assert 0.7 < accuracy.measured.observed < 0.88 < accuracy.measured.expected
    assert accuracy.measured.expected == pytest.approx(0.94, abs=0.02)
    slow = alerts["inference-latency", "scoring-api"]
    assert slow.measured.effect == pytest.approx(2.2, rel=0.4)
    worst = max(
        document["event"]["duration"]
        for document in documents
        if document["event"]["dataset"] == "ml.inference"
        and document["service"]["name"] == "scoring-api"
        and slow.start_us <= parse_iso(document["@timestamp"]) < slow.detected_us
    )
    assert by_id[slow.evidence.samples[0]]["event"]["duration"] == worst


@pytest.mark.parametrize("seed", [21, 22])
def test_nothing_is_said_where_nothing_is_wrong(place: Place, seed: int) -> None:
    """A day with its traffic's course and a clean deployment raises no alert."""
    place.store(History(END_US, seed=seed).build())
    report = place.run()
    assert report.alerts == ()
    assert report.windows > 500
    assert all(rule.to_us > rule.from_us for rule in report.rules)


def test_a_service_that_stops_is_found_and_a_backlog_is_not_silence(place: Place) -> None:
    """A stop raises an alert; events that are still on their way do not."""
    fault = Fault(END_US - 2 * HOUR_US, END_US, silent="batch-scorer")
    documents = History(END_US, hours=20, seed=16, fault=fault).build()
    rules = only("inference-silence")
    behind = [one for one in documents if parse_iso(one["@timestamp"]) < fault.start_us]
    place.store(behind)  # ingested just now, all of it hours old
    report = place.run(rules)
    assert report.watermark_us <= fault.start_us
    assert report.lag_us > HOUR_US
    assert report.alerts == ()
    place.clock.advance(30)
    place.store(documents)
    place.run(rules)
    (alert,) = place.alerts().values()
    assert alert.group == {"service.name": "batch-scorer"}
    assert alert.state is State.OPEN
    assert alert.start_us == fault.start_us
    assert len(alert.evidence.samples) == 5


def test_a_fault_that_ends_recovers(place: Place) -> None:
    """A recovered alert has its end, and the history has both changes as full documents."""
    fault = Fault(END_US - 7 * HOUR_US, END_US - 4 * HOUR_US, error_rate=0.4)
    place.store(History(END_US, hours=28, seed=17, fault=fault).build())
    place.run(only("inference-errors"))
    alerts = place.alerts()
    assert len(alerts) == 2
    for alert in alerts.values():
        assert alert.state is State.RECOVERED
        assert alert.ended_us is not None
        assert abs(alert.ended_us - fault.end_us) <= HOUR_US
    place.client.refresh(f"logs-ml.alert-{place.namespace}-*")
    hits = place.client.search(f"logs-ml.alert-{place.namespace}-*", {"size": 10})["hits"]["hits"]
    states = sorted(hit["_source"]["alert"]["state"] for hit in hits)
    assert states == ["open", "open", "recovered", "recovered"]
    for hit in hits:
        for name in (*REQUIRED_FIELDS, *DATASETS["ml.alert"].expected):
            value: Any = hit["_source"]
            for part in name.split("."):
                value = value[part]
            assert value
        assert hit["_id"] == hit["_source"]["event"]["id"]


def test_a_goal_is_held_against_the_model(place: Place) -> None:
    """A goal that the model misses is an alert without any baseline; one that it meets is none."""
    place.store(History(END_US, hours=10, seed=19).build())
    rule = """
rules:
  - {{id: goal, kind: metric, time: ml.prediction.time, goal: {goal}, compare: [goal],
     group_by: [ml.model.name], window: 1h, baseline: 7d, minimum_samples: 50}}
"""
    assert place.run(parse_rules(rule.format(goal=0.9))).alerts == ()
    place.run(parse_rules(rule.format(goal=0.995)), start_us=END_US - 10 * HOUR_US)
    (alert,) = place.alerts().values()
    assert alert.measured.facts["against"] == "goal"
    assert alert.measured.expected == 0.995


def test_a_worse_evaluation_of_a_new_version_is_found(place: Place) -> None:
    """A number with its sample size is compared with that of the previous version."""

    def evaluation(version: str, f1: float, at: int) -> Json:
        return {
            "@timestamp": iso(at),
            "message": "evaluated",
            "log": {"level": "info"},
            "event": {"id": f"e-{version}", "dataset": "ml.evaluation", "action": "evaluate"},
            "ml": {
                "model": {"name": "m", "version": version},
                "split": "test",
                "metrics": {"f1": f1},
                "sample": {"size": 2000},
            },
        }

    place.store(
        [evaluation("1", 0.95, END_US - 30 * HOUR_US), evaluation("2", 0.88, END_US - 5 * HOUR_US)],
        ingested_us=END_US - HOUR_US,
    )
    place.run()
    (alert,) = place.alerts().values()
    assert (alert.rule.id, alert.group["ml.model.version"]) == ("model-evaluation", "2")
    assert alert.measured.facts["against"] == "previous_version"


def test_an_empty_namespace_is_no_error(place: Place) -> None:
    """A job that is started before the first record has nothing to judge."""
    report = place.run()
    assert (report.windows, report.alerts) == (0, ())
