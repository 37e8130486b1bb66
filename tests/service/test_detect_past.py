"""The past judged by hand on the real Elasticsearch: as if it had run then, and nothing twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipper.alert.alert import State
from shipper.alert.lifecycle import WITHDRAWN
from shipper.cli.detect import app
from shipper.detect.event_time.window import HOUR_US, iso
from shipper.detect.explain import Explanation, explain
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rules.rule import RuleSet
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.state import state_index
from shipper.elastic.client import ElasticClient
from tests.service.detect_history import Fault, History, Json
from tests.service.detect_place import END_US, LATENESS_US, Place, empty_place, only
from tests.service.running_stack import RunningStack

FAULT = Fault(END_US - 12 * HOUR_US, END_US - 8 * HOUR_US, error_rate=0.4)
RULES = only("inference-errors")


def stored_body(place: Place) -> Json:
    """The state of the rule as it is stored."""
    stored = place.client.get(state_index(place.namespace), "rule-inference-errors")
    assert stored is not None
    return dict(stored.source["body"])


def explained(place: Place, rules: RuleSet, moment_us: int) -> Explanation:
    """The only rule's window that holds the moment."""
    (rule,) = rules.active
    return explain(
        rules,
        rule,
        place.client,
        place.clock,
        moment_us,
        namespace=place.namespace,
        lateness_us=LATENESS_US,
    )


def test_a_backfill_ends_in_the_alerts_of_a_run(place: Place, client: ElasticClient) -> None:
    """U60, U61: alerts have the times that a run would have given them; a second time, nothing; no checkpoint goes back."""
    made = History(END_US, hours=40, seed=31, fault=FAULT).build()
    documents = [one for one in made if one["event"]["dataset"] == "ml.inference"]
    place.store(documents)
    place.run(RULES)
    before = place.snapshot()
    with empty_place(client) as other:
        other.store(documents)
        other.run(RULES, start_us=END_US - HOUR_US, end_us=END_US)
        assert other.alerts() == {}
        state = stored_body(other)
        # The stretch ends inside the fault, which is followed to its end.
        report = other.run(RULES, start_us=END_US - 14 * HOUR_US, end_us=END_US - 10 * HOUR_US)
        assert {one.action for one in report.alerts} <= {"opened", "recovered"}
        ours, theirs = other.alerts(), place.alerts()
        assert (
            set(ours)
            == set(theirs)
            == {
                ("inference-errors", "scoring-api"),
                ("inference-errors", "batch-scorer"),
            }
        )
        for key, alert in ours.items():
            expected = theirs[key]
            assert alert.state is State.RECOVERED
            assert (alert.id, alert.start_us, alert.detected_us, alert.ended_us, alert.windows) == (
                expected.id,
                expected.start_us,
                expected.detected_us,
                expected.ended_us,
                expected.windows,
            )
        assert stored_body(other)["checkpoint_us"] == state["checkpoint_us"]
        told = other.snapshot()
        other.run(RULES, start_us=END_US - 14 * HOUR_US, end_us=END_US - 10 * HOUR_US)
        other.clock.advance(300)
        other.run(RULES)
        assert other.run(RULES).windows == 0
        assert other.snapshot() == told
    place.run(RULES, start_us=END_US - 14 * HOUR_US, end_us=END_US - 10 * HOUR_US)
    place.run(RULES, start_us=END_US - 9 * HOUR_US, end_us=END_US - 3 * HOUR_US)
    assert place.snapshot() == before


def test_a_window_is_explained_by_its_own_judgement(place: Place) -> None:
    """U64: what was asked, observed, expected and decided is what the job decided; nothing is written."""
    place.store(History(END_US, hours=40, seed=32, fault=FAULT).build())
    unseen = explained(place, RULES, END_US - 30 * HOUR_US)
    assert not place.client.indices(f"{state_index(place.namespace)}*")
    assert {one.judgement.verdict for one in unseen.groups if one.judgement} <= {
        Verdict.ORDINARY,
        Verdict.UNCLEAR,
    }
    place.run(RULES)
    before = place.snapshot()
    found = explained(place, RULES, FAULT.start_us + HOUR_US + 1)
    assert place.snapshot() == before
    assert found.window.start_us == FAULT.start_us + HOUR_US
    assert [index for index, _ in found.asked] == [f"logs-ml.inference-{place.namespace}-*"]
    assert {one.group["service.name"] for one in found.groups} == {"scoring-api", "batch-scorer"}
    for one in found.groups:
        assert one.judgement is not None
        assert one.judgement.verdict.is_anomalous
        assert one.judgement.score.observed == pytest.approx(0.4, abs=0.2)
        assert one.judgement.score.expected == pytest.approx(0.005, abs=0.01)
        assert [alert.group for alert in one.alerts] == [one.group]
        assert "alert" in one.why
    early = explained(place, RULES, END_US - 40 * HOUR_US)
    assert any(text.startswith("Not enough data: ") for text in (one.why for one in early.groups))


RESTING = """
rules:
  - {{id: errors, kind: error_rate, group_by: [service.name], window: 15m, warm_up: 7h}}
maintenance:
  - {{start: {start}, end: {end}, group: {{service.name: batch-scorer}}, reason: new disks}}
"""


