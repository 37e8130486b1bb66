"""Error budgets: burn rates by hand, against real Prometheus on the same history, and with little traffic."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from shipper.detect.detectors.base import Reference
from shipper.detect.detectors.slo_burn import PERIOD_BAD, PERIOD_EVENTS, SloBurn
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.fetching.slo_cells import bad_conditions, slo_cells, slo_detector
from shipper.detect.fetching.store import drive
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.judging.judge import Judge, Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rule_job import Fetched
from shipper.detect.rule_job import judge as judge_rule
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.rules.slo_rule import SloRule
from shipper.detect.state import RuleState
from shipper.errors import ConfigurationError
from tests.unit.detect.memory_store import MemoryStore
from tests.unit.detect.simulation import table

STEP_US = 5 * MINUTE_US
BEGIN_US = 1_790_000_000_000_000 // DAY_US * DAY_US
DAY = 288
"""Windows of a day."""

PLAIN = "minimum_bad: 1, probability: 1, "
"""As the workbook has it, without a guard for little traffic."""


def rules(more: str = "", objective: str = "99.9%") -> tuple[SloRule, ...]:
    """The rules that one rule is judged as."""
    active = parse_rules(f"rules: [{{id: slo, name: Shop, kind: slo, {more} objective: {objective}}}]").active
    return tuple(one for one in active if isinstance(one, SloRule))


def history(events: Floats, bad: Floats) -> Table:
    """A table of windows of five minutes."""
    times = BEGIN_US + np.arange(len(events), dtype=np.int64) * STEP_US
    return table(times, {"events": events, "bad": bad})


def judged(rule: SloRule, found: Table) -> list[Judgement]:
    """All windows, judged as the job does."""
    judge = Judge(slo_detector(rule), rule.window, rule.baseline.preceding, lambda _: 1e-3)
    return list(judge.windows(found, int(found.times[0]), int(found.times[-1]) + 1))


def burning(rule: SloRule, found: Table) -> list[int]:
    """Rows whose window burns."""
    return [place for place, one in enumerate(judged(rule, found)) if one.verdict is Verdict.STRONG]


def test_the_default_pairs_are_those_of_the_workbook() -> None:
    """14.4 times over 1 h and 5 min, 6 times over 6 h and 30 min wake somebody; once over 3 d and 6 h can wait."""
    page, ticket = rules()
    assert [(one.rate, one.long / HOUR_US, one.short / MINUTE_US) for one in page.burn] == [
        (14.4, 1, 5),
        (6, 6, 30),
    ]
    assert [(one.rate, one.long / DAY_US, one.short / HOUR_US) for one in ticket.burn] == [(1, 3, 6)]
    assert (page.id, page.severity, ticket.id, ticket.severity) == (
        "slo.critical",
        "critical",
        "slo.warning",
        "warning",
    )
    assert (page.title, ticket.title) == ("Shop", "Shop")


def test_burn_rates_by_hand() -> None:
    """1,000 requests a window, 3 % bad from window 300 on, objective 99.9 %: what each pair shows at the third bad window.

    An hour has 12,000 requests, of which 90 are bad: 0.75 %, a burn rate of 7.5: not yet. At the sixth, 180: 15 > 14.4.
    Six hours have 72,000: at the fifteenth bad window 450 of them are bad: 6.25 > 6; by then the hour burns 30 times.
    """
    bad = np.zeros(400)
    bad[300:] = 30
    found = history(np.full(400, 1000.0), bad)
    page, ticket = rules(PLAIN)
    assert burning(page, found)[0] == 305
    one = judged(page, found)[305].score
    assert one.observed == pytest.approx(15.0)
    assert (one.threshold, one.expected) == (14.4, 1.0)
    assert one.facts["burn_rate_short"] == 30.0
    assert one.reach == 5
    slow = rules(PLAIN + "burn: [{rate: 6, long: 6h, short: 30m}],")[0]
    assert burning(slow, found)[0] == 314
    # 3 days: 301 windows are all there is, so more than 10 bad windows x 30 of 310,000: more than 0.1 %.
    assert burning(ticket, found)[0] == 310


def test_the_short_window_ends_the_alert() -> None:
    """One ordinary five minutes after an hour of failures, the alert is over, though the hour still burns."""
    bad = np.zeros(400)
    bad[300:312] = 100
    page, _ = rules(
        PLAIN
        + "burn: [{rate: 14.4, long: 1h, short: 5m, severity: critical}, {rate: 1, long: 3d, short: 6h}],"
    )
    found = judged(page, history(np.full(400, 1000.0), bad))
    assert [one.verdict.is_anomalous for one in found[310:314]] == [True, True, False, False]
    assert float(str(found[312].score.facts["burn_rate_long"])) > 14.4
    track = judge_rule(
        page,
        Fetched({(): history(np.full(400, 1000.0), bad)}, RuleState()),
        (BEGIN_US, BEGIN_US + 400 * STEP_US),
        (1, 1),
    )
    ((finding,),) = track.findings.values()
    assert finding.start_us == BEGIN_US + 300 * STEP_US
    assert finding.ended_us == BEGIN_US + 312 * STEP_US
    assert finding.recovered_us == BEGIN_US + 313 * STEP_US


@pytest.mark.parametrize(
    ("events", "bad", "expected"),
    [
        (3, 1, False),  # one of three at night
        (1, 1, False),
        (3, 2, False),
        (3, 3, True),  # nothing works
        (100, 3, False),  # 3 % in an hour could still be chance at 0.72 %
        (100, 8, True),
        (100_000, 1_500, True),
        (100_000, 1_400, False),
    ],
)
def test_little_traffic_does_not_wake_anybody(events: int, bad: int, expected: bool) -> None:
    """A pair needs three bad events, and more than chance gives at half its rate; with much traffic that changes nothing."""
    many, wrong = np.zeros(100), np.zeros(100)
    many[58], many[60], wrong[60] = 1, events, bad
    (rule, *_) = rules("burn: [{rate: 14.4, long: 1h, short: 5m}],")
    assert bool(burning(rule, history(many, wrong))) is expected


def test_a_short_window_without_events_neither_opens_nor_ends() -> None:
    """A service with a request every quarter of an hour does not flap; once the long window is over, so is the alert."""
    many, wrong = np.zeros(120), np.zeros(120)
    many[::3] = 1
    wrong[30:60:3] = 1
    (rule, *_) = rules("burn: [{rate: 14.4, long: 1h, short: 5m}],")
    found = judged(rule, history(many, wrong))
    verdicts = [one.verdict for one in found[36:60]]
    assert Verdict.ORDINARY not in verdicts
    assert Verdict.UNKNOWN in verdicts
    assert found[60].verdict is Verdict.ORDINARY
    silent = many.copy()
    silent[60:] = 0
    after = judged(rule, history(silent, wrong))
    assert after[60].verdict is Verdict.UNKNOWN
    assert after[64].verdict is Verdict.ORDINARY


def test_the_alert_tells_what_is_left_of_the_budget() -> None:
    """Budget left: 1 less bad over allowed of the whole period; how long it lasts at this rate."""
    found = table(
        BEGIN_US + np.arange(20, dtype=np.int64) * STEP_US,
        {
            "events": np.full(20, 1000.0),
            "bad": np.r_[np.zeros(12), np.full(8, 50.0)],
            PERIOD_EVENTS: np.full(20, 2_000_000.0),
            PERIOD_BAD: np.full(20, 500.0),
        },
    )
    score = judged(rules(PLAIN)[0], found)[19].score
    assert score.facts["budget_left"] == 0.75
    # 400 bad of 12,000 in the last hour: a rate of 33.3; 75 % of 30 days at it last 16.2 h.
    assert str(score.facts["words"]) == (
        "400 of 12000 events were bad within 1h (objective 99.9 %): the error budget burns 33.3 times as fast as it may, "
        "50.0 times within 5m; 75% of the budget of 30d is left, at this rate for 16 h"
    )


def test_the_period_is_asked_for_only_where_the_budget_burns() -> None:
    """Without a burn one search is sent; with one, a second for the hours of the period, and each row has its sums."""
    rule = rules(PLAIN + "burn: [{rate: 14.4, long: 1h, short: 5m}],")[0]
    start = BEGIN_US - rule.baseline.preceding

    def answer(rows: list[tuple[int, int, int]]) -> dict[str, object]:
        buckets = [
            {"key": {"window": at // 1000}, "doc_count": many, "bad": {"doc_count": bad}}
            for at, many, bad in rows
        ]
        return {"aggregations": {"cells": {"buckets": buckets}}}

    def ask(bad: int) -> tuple[int, dict[int, dict[str, float]]]:
        store = MemoryStore()
        rows = [(BEGIN_US + place * STEP_US, 100, bad) for place in range(-12, 12) if place != 10]
        hours = [(BEGIN_US - place * HOUR_US, 1200, 1) for place in range(800, -1, -1)]
        store.answers = [answer(rows), answer(hours)]
        (found,) = drive(store, [slo_cells(rule, "default", start, BEGIN_US + HOUR_US)])
        return len(store.asked), dict(found[()])

    assert ask(0)[0] == 1
    count, rows = ask(10)
    assert count == 2
    assert PERIOD_BAD not in rows[BEGIN_US - STEP_US]
    assert rows[BEGIN_US + HOUR_US - STEP_US]["events"] == 100
    # 720 whole hours before, and four windows of this one.
    assert rows[BEGIN_US + 3 * STEP_US][PERIOD_EVENTS] == 720 * 1200 + 4 * 100
    assert rows[BEGIN_US + 3 * STEP_US][PERIOD_BAD] == 720 + 4 * 10
    # A window without events has them too: it may burn by what came before.
    assert rows[BEGIN_US + 10 * STEP_US]["events"] == 0
    assert rows[BEGIN_US + 10 * STEP_US][PERIOD_BAD] == 720 + 10 * 10


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", {"term": {"event.outcome": "failure"}}),
        ("bad: {log.level: [error]},", {"terms": {"log.level": ["error"]}}),
        ("slower_than_ms: 300,", {"range": {"event.duration": {"gt": 300_000_000}}}),
        (
            "good: {event.outcome: success},",
            {"bool": {"must_not": [{"bool": {"filter": [{"term": {"event.outcome": "success"}}]}}]}},
        ),
    ],
)
def test_what_is_bad(more: str, expected: dict[str, object]) -> None:
    """Fields, the lack of good ones, or a duration."""
    assert bad_conditions(rules(more)[0]) == (expected,)


@pytest.mark.parametrize("said", ["99.9%", "99.9", "0.999", "' 99.9 %'"])
def test_an_objective_is_a_share_or_a_percentage(said: str) -> None:
    """All of these are the same objective."""
    assert rules(objective=said)[0].objective == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("objective: 100%", "objective: Input should be less than 1"),
        ("objective: most", "objective: Input should be a valid number"),
        ("objective: 90", "a rate of 14.4 is never reached; if all events are bad it is 10"),
        ("period: 1d, objective: 99", "a window is longer than period"),
        ("objective: 99, bad: {a: b}, good: {a: c}", "bad and good exclude each other"),
        ("objective: 99, burn: [{rate: 2, long: 1h, short: 1h}]", "is not shorter than long"),
        ("objective: 99, burn: [{rate: 2, long: 1h, short: 7m}]", "7m is no multiple of the window 5m"),
        ("objective: 99, burns: []", "unknown key burns, did you mean burn?"),
        ("objective: 99, burn: [{rat: 2, long: 1h, short: 5m}]", "did you mean rate?"),
        ("name: a", "objective: Field required"),
    ],
)
def test_what_is_wrong_is_said(more: str, said: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(ConfigurationError) as caught:
        parse_rules(f"rules: [{{id: slo, kind: slo, {more}}}]")
    assert said in str(caught.value)


def test_an_objective_is_no_test() -> None:
    """It compares with what it says, so it takes no part of the budget of false alarms."""
    both = parse_rules("rules: [{id: slo, kind: slo, objective: 99}, {id: err, kind: error_rate}]")
    assert len(both.active) == 3
    assert both.tests == 1


def outages(seed: int, days: int = 5) -> tuple[Floats, Floats]:
    """Traffic with a daily course, failures of all sizes and lengths, and nights without any request."""
    chance = np.random.default_rng(seed)
    count = days * DAY
    course = 1 + 0.8 * np.sin(2 * np.pi * np.arange(count) / DAY)
    events = chance.poisson(4000 * course).astype(float)
    rate = np.full(count, 0.0004)
    for _ in range(14):
        start, length = int(chance.integers(0, count)), int(chance.choice([1, 2, 6, 30, 100, 200]))
        rate[start : start + length] = chance.choice([0.0012, 0.004, 0.008, 0.02, 0.2, 1.0])
    return events, chance.binomial(events.astype(int), rate).astype(float)


def in_prometheus(tmp_path: Path, events: Floats, bad: Floats, expected: Mapping[str, set[int]]) -> str:
    """Play the history in Prometheus and return what it says where it fires otherwise than expected, "" for nowhere.

    Steps next to a change are left out: one evaluation is granted.
    """

    def burns(rate: float, long: str, short: str) -> str:
        parts = [
            f"increase(bad[{length}]) / increase(all[{length}]) > {rate} * 0.001" for length in (long, short)
        ]
        return f"(({parts[0]}) and ({parts[1]}))"

    alerts = {
        "critical": f"{burns(14.4, '1h', '5m')} or {burns(6, '6h', '30m')}",
        "warning": burns(1, "3d", "6h"),
    }
    told = [{"alert": name, "expr": text} for name, text in alerts.items()]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "slo", "rules": told}]}))
    checks = []
    for name, rows in expected.items():
        # Until six hours have passed Prometheus extrapolates the start of a counter, as no history before it is known.
        for row in range(73, len(events)):
            near = {at in rows for at in (row - 1, row, row + 1)}
            is_close = len({at in rows for at in range(row - 4, row + 5)}) == 2
            if len(near) == 1 and (is_close or row % 12 == 0):
                checks.append(
                    {
                        "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                        "eval_time": f"{5 * (row + 1)}m",
                        "exp_samples": [{"labels": "{}", "value": float(row in rows)}],
                    }
                )
    series = [
        {"series": "all", "values": " ".join(f"{value:.0f}" for value in np.r_[0, np.cumsum(events)])},
        {"series": "bad", "values": " ".join(f"{value:.0f}" for value in np.r_[0, np.cumsum(bad)])},
    ]
    case = {"interval": "5m", "input_series": series, "promql_expr_test": checks}
    content = {"rule_files": ["rules.yml"], "evaluation_interval": "5m", "tests": [case]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(content))
    program = shutil.which("promtool")
    assert program is not None
    answer = subprocess.run(
        [program, "test", "rules", "test.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return "" if answer.returncode == 0 else (answer.stdout + answer.stderr)[:3000]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("promtool") is None, reason="Prometheus is not installed")
def test_prometheus_alerts_at_the_same_times(tmp_path: Path) -> None:
    """On two days with failures of all kinds, Prometheus's multiwindow alerts burn in the same windows, one at most apart.

    The guard for little traffic changes nothing there: the service is busy.
    """
    events, bad = outages(1, days=2)
    found = history(events, bad)
    expected: dict[str, set[int]] = {rule.severity: set(burning(rule, found)) for rule in rules()}
    assert expected == {rule.severity: set(burning(rule, found)) for rule in rules(PLAIN)}
    assert all(len(rows) > 20 for rows in expected.values())
    assert in_prometheus(tmp_path, events, bad, expected) == ""
    shifted = {**expected, "critical": {row + 3 for row in expected["critical"]}}
    assert in_prometheus(tmp_path, events, bad, shifted) != ""


def test_gaps_count_as_time() -> None:
    """Windows without a row are part of the hour: failures of two hours ago do not burn now, those of half an hour do."""
    for gap_us, expected in ((2 * HOUR_US, 0.0), (HOUR_US // 2, 250.0)):
        times = np.array([BEGIN_US, BEGIN_US + gap_us], dtype=np.int64)
        found = table(times, {"events": np.array([100.0, 100.0]), "bad": np.array([50.0, 0.0])})
        score = SloBurn().score(found.take(slice(1, 2)), Reference(found.take(slice(0, 1))), 1e-3)
        assert score.observed == pytest.approx(expected)
