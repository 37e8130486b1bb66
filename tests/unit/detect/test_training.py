"""Rules about training runs: what they may say, the rows of a run, and each check on runs made up for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.curving.faults import FAULTS
from benchmarks.curving.runs import Plan, Run, made
from benchmarks.curving.windows import table_of
from shipper.detect.curves import layout
from shipper.detect.curves.points import points_of, since_begun
from shipper.detect.curves.rows import run_table
from shipper.detect.detectors.base import Reference, Score
from shipper.detect.detectors.nonfinite import NonFinite
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.table import Table
from shipper.detect.fetching.training_evidence import training_bad
from shipper.detect.judging.judge import Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rule_job import Fetched, judge
from shipper.detect.rules.rule_file import load_rules, parse_rules
from shipper.detect.rules.training_rule import TrainingRule
from shipper.detect.state import RuleState
from shipper.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
BEGIN_US = 1_790_000_000_000_000 // DAY_US * DAY_US
PLAN = Plan(
    shape="power law", total=3000, every=1, step_s=5.0, epochs=30, pause=0.05, noise=0.04, tied=0.3, heavy=False,
    floor=0.1, gap=0.05, logs_rate=False, drops=(0.5,),
)  # fmt: skip
CHECKS = tuple(FAULTS)


def rule_of(check: str, **more: Any) -> TrainingRule:
    """A rule of a check with its defaults."""
    field = {"field": "ml.metrics.grad_norm"} if check == "out_of_band" else {}
    return TrainingRule.model_validate({"id": check, "check": check, **field, **more})


def run_of(seed: int = 0, **more: Any) -> Run:
    """A healthy run of about four hours."""
    return made(np.random.default_rng(seed), replace(PLAN, **more))


def end_of(run: Run, rule: TrainingRule, begin_us: int = BEGIN_US) -> int:
    """A moment some hours after the run's end, or after its last step."""
    end = begin_us + round((run.end_s or float(run.step_s[-1]) + 5 * 3600) * 1e6) + 2 * HOUR_US
    return end - end % rule.window


def judged(rule: TrainingRule, run: Run, *, earlier: int = 0, chunk: int = 10**18) -> list[Judgement]:
    """All judgements of a run, with healthy runs of the same kind before it; in chunks if asked."""
    tables: dict[Group, Table] = {}
    begin = BEGIN_US
    for place in range(earlier):
        one = run_of(100 + place)
        tables[(f"earlier-{place}",)] = table_of(one, rule, begin, end_of(one, rule, begin))
        begin += 6 * HOUR_US
    end = end_of(run, rule, begin)
    tables[("judged",)] = table_of(run, rule, begin, end)
    state = RuleState()
    found: list[Judgement] = []
    for start in range(begin, end, chunk):
        result = judge(rule, Fetched(tables, state), (start, min(end, start + chunk)), (0.2, 10))
        state = result.state
        found += result.judgements.get(("judged",), ())
    return found


def anomalous(judgements: list[Judgement]) -> list[Judgement]:
    """Those that are anomalous."""
    return [one for one in judgements if one.verdict.is_anomalous]


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_a_planted_fault_is_found_and_the_same_run_without_it_is_quiet(check: str) -> None:
    """U65: every check finds its fault in a run of four hours, says it in words, and says nothing of the healthy run."""
    rule = rule_of(check)
    earlier = 6 if rule.compares else 0
    assert not anomalous(judged(rule, run_of(1), earlier=earlier))
    planted = FAULTS[check](np.random.default_rng(5), run_of(1))
    found = anomalous(judged(rule, planted.run, earlier=earlier))
    assert found
    begin = BEGIN_US + earlier * 6 * HOUR_US
    assert found[0].start_us + rule.window > begin + planted.fault_s * 1e6
    assert str(found[0].score.facts["words"])


@pytest.mark.slow
@pytest.mark.parametrize("check", ["divergence", "stalled", "loss_spike"])
def test_chunks_change_no_verdict(check: str) -> None:
    """Judged an hour at a time, with the state stored in between, a run has the verdicts that it has at once."""
    rule = rule_of(check)
    run = FAULTS[check](np.random.default_rng(5), run_of(1)).run
    hourly, at_once = judged(rule, run, chunk=HOUR_US), judged(rule, run)
    assert [(one.start_us, one.verdict, one.score.value) for one in hourly] == [
        (one.start_us, one.verdict, one.score.value) for one in at_once
    ]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["curriculum", "warm restarts", "resumed", "staircase", "cosine"])
@pytest.mark.parametrize("check", ["loss_spike", "divergence", "plateau", "overfitting"])
def test_schedules_are_no_faults(check: str, shape: str) -> None:
    """Harder data, warm restarts, a run that is taken up again, drops of the learning rate: nothing is said."""
    assert not anomalous(judged(rule_of(check), run_of(2, shape=shape)))


