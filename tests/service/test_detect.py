"""Detection on the real Elasticsearch: every kind finds its fault, and nothing else is ever said."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from shipper.alert.alert import Alert, State
from shipper.alert.writer import AlertBook
from shipper.assets import asset
from shipper.clock import ManualClock
from shipper.config import ElasticsearchSettings
from shipper.datasets import DATASETS, REQUIRED_FIELDS
from shipper.detect.job import RunOptions, run
from shipper.detect.lease import Lease, LeaseHeld
from shipper.detect.report import RunReport
from shipper.detect.rule_file import load_rules, parse_rules
from shipper.detect.rules import RuleSet
from shipper.detect.state import ensure_state_index, state_index
from shipper.detect.window import HOUR_US, MINUTE_US, SECOND_US, parse_iso
from shipper.elastic.client import ElasticClient, connect
from shipper.index.templates import install, packaged_templates
from tests.service.detect_history import COMMITS, Fault, History, Json, store
from tests.service.running_stack import RunningStack

END_US = 1_790_003_600_000_000 // HOUR_US * HOUR_US
FAULT_US = END_US - 6 * HOUR_US + 7 * MINUTE_US
FAULT = Fault(FAULT_US, END_US, error_rate=0.12, slower=2.2, accuracy=0.78, scaled=10, missing=0.3)
LATENESS_US = 120 * SECOND_US


@pytest.fixture(scope="module")
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running server with the templates installed."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as found:
        install(found, packaged_templates(asset("es_templates")))
        yield found


@dataclass
class Place:
    """A namespace of its own with a clock that stands at the end of the history."""

    client: ElasticClient
    namespace: str
    clock: ManualClock

    def store(self, documents: list[Json], *, ingested_us: int | None = None) -> None:
        """Store documents, all ingested at one moment (default: now)."""
        moment = self.clock.now_us() if ingested_us is None else ingested_us
        store(self.client, self.namespace, documents, ingested_us=lambda _: moment)

    def run(self, rules: RuleSet | None = None, **spans: Any) -> RunReport:
        """Run the job once."""
        options = RunOptions(namespace=self.namespace, kibana_url="https://kibana.example")
        return run(rules or load_rules(None), self.client, self.clock, options=options, **spans)

    @property
    def book(self) -> AlertBook:
        """The namespace's alerts."""
        return AlertBook(self.client, self.namespace, self.clock)

    def alerts(self) -> dict[tuple[str, str], Alert]:
        """All alerts by rule and first group value."""
        found = self.book.all(tuple(State))
        named = {(one.rule.id, next(iter(one.group.values()), "")): one for one in found}
        assert len(named) == len(found)
        return named

    def snapshot(self) -> list[tuple[str, str, int]]:
        """Index, id and version count of every alert and transition: what a rerun must not change."""
        self.client.refresh(f"logs-ml.alert-{self.namespace}-*")
        body = {"size": 1000, "seq_no_primary_term": True, "query": {"match_all": {}}}
        pattern = f"alerts-ml-{self.namespace},logs-ml.alert-{self.namespace}-*"
        hits = self.client.search(pattern, body)["hits"]["hits"]
        return sorted((hit["_index"], hit["_id"], hit["_seq_no"]) for hit in hits)


@pytest.fixture
def place(client: ElasticClient) -> Iterator[Place]:
    """An empty namespace, removed afterwards."""
    namespace = f"detect{uuid.uuid4().hex[:12]}"
    yield Place(client, namespace, ManualClock(END_US + LATENESS_US + SECOND_US))
    for pattern in (f"logs-ml.*-{namespace}-*", f"alerts-ml-{namespace}*", f"{state_index(namespace)}*"):
        for index in client.indices(pattern):
            client.delete_index(index)


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
    assert accuracy.measured.observed == pytest.approx(0.78, abs=0.06)
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


def test_a_second_run_changes_nothing(place: Place) -> None:
    """U60: running again, from the checkpoint or over the same stretch, writes no alert and no transition."""
    place.store(History(END_US, hours=28, seed=12, fault=FAULT).build())
    place.run()
    before = place.snapshot()
    assert before
    again = place.run()
    assert again.changed == ()
    place.clock.advance(300)
    place.run()
    assert place.run().windows == 0, "what has been seen to its end is not judged for ever"
    place.run(start_us=END_US - 12 * HOUR_US, end_us=END_US)
    assert place.snapshot() == before


def test_piece_by_piece_is_the_same_as_at_once(place: Place, client: ElasticClient) -> None:
    """U61: continuing from checkpoints ends in the same alerts as one run over everything."""
    documents = History(END_US, hours=28, seed=13, fault=FAULT).build()
    place.store(documents)
    place.run()
    other = Place(client, f"{place.namespace}b", ManualClock(END_US))
    try:
        for hours in (10, 4, 1, 0):
            other.clock.set(END_US - hours * HOUR_US + LATENESS_US + SECOND_US)
            due = [one for one in documents if parse_iso(one["@timestamp"]) < other.clock.now_us()]
            store(client, other.namespace, due, ingested_us=lambda one: parse_iso(one["@timestamp"]))
            other.run()
        ours, theirs = other.alerts(), place.alerts()
        assert set(ours) == set(theirs)
        for key, alert in ours.items():
            assert (alert.id, alert.state, alert.windows) == (
                theirs[key].id,
                theirs[key].state,
                theirs[key].windows,
            )
            assert alert.measured == theirs[key].measured
    finally:
        for pattern in (
            f"logs-ml.*-{other.namespace}-*",
            f"alerts-ml-{other.namespace}*",
            f"{state_index(other.namespace)}*",
        ):
            for index in client.indices(pattern):
                client.delete_index(index)


