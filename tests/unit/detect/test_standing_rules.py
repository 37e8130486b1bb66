"""Certain messages and resolved errors: what rules mean, and what wrong ones are told."""

from __future__ import annotations

import numpy as np
import pytest

from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.fetching.message_cells import message_conditions, occurrences
from shipper.detect.fetching.resolved import Act, ResolvedBook, ResolvedError, is_older
from shipper.detect.fetching.table import Floats
from shipper.detect.judging.judge import Judge, Judgement
from shipper.detect.judging.threshold import Verdict
from shipper.detect.rules.message_rule import MessageRule
from shipper.detect.rules.regression_rule import RegressionRule
from shipper.detect.rules.rule_file import parse_rules
from shipper.errors import ConfigurationError, RequestRefused
from tests.unit.detect.memory_store import MemoryStore
from tests.unit.detect.simulation import table

STEP_US = 5 * MINUTE_US
BEGIN_US = 1_790_000_000_000_000 // DAY_US * DAY_US


def rule(more: str) -> MessageRule:
    """One rule."""
    (found,) = parse_rules(f"rules: [{{id: one, kind: message, {more}}}]").active
    assert isinstance(found, MessageRule)
    return found


def judged(found: MessageRule, meant: Floats, events: Floats | None = None) -> list[Judgement]:
    """All windows, judged as the job does."""
    times = BEGIN_US + np.arange(len(meant), dtype=np.int64) * STEP_US
    many = np.full(len(meant), 10.0) if events is None else events
    rows = table(times, {"events": many, "meant": meant})
    judge = Judge(occurrences(found), found.window, found.baseline.preceding, lambda _: 1e-3)
    return list(judge.windows(rows, BEGIN_US, int(times[-1]) + 1))


def told(found: list[Judgement]) -> list[int]:
    """Rows that are anomalous."""
    return [place for place, one in enumerate(found) if one.verdict.is_anomalous]


def test_so_many_within_a_time() -> None:
    """Three within half an hour: from the third on as long as three lie within, and it begins with the first of them."""
    meant = np.zeros(30)
    meant[[10, 12, 14, 25]] = 1
    found = judged(rule("message: out of memory, at_least: 3, within: 30m"), meant)
    assert told(found) == [14, 15]
    assert found[14].since_us == BEGIN_US + 10 * STEP_US
    assert found[14].score.facts["words"] == "“out of memory” came 3 times within 30m, 3 are too many"


def test_a_single_one_is_told_in_the_first_window() -> None:
    """What must never come needs no history; what is ordinary is not known before the time has been watched."""
    meant = np.zeros(5)
    meant[0] = 1
    found = judged(rule("match: {log.level: critical}"), meant)
    assert told(found) == [0]
    assert found[0].score.facts["words"] == "log.level critical came once within 5m"
    silent = judged(rule("match: {log.level: critical}, at_least: 2, within: 15m"), np.zeros(5))
    assert [one.verdict for one in silent[:3]] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.ORDINARY]
    assert (silent[0].score.have, silent[0].score.need) == (1, 3)


def test_what_does_not_come() -> None:
    """A record that is to come every hour is missed an hour after the last one, with when that was; it is back when it comes."""
    meant = np.zeros(60)
    meant[[0, 12, 24, 50]] = 1
    found = judged(rule("message: beat, fewer_than: 1, within: 1h"), meant)
    assert told(found) == list(range(36, 50))
    assert found[36].score.facts["words"] == (
        f"“beat” did not come within 1h; it last came about {_clock(24)} UTC"
    )


def test_what_never_came_is_missed_once_it_has_been_waited_for() -> None:
    """A misspelt message is found out after the whole time, not at once."""
    found = judged(rule("message: beet, fewer_than: 1, within: 1h"), np.zeros(20))
    assert told(found) == list(range(11, 20))
    assert found[11].score.facts["words"] == "“beet” did not come within 1h"


def test_fewer_than_it_takes() -> None:
    """Three workers of four that say they are ready."""
    meant = np.full(20, 1.0)
    meant[10:] = 0.5
    found = judged(rule("match: {event.action: ready}, fewer_than: 4, within: 20m"), meant)
    assert told(found)[0] == 10
    assert found[10].score.facts["words"] == "event.action ready came only 3 of 4 times within 20m"