LASTING = Fault(END_US - 6 * HOUR_US, END_US, error_rate=0.4)


def test_maintenance_and_warm_up_rest_the_rule(place: Place) -> None:
    """A fault in an announced maintenance of one service, and in the warm-up after a deployment of the other, is no alert."""
    documents = History(END_US, hours=30, seed=33, fault=LASTING).build()
    place.store(documents)
    announced = RESTING.format(start=iso(LASTING.start_us - HOUR_US), end=iso(LASTING.end_us + HOUR_US))
    rules = parse_rules(announced)
    place.run(rules)
    (alert,) = place.alerts().values()
    assert alert.group == {"service.name": "scoring-api"}
    place.store(
        [
            {
                "@timestamp": iso(LASTING.start_us - 60_000_000),
                "message": "deployed",
                "log": {"level": "info"},
                "event": {"id": "d1", "dataset": "ml.deployment", "action": "deploy"},
                "service": {"name": "scoring-api"},
                "ml": {"model": {"name": "tumour", "version": "2"}},
            }
        ]
    )
    (report,) = place.run(rules, start_us=END_US - 20 * HOUR_US, end_us=END_US).rules
    assert report.resting == 28 + 25
    (alert,) = place.alerts().values()
    assert (alert.state, alert.reason) == (State.RECOVERED, WITHDRAWN)
    found = explained(place, rules, LASTING.start_us + HOUR_US)  # fmt: skip
    assert [one.why for one in found.groups] == [
        "Not judged: maintenance: new disks.",
        "Not judged: warm-up after a deployment.",
    ]


def test_rules_are_tried_on_the_past_and_nothing_is_written(
    place: Place, stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backtest finds what the job then finds, compares two files, and has an exit code for a pull request."""
    monkeypatch.setenv("SHIPPER_ELASTICSEARCH_URL", stack.elasticsearch_url)
    monkeypatch.setenv("SHIPPER_NAMESPACE", place.namespace)
    place.store(History(END_US, hours=40, seed=34, fault=FAULT).build())
    errors = "rules: [{id: errors, kind: error_rate, group_by: [service.name], baseline: 12h%s}]"
    (tmp_path / "good.yml").write_text(errors % "", "utf-8")
    (tmp_path / "blind.yml").write_text(errors % ", effect: {difference: 0.9}", "utf-8")
    truth = f"start,end,name\n{iso(FAULT.start_us)},{iso(FAULT.end_us)},bad commit\n"
    (tmp_path / "truth.csv").write_text(truth, "utf-8")
    span = [iso(END_US - 24 * HOUR_US), iso(END_US)]
    monkeypatch.chdir(tmp_path)

    def said(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, list(arguments))
        assert done.exception is None or isinstance(done.exception, SystemExit)
        return done.exit_code, done.stdout

    between = ["--from", span[0], "--to", span[1], "--truth", "truth.csv"]
    code, text = said(
        "backtest", "good.yml", *between, "--against", "blind.yml", "--min-recall", "1", "--json"
    )
    good, blind = json.loads(text)["results"]
    assert (code, good["recall"], good["precision"], blind["recall"]) == (0, 1.0, 1.0, 0.0)
    assert 0 < good["delay_s"] <= 3600
    assert (good["cost"], blind["cost"]) == (0, 10)
    code, text = said("backtest", "blind.yml", *between, "--against", "good.yml")
    assert (code, "Missed: bad commit" in text) == (1, True)
    assert not place.client.indices(f"{state_index(place.namespace)}*")
    assert place.alerts() == {}

    code, text = said("backfill", *span, "--rules", "good.yml", "--json")
    assert (code, len(json.loads(text)["alerts"])) == (0, 2)
    for raised, alert in zip(good["raised"], place.book.all(tuple(State)), strict=True):
        assert raised["start"] == iso(alert.start_us)
        assert raised["detected"] == iso(alert.detected_us)
    moment = iso(FAULT.start_us + HOUR_US)
    code, text = said("explain", moment, "--rules", "good.yml", "--rule", "errors", "--about", "scoring")
    assert code == 0
    for part in (
        "scoring-api",
        "logs-ml.inference-",
        "observed",
        "expected",
        "10^-",
        "opens an alert",
        "(recovered)",
    ):
        assert part in text, part
    assert "batch-scorer" not in text


def test_a_stretch_that_the_state_has_forgotten_is_judged_alike(place: Place) -> None:
    """U61: weeks later, from within the fault on: its alert is known again by what came before, and left as it is."""
    made = History(END_US, hours=40, seed=35, fault=FAULT).build()
    place.store([one for one in made if one["event"]["dataset"] == "ml.inference"])
    place.run(RULES)
    assert len(place.alerts()) == 2
    place.clock.advance(9 * 86_400)
    place.run(RULES)
    before, state = place.snapshot(), stored_body(place)
    (report,) = place.run(RULES, start_us=END_US - 10 * HOUR_US, end_us=END_US).rules
    assert (report.windows, report.from_us) == (240, END_US - 10 * HOUR_US)
    assert place.snapshot() == before
    assert stored_body(place) == state