def test_late_events_reopen_their_windows(place: Place) -> None:
    """U59: late events are counted, their windows judged again, and the alert they bring gets told."""
    fault = Fault(END_US - 4 * HOUR_US, END_US, error_rate=0.3)
    documents = History(END_US, hours=28, seed=14, fault=fault).build()
    is_late = [
        one["event"]["outcome"] == "failure" and parse_iso(one["@timestamp"]) >= fault.start_us
        if one["event"]["dataset"] == "ml.inference"
        else False
        for one in documents
    ]
    rules = only("inference-errors")
    early = [one for one, late in zip(documents, is_late, strict=True) if not late]
    place.store(early)
    assert place.run(rules).alerts == ()
    place.clock.advance(600)
    late_ones = [one for one, late in zip(documents, is_late, strict=True) if late]
    place.store(late_ones)
    report = place.run(rules)
    assert report.rules[0].late_events == len(late_ones)
    assert {one.action for one in report.alerts} == {"opened"}
    first = min(alert.start_us for alert in place.alerts().values())
    assert fault.start_us - 15 * MINUTE_US <= first <= fault.start_us + HOUR_US


def test_late_events_can_withdraw_an_alert(place: Place) -> None:
    """U59: when late events show that all was well the alert is withdrawn, with a higher revision."""
    documents = History(END_US, hours=28, seed=15).build()
    hole = (END_US - 3 * HOUR_US, END_US - 2 * HOUR_US)

    def is_late(one: Json) -> bool:
        inside = hole[0] <= parse_iso(one["@timestamp"]) < hole[1]
        return inside and one["service"]["name"] == "scoring-api"

    rules = only("inference-silence")
    place.store([one for one in documents if not is_late(one)])
    place.run(rules)
    (opened,) = place.alerts().values()
    assert opened.group == {"service.name": "scoring-api"}
    assert opened.start_us == hole[0]
    assert opened.state is State.RECOVERED
    place.clock.advance(600)
    place.store([one for one in documents if is_late(one)])
    place.run(rules)
    (withdrawn,) = place.alerts().values()
    assert withdrawn.id == opened.id


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


def test_an_acknowledged_alert_stays_acknowledged(place: Place) -> None:
    """A person's mark survives later runs."""
    place.store(History(END_US, hours=28, seed=18, fault=FAULT).build())
    place.run(only("feature-drift"))
    (alert,) = place.alerts().values()
    place.book.acknowledge(alert.id[:8], "the imaging service, being mended")
    place.clock.advance(60)
    assert place.run(only("feature-drift")).changed == ()
    (after,) = place.alerts().values()
    assert after.state is State.ACKNOWLEDGED
    assert after.note == "the imaging service, being mended"


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
            "@timestamp": f"{parse_text(at)}",
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


def test_two_jobs_do_not_overlap(place: Place) -> None:
    """U63: while one job holds the lease another is refused; when it is given back or has expired it goes on."""
    place.store(History(END_US, hours=6, seed=20).build())
    ensure_state_index(place.client, place.namespace)
    leader = Lease(place.client, place.namespace, place.clock, "leader", length_s=60)
    leader.take()
    with pytest.raises(LeaseHeld, match="leader"):
        place.run()
    leader.take()
    leader.give_back()
    assert place.run().windows > 0
    leader.take()
    place.clock.advance(61)
    assert place.run().rules


def test_a_gap_beyond_the_limit_is_reported(place: Place) -> None:
    """U61: what is too old to catch up is skipped, and said."""
    place.store(History(END_US, hours=6, seed=23).build())
    rules = only("inference-errors")
    place.run(rules)
    place.clock.advance(9 * 86_400)
    (report,) = place.run(rules).rules
    assert len(report.notes) == 1
    assert "was not judged" in report.notes[0]
    assert "--from" in report.notes[0]


def test_an_unreadable_state_is_rebuilt_loudly(place: Place) -> None:
    """U65: a state that cannot be read is begun anew from history, the run says so, and alerts stay the same."""
    place.store(History(END_US, hours=28, seed=12, fault=FAULT).build())
    rules = only("feature-drift")
    place.run(rules)
    before = place.snapshot()
    place.client.put(
        state_index(place.namespace), "rule-feature-drift", {"kind": "rule", "body": {"version": 99}}
    )
    (report,) = place.run(rules).rules
    assert "cannot be read" in report.notes[0]
    assert place.snapshot() == before
    stored = place.client.get(state_index(place.namespace), "rule-feature-drift")
    assert stored is not None
    assert json.loads(json.dumps(stored.source["body"]))["version"] == 1


def test_an_empty_namespace_is_no_error(place: Place) -> None:
    """A job that is started before the first record has nothing to judge."""
    report = place.run()
    assert (report.windows, report.alerts) == (0, ())


def only(rule_id: str) -> RuleSet:
    """The default rules with one of them switched on."""
    rules = load_rules(None)
    kept = tuple(rule for rule in rules.rules if rule.id == rule_id)
    return rules.model_copy(update={"rules": kept})


def parse_text(moment_us: int) -> str:
    """The moment as documents write it."""
    from shipper.detect.window import iso

    return iso(moment_us)