def _clock(row: int) -> str:
    from shipper.detect.event_time.window import iso

    return iso(BEGIN_US + row * STEP_US)[:16].replace("T", " ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("out of memory", [["out of memory"]]),
        ("disk <*> is full", [["disk", "is full"]]),
        ("<*> failed", [["failed"]]),
        ("eth<*> is down", [["is down"]]),
        ("took <*>s in pool[<*>] of api", [["took", "in pool[", "] of api"]]),
    ],
)
def test_a_template_is_its_words_in_order(text: str, expected: list[list[str]]) -> None:
    """Around a slot nothing is known, of half a word neither; what is whole stands in order."""
    (condition,) = message_conditions(text)
    rule_ = condition["intervals"]["message"]
    parts = rule_["all_of"]["intervals"] if "all_of" in rule_ else [rule_]
    assert [[one["match"]["query"] for one in parts]] == expected
    assert all(one["match"]["max_gaps"] == 0 for one in parts)


def test_the_beginning_of_a_word() -> None:
    """A star at the end lets the last word go on."""
    (condition,) = message_conditions("watchdog rest*")
    assert condition["match_phrase_prefix"]["message"]["query"] == "watchdog rest"
    prefix, whole = message_conditions("job <*> watchdog rest*")
    assert prefix["match_phrase_prefix"]["message"]["query"] == "watchdog rest"
    assert "all_of" in whole["intervals"]["message"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("at_least: 3", "say which records are meant: message, match, or both"),
        ("message: '<*> *'", "message has no word"),
        ("message: a, at_least: 3, fewer_than: 1", "at_least and fewer_than exclude each other"),
        ("message: a, within: 7m", "within (7m) is no multiple of the window 5m"),
        ("message: a, atleast: 3", "unknown key atleast, did you mean at_least?"),
        ("mesage: a", "unknown key mesage, did you mean message?"),
        ("message: a, within: an hour", "is not a length of time"),
    ],
)
def test_what_is_wrong_is_said(more: str, said: str) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(ConfigurationError) as caught:
        parse_rules(f"rules: [{{id: one, kind: message, {more}}}]")
    assert said in str(caught.value)


def test_how_far_back_is_looked() -> None:
    """As far as what is counted, and what it takes to end an alert; an absence twice, to say when it last came."""
    assert rule("message: a, within: 1h").baseline.preceding == HOUR_US + 5 * STEP_US
    assert rule("message: a, within: 1h, fewer_than: 1").baseline.preceding == 2 * HOUR_US + 5 * STEP_US
    (back,) = parse_rules("rules: [{id: back, kind: regression, window: 15m}]").active
    assert isinstance(back, RegressionRule)
    assert back.group_by == ("service.name", "error.id")
    assert back.baseline.preceding == 98 * 15 * MINUTE_US


@pytest.mark.parametrize(
    ("version", "than", "expected"),
    [
        ("1.9.3", "1.10.0", True),
        ("1.10.0", "1.10.0", False),
        ("v1.10", "1.9", False),
        ("v1.10", "1.10", False),
        ("2", "10", True),
        ("2026-11-20", "2026-11-21", True),
        ("7", "", False),
    ],
)
def test_versions_are_compared_number_by_number(version: str, than: str, expected: bool) -> None:
    """1.10 comes after 1.9, and a leading v is none."""
    assert is_older(version, than) is expected


def test_acts_are_kept_and_each_holds_until_the_next() -> None:
    """Resolved, reopened, resolved again: two spans, of which the second goes on; what is stored is read back."""
    store = MemoryStore()
    book = ResolvedBook(store, "team")
    error = ResolvedError("ab", "app.Bad", True, ())
    book.act(error, Act("resolve", 10, "ada", "1.0"))
    book.act(error, Act("reopen", 20, "bob"))
    after = book.act(error, Act("resolve", 30, "cyd"))
    assert [(act.by, until) for act, until in after.spans()] == [("ada", 20), ("cyd", None)]
    assert after.is_resolved
    assert ResolvedError.from_json("ab", after.to_json()) == after


def test_two_who_act_at_once_are_both_kept() -> None:
    """An act that loses the race is done after the other one; to reopen what is open is refused."""
    store = MemoryStore()
    book = ResolvedBook(store, "team")
    error = ResolvedError("ab", "app.Bad", True, ())
    with pytest.raises(ConfigurationError, match="is not marked as resolved"):
        book.act(error, Act("reopen", 5, "bob"))
    book.act(error, Act("resolve", 10, "ada"))
    store.before_put.append(lambda: book.act(error, Act("resolve", 11, "quick")))
    assert [act.by for act in book.act(error, Act("resolve", 12, "late")).acts] == ["ada", "quick", "late"]


def test_a_refusal_is_passed_on() -> None:
    """Who may not write is told so."""

    class Closed(MemoryStore):
        def put(self, *_: object, **__: object) -> None:
            raise RequestRefused(403, "no")

    store = Closed()
    book = ResolvedBook(store, "team")
    error = ResolvedError("ab", "app.Bad", True, ())
    book.act(error, Act("resolve", 10, "ada"))
    with pytest.raises(RequestRefused):
        book.act(error, Act("reopen", 20, "bob"))
