"""When nothing is judged: what a rules file may announce, which windows it concerns, what that does."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from shipper.detect.event_time.quiet import Quiet, is_quiet, quiet_of, quiet_times
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US, iso, parse_iso
from shipper.detect.fetching.store import drive
from shipper.detect.fetching.table import Table
from shipper.detect.rule_job import Fetched, judge
from shipper.detect.rules.maintenance import Maintenance
from shipper.detect.rules.rule import Rule
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.state import RuleState
from shipper.ecs.fields import FIELDS
from shipper.errors import ConfigurationError
from tests.unit.detect.memory_store import MemoryStore

SUNDAY_US = parse_iso("2026-11-22T00:00:00Z")
BEGIN_US = SUNDAY_US - 2 * DAY_US


def rule_with(text: str, maintenance: str = "") -> Rule:
    """An error rule by service with more keys."""
    head = f"maintenance:\n  - {maintenance}\n" if maintenance else ""
    rules = f"{head}rules:\n  - {{id: one, kind: error_rate, group_by: [service.name], window: 1h{text}}}\n"
    (rule,) = parse_rules(rules, "the rules", FIELDS).active
    return rule


def times_of(text: str, from_us: int = BEGIN_US, to_us: int = SUNDAY_US + DAY_US) -> list[tuple[str, str]]:
    """When a maintenance is, as text without seconds."""
    (one,) = rule_with("", text).maintenance
    return [(iso(start)[:16], iso(end)[:16]) for start, end in one.times(from_us, to_us)]


def test_a_maintenance_is_announced_once_or_again() -> None:
    """Once with start and end, each day, or on a day of the week; also over midnight, and over a window's edge."""
    assert times_of("{start: 2026-11-21T22:00:00Z, end: 2026-11-22 02:00:00}") == [
        ("2026-11-21T22:00", "2026-11-22T02:00")
    ]
    assert times_of("{every: sunday, at: 12:30, lasts: 90m}") == [("2026-11-22T12:30", "2026-11-22T14:00")]
    assert times_of("{every: day, at: '23:00', lasts: 2h}") == [
        (f"2026-11-{day}T23:00", f"2026-11-{day + 1}T01:00") for day in (19, 20, 21, 22)
    ]
    assert times_of("{start: 2026-01-01, end: 2026-01-02}") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{strt: 2026-11-21, end: 2026-11-22}", "unknown key maintenance.0.strt, did you mean start?"),
        ("{start: 2026-11-22, end: 2026-11-21}", "end does not lie after start"),
        ("{start: 2026-11-22}", "write start and end, or every, at and lasts"),
        ("{every: day, lasts: 1h, start: 2026-11-22, end: 2026-11-23}", "write start and end, or every"),
        ("{every: caturday, lasts: 1h}", "maintenance.0.every"),
        ("{every: day, at: '25:00', lasts: 1h}", "'25:00' is not a time of day such as 02:00"),
        ("{every: day, lasts: soon}", "'soon' is not a length of time"),
        ("{start: soon, end: later}", "'soon' is not a moment such as"),
        ("{every: day, lasts: 30d}", "maintenance.0.lasts"),
    ],
)
def test_what_is_wrong_with_a_maintenance_is_said(text: str, said: str) -> None:
    """Each mistake has its sentence, a misspelt key its guess."""
    with pytest.raises(ConfigurationError) as caught:
        rule_with("", text)
    assert said in str(caught.value)


def test_a_misspelt_warm_up_gets_a_guess() -> None:
    """So does a field of a rule's own maintenance that documents do not have."""
    with pytest.raises(ConfigurationError, match="unknown key warmup, did you mean warm_up"):
        rule_with(", warmup: 30m")
    with pytest.raises(ConfigurationError, match=r"service.nam, did you mean service.name"):
        rule_with(", maintenance: [{every: day, lasts: 1h, group: {service.nam: a}}]")


def test_rest_is_no_new_rule() -> None:
    """Announcing a maintenance fits no bins anew; the rules see that of the whole file."""
    rule = rule_with(", warm_up: 30m", "{every: day, lasts: 1h}")
    assert rule.digest == rule_with("").digest
    assert len(rule.maintenance) == 1


def test_windows_that_overlap_are_quiet_for_whom_it_concerns() -> None:
    """A window rests if any of it lies in the maintenance; a field that is not grouped by is not held against it."""
    maintenance = Maintenance(start=90 * MINUTE_US, end=2 * HOUR_US, group={"service.name": "a"})
    quiet = quiet_times([maintenance], 0, DAY_US)
    times = np.arange(4, dtype=np.int64) * HOUR_US
    expected = [False, True, False, False]
    assert is_quiet(times, HOUR_US, quiet, {"service.name": "a"}).tolist() == expected
    assert is_quiet(times, HOUR_US, quiet, {"service.name": "b"}).tolist() == [False] * 4
    assert is_quiet(times, HOUR_US, quiet, {"ml.model.name": "m"}).tolist() == expected