def test_the_spike_is_told_with_its_step_and_value() -> None:
    """The one step among the many of a point that leapt is named."""
    run = run_of(3)
    loss = run.loss.copy()
    loss[2000] *= 9
    found = anomalous(judged(rule_of("loss_spike"), replace(run, loss=loss)))
    assert len(found) == 1
    score = found[0].score
    assert score.observed == pytest.approx(loss[2000])
    assert abs(int(score.facts["step"]) - 2000) <= 15 // 5 + 1  # type: ignore[arg-type]
    assert f"loss leaps to {loss[2000]:.4g}" in str(score.facts["words"])


def test_a_measure_that_should_grow_is_judged_the_other_way_round() -> None:
    """With `better: higher` an accuracy that falls apart diverges, and one that grows does not."""
    run = run_of(4)
    accuracy = 0.9 - 0.5 / (1 + run.steps / 100) + np.random.default_rng(1).normal(0, 0.01, len(run.steps))
    rule = rule_of("divergence", better="higher")
    assert not anomalous(judged(rule, replace(run, loss=accuracy)))
    falls = accuracy - 0.6 * np.clip((run.steps - 1800) / 900, 0, 1)
    assert anomalous(judged(rule, replace(run, loss=falls)))


def nonfinite(
    names: dict[str, tuple[float, float]], *, first: dict[str, float] | None = None, field: str = "loss"
) -> Score:
    """The score of a window with 30 events and these counts and first steps, after one with other counts."""
    watched = replace(NonFinite().watched, name=field)
    blocks: dict[str, slice] = {layout.EVENTS: slice(0, 1)}
    columns = [layout.EVENTS, *(f"{layout.NONFINITE}/{name}" for name in names)]
    columns += [f"{layout.NONFINITE_STEP}/{name}" for name in names]
    blocks[layout.NONFINITE] = slice(1, 1 + len(names))
    blocks[layout.NONFINITE_STEP] = slice(1 + len(names), 1 + 2 * len(names))
    now = [30.0, *(count for count, _ in names.values()), *(step + 1 for _, step in names.values())]
    before = [30.0, *((first or {}).get(name, 0.0) for name in names), *(0.0 for _ in names)]
    table = Table(np.array([0, 10]), np.array([before, now]), blocks, tuple(columns))
    return NonFinite(watched).score(table.take(slice(1, 2)), Reference(table.take(slice(0, 1))), 1e-4)


def test_nan_is_told_with_the_measure_and_its_first_step() -> None:
    """One NaN of the loss is enough, at step 0, too; the first of several is named."""
    score = nonfinite({"loss": (1, 0), "aux_loss": (2, 7)})
    assert score.is_effective
    assert score.facts["step"] == 0
    assert score.facts["words"] == "loss is NaN or infinite from step 0 on, and so is aux_loss"


def test_what_is_nan_by_habit_is_no_fault() -> None:
    """No validation yet, a skipped step of scaled half precision, a share of nothing: none of these is told."""
    assert not nonfinite({"val_loss": (30, 5)}, first={"val_loss": 30}).is_effective
    assert nonfinite({"val_loss": (1, 5)}).is_effective
    assert not nonfinite({"grad_norm": (2, 5)}).is_effective
    assert nonfinite({"grad_norm": (20, 5)}).is_effective
    assert not nonfinite({"precision": (30, 5)}).is_effective
    assert nonfinite({"precision": (30, 5)}, field="ml.metrics").is_effective


def rows(*starts: int, **last: float) -> list[tuple[int, dict[str, float]]]:
    """Windows with events at these places; what else the last one says."""
    found = [(BEGIN_US + start * 5 * MINUTE_US, {layout.EVENTS: 3.0}) for start in starts]
    found[-1][1].update(last)
    return found


def test_a_run_has_rows_until_a_little_after_its_end() -> None:
    """After an end five rows say that the run is over; then there are none, so that nothing is judged for ever."""
    rule = rule_of("stalled")
    table = run_table(rule, rows(0, 1, 3, **{layout.ENDED: 1.0}), BEGIN_US + DAY_US)
    assert [(time - BEGIN_US) // rule.window for time in table.times.tolist()] == list(range(9))
    assert table.column(layout.OVER).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_a_run_that_vanished_is_given_up_after_a_day() -> None:
    """It is judged for a day, told to be over, and then no more; one that comes back is judged again."""
    rule = rule_of("killed")
    table = run_table(rule, rows(0), BEGIN_US + 10 * DAY_US)
    assert len(table) == 1 + DAY_US // rule.window + 5
    back = run_table(rule, [*rows(0), *rows(2000)], BEGIN_US + 10 * DAY_US)
    assert back.times[: len(table)].tolist() == table.times.tolist()
    assert len(back) == 2 * len(table)


def test_rows_of_a_prefix_are_the_first_rows_of_the_whole() -> None:
    """What comes later changes no row of before."""
    rule = rule_of("stalled")
    told = rows(0, 1, 2, 60, 61)
    whole = run_table(rule, told, BEGIN_US + DAY_US)
    part = run_table(rule, told[:3], BEGIN_US + 50 * rule.window)
    assert np.array_equal(part.values, whole.values[: len(part)])


def test_a_curve_begins_anew_where_the_run_does() -> None:
    """A start, an earlier step, or a raised learning rate: points before are those of another curve."""
    rule = rule_of("divergence")
    resumed = run_of(5, shape="resumed")
    rated = run_of(5, shape="warm restarts", logs_rate=True)
    for run in (resumed, replace(resumed, starts_s=(0.0,)), rated):
        table = table_of(run, rule, BEGIN_US, end_of(run, rule))
        past, current = table.take(slice(0, -1)), table.take(slice(-1, None))
        points = points_of(past, current, layout.STEP, rule.window)
        kept = since_begun(points, past, current, rule.window)
        assert 10 < len(kept) < 0.75 * len(points)
        assert np.all(np.diff(kept.at) >= 0)


@pytest.mark.slow
def test_slow_logging_is_not_silence() -> None:
    """A run that logs every 20 minutes is not stalled while it does, and is when it stops."""
    rule = rule_of("stalled")
    slow = run_of(6, total=60, step_s=1200.0, epochs=1)
    assert not anomalous(judged(rule, slow))
    found = anomalous(judged(rule, replace(slow.until(40_000.0), dead_s=10**6)))
    assert found
    assert found[0].start_us + rule.window > BEGIN_US + (38_000 + 3 * 1200) * 10**6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dead_s", "told"),
    [(8000.0, {"killed"}), (10**6, {"stalled"}), (None, {"killed", "stalled"})],
    ids=["dead", "alive", "unknown"],
)
def test_the_process_tells_hanging_from_gone(dead_s: float | None, told: set[str]) -> None:
    """With heartbeats one of the two rules speaks; where nothing is known of the process both do."""
    run = replace(run_of(7).until(8000.0), dead_s=dead_s)
    assert {check for check in ("killed", "stalled") if anomalous(judged(rule_of(check), run))} == told