def test_a_deployment_quiets_what_was_deployed() -> None:
    """The warm-up concerns the groups that share the deployment's fields, and no rule that filters it out."""
    store = MemoryStore()
    hits = [
        {"fields": {"@timestamp": [iso(BEGIN_US)], "service.name": ["a"]}},
        {"fields": {"@timestamp": [iso(BEGIN_US + HOUR_US)], "service.name": ["b"]}},
    ]
    store.answers = [{"hits": {"hits": hits}}] * 2
    (found,) = drive(store, [quiet_of(rule_with(", warm_up: 30m"), "here", BEGIN_US, SUNDAY_US)])
    assert [(one.start_us, one.end_us, one.group) for one in found] == [
        (BEGIN_US, BEGIN_US + 30 * MINUTE_US, {"service.name": "a"}),
        (BEGIN_US + HOUR_US, BEGIN_US + 90 * MINUTE_US, {"service.name": "b"}),
    ]
    only_b = rule_with(", warm_up: 30m, filter: {service.name: [b, c]}")
    (found,) = drive(store, [quiet_of(only_b, "here", BEGIN_US, SUNDAY_US)])
    assert [one.group for one in found] == [{"service.name": "b"}]
    assert len(store.asked) == 2
    (found,) = drive(store, [quiet_of(rule_with(""), "here", BEGIN_US, SUNDAY_US)])
    assert (found, len(store.asked)) == ((), 2)


def failures(bad_from: int, bad_to: int) -> Table:
    """Forty-eight hours of 100 events, half of them bad in some hours."""
    times = BEGIN_US + np.arange(48, dtype=np.int64) * HOUR_US
    bad = np.ones(48)
    bad[bad_from:bad_to] = 50
    return Table(
        times,
        np.column_stack([np.full(48, 100.0), bad]),
        {"events": slice(0, 1), "bad": slice(1, 2)},
        ("events", "bad"),
    )


def test_what_rests_opens_nothing_and_teaches_nothing() -> None:
    """A fault inside is no finding, verdicts of before are taken back, and one after it is judged by what came before."""
    rule, span = rule_with(""), (BEGIN_US, BEGIN_US + 48 * HOUR_US)
    group: tuple[str | None, ...] = ("a",)
    quiet = (Quiet(BEGIN_US + 30 * HOUR_US, BEGIN_US + 40 * HOUR_US, "maintenance"),)
    loud = judge(rule, Fetched({group: failures(30, 40)}, RuleState()), span, (1.0, 1))
    assert len(loud.findings[group]) == 1
    rested = judge(rule, Fetched({group: failures(30, 40)}, loud.state, (), quiet), span, (1.0, 1))
    assert rested.findings[group] == ()
    assert rested.resting == 10
    after = judge(rule, Fetched({group: failures(30, 44)}, RuleState(), (), quiet), span, (1.0, 1))
    (finding,) = after.findings[group]
    assert finding.start_us == BEGIN_US + 40 * HOUR_US
    wholly = (Quiet(BEGIN_US, BEGIN_US + 50 * HOUR_US, "maintenance"),)
    assert (
        judge(rule, Fetched({group: failures(30, 44)}, RuleState(), (), wholly), span, (1.0, 1)).findings
        == {}
    )


@pytest.mark.parametrize(
    "text",
    [
        "{start: 2026-11-21T22:00:00.000000Z, end: 2026-11-22T02:00:00.000000Z, reason: disks}",
        "{every: sunday, at: '02:30', lasts: 90m, group: {service.name: a}}",
        "{every: day, at: '00:00', lasts: 1d}",
    ],
)
def test_what_is_shown_reads_back(text: str) -> None:
    """`shipper rules show` writes a maintenance as a file would."""
    (one,) = rule_with("", text).maintenance
    assert one.as_written() == yaml.load(text, yaml.BaseLoader)  # noqa: S506 - all values as text
    assert Maintenance.model_validate(one.as_written()) == one


def test_the_pages_example_is_right() -> None:
    """What the reference says of maintenance can be copied."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "rules.md").read_text("utf-8")
    found = re.search(r"```yaml\n(maintenance:.*?)```", page, re.DOTALL)
    assert found is not None
    (rule,) = parse_rules(f"{found[1]}\nrules: [{{id: one, kind: error_rate}}]", "the page", FIELDS).active
    assert [one.reason for one in rule.maintenance] == ["new disks", ""]