def test_too_few_earlier_runs_are_an_answer() -> None:
    """U64: with three earlier runs that finished the band is not known: 3 of 5."""
    found = judged(rule_of("out_of_band"), run_of(8), earlier=3)
    assert {one.verdict for one in found} <= {Verdict.UNKNOWN, Verdict.ORDINARY}
    lacking = [one.score for one in found if one.score.value is None]
    assert (lacking[0].have, lacking[0].need, lacking[0].missing) == (3, 5, "earlier runs that finished")


def problem(text: str) -> str:
    """What is said of a wrong rule."""
    with pytest.raises(ConfigurationError) as caught:
        parse_rules("rules:\n  - {id: r, kind: training, " + text + "}\n")
    return str(caught.value)


def test_a_wrong_rule_is_named() -> None:
    """U60: a misspelt check or key, a band where none is asked for, runs that are not told apart."""
    assert "check" in problem("check: plateu")
    assert "did you mean effect" in problem("check: plateau, efect: {change: 0.1}")
    assert "band means nothing to the check plateau" in problem("check: plateau, band: [0, 1]")
    assert "band has no bound" in problem("check: out_of_band, band: [null, null]")
    assert "group_by must name ml.run.id" in problem("check: stalled, group_by: [host.name]")


def test_defaults_follow_the_check_and_yield_to_the_rule() -> None:
    """A rule that says nothing has the check's window, baseline and effect; what it says holds."""
    assert (rule_of("stalled").window, rule_of("slower").window) == (5 * MINUTE_US, 15 * MINUTE_US)
    (rule,) = parse_rules("rules:\n  - {id: r, kind: training, check: slower, baseline: 7d}\n").active
    assert (rule.baseline.preceding, rule.baseline.minimum_windows) == (7 * DAY_US, 1)
    said = rule_of("slower", baseline={"minimum_windows": 3}, effect={"change": 1.0})
    assert (said.baseline.preceding, said.baseline.minimum_windows, said.effect.change) == (
        30 * DAY_US,
        3,
        1.0,
    )


def test_evidence_is_what_shows_the_finding() -> None:
    """NaN events from the first on, the highest losses, the end that said killed."""
    bad, order = training_bad(rule_of("nonfinite"), {"metrics": ("loss",)})
    assert (bad, order) == (({"terms": {"ml.nonfinite": ["ml.metrics.loss"]}},), ("@timestamp", "asc"))
    assert training_bad(rule_of("loss_spike"), {})[1] == ("ml.metrics.loss", "desc")
    assert training_bad(rule_of("killed"), {"process": "killed"})[0] == (
        {"term": {"event.action": "train-end"}},
    )


def test_the_examples_of_the_page_are_accepted() -> None:
    """Every rule that the page shows is valid, and it has one for each check."""
    text = (
        (ROOT / "docs" / "how-to" / "watch-training.md")
        .read_text("utf-8")
        .split("```yaml\n")[1]
        .split("```")[0]
    )
    rules = [rule for rule in parse_rules(text).active if isinstance(rule, TrainingRule)]
    assert {rule.check for rule in rules} == set(CHECKS)


def test_each_check_has_a_default_rule() -> None:
    """The rules that ship have an example of every check; what raised none in quiet runs is on."""
    rules = [rule for rule in load_rules(None).rules if isinstance(rule, TrainingRule)]
    assert {rule.check for rule in rules} == set(CHECKS)
    assert {rule.check for rule in rules if rule.enabled} == {"nonfinite", "killed", "stalled"}
