"""Rules of the kinds `slo`, `message` and `regression` on the real Elasticsearch."""

from __future__ import annotations

import pytest

from shipper.alert.alert import State
from shipper.detect.backtest import backtest
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US, SECOND_US, iso
from shipper.detect.explain import explain
from shipper.detect.fetching.resolved import Act, ResolvedBook, ResolvedError
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.templates.forms import fingerprint, form_of
from shipper.detect.trial import tried
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place

SLO = parse_rules(
    """
rules:
  - id: checkout
    name: Checkout
    kind: slo
    objective: 99.9%
    group_by: [service.name]
"""
)


def request(service: str, at_us: int, number: int, *, failed: bool = False) -> Json:
    """One request."""
    return {
        "@timestamp": iso(at_us),
        "message": "prediction",
        "log": {"level": "error" if failed else "info"},
        "event": {
            "id": f"{service}-{at_us}-{number}",
            "dataset": "ml.inference",
            "outcome": "failure" if failed else "success",
            "duration": 900_000_000 if failed else 20_000_000,
        },
        "service": {"name": service},
    }


def requests(service: str, hours: int, per_minute: int, bad_from_us: int, one_bad_of: int) -> list[Json]:
    """Requests up to the end of the history, of which from some moment on one of so many fails."""
    found = []
    begin = END_US - hours * HOUR_US
    for number in range(hours * 60 * per_minute):
        at = begin + number * MINUTE_US // per_minute
        is_bad = at >= bad_from_us and number % one_bad_of == 0
        found.append(request(service, at, number, failed=is_bad))
    return found


def test_a_burning_budget_wakes_and_a_smouldering_one_waits(place: Place) -> None:
    """10 % of failures is an alert that wakes after minutes; the other service, with one bad of three at night, has none."""
    fault = END_US - 40 * MINUTE_US
    night = [request("night", END_US - (9 - one) * MINUTE_US, one, failed=one == 1) for one in range(3)]
    place.store([*requests("api", 12, 5, fault, 10), *requests("night", 3, 1, END_US, 2)[:20], *night])
    place.run(SLO)
    alerts = place.alerts()
    # Half a day is all that the three days of the slow pair have yet.
    assert set(alerts) == {("checkout.critical", "api"), ("checkout.warning", "api")}
    assert alerts["checkout.warning", "api"].rule.severity == 30
    alert = alerts["checkout.critical", "api"]
    assert alert.rule.severity == 50
    assert fault <= alert.start_us <= fault + 5 * MINUTE_US
    assert alert.detected_us - fault <= 25 * MINUTE_US
    facts = alert.measured.facts
    # 20 bad requests of 3,600 in 12 hours, of which 3.6 were allowed.
    assert facts["budget_left"] == pytest.approx(1 - 20 / 3_600 / 0.001, abs=1e-3)
    assert facts["objective"] == "99.9 %"
    assert len(alert.evidence.samples) == 5
    assert "as fast as it may" in str(facts["words"])


def message(name: str, at_us: int, number: int, text: str, level: str = "info", **more: Json) -> Json:
    """One record of an application."""
    return {
        "@timestamp": iso(at_us),
        "message": text,
        "log": {"level": level},
        "event": {"id": f"{name}-{at_us}-{number}", "dataset": "ml.app"},
        "service": {"name": name, **more.pop("service", {})},
        **more,
    }


def test_messages_that_come_too_often_or_not_at_all(place: Place) -> None:
    """A phrase counted over half an hour, a level, a template, the beginning of a word, and a message that stays away."""
    rules = parse_rules(
        """
rules:
  - {id: often, kind: message, message: "CUDA out of memory", at_least: 3, within: 30m, group_by: [service.name]}
  - {id: level, kind: message, match: {log.level: critical}, group_by: [service.name]}
  - {id: form, kind: message, message: "disk <*> is full", group_by: [service.name]}
  - {id: begins, kind: message, message: "watchdog rest*", group_by: [service.name]}
  - {id: nightly, kind: message, message: nightly training done, fewer_than: 1, within: 6h, filter: {service.name: trainer}}
"""
    )
    begin = END_US - 12 * HOUR_US
    ordinary = [
        message(service, begin + step * 10 * MINUTE_US, 0, "request handled; nightly is on, training is done")
        for service in ("api", "trainer")
        for step in range(72)
    ]
    oom = [
        message(
            "api",
            END_US - (50 - 9 * one) * MINUTE_US,
            60 + one,
            f"RuntimeError: CUDA  out of memory. {one} MiB",
        )
        for one in range(3)
    ]
    others = [
        message("api", END_US - 40 * MINUTE_US, 50, "memory is out of CUDA"),
        message("api", END_US - 33 * MINUTE_US, 51, "cannot go on", "critical"),
        message("trainer", END_US - 31 * MINUTE_US, 52, "disk /dev/sda1 is full"),
        message("trainer", END_US - 31 * MINUTE_US, 53, "is full of hope, the disk"),
        message("trainer", END_US - 70 * MINUTE_US, 54, "Watchdog restarted the worker"),
        message("trainer", begin + 2 * HOUR_US, 55, "Nightly training done in 12 min"),
    ]
    place.store([*ordinary, *oom, *others])
    span = (END_US - 6 * HOUR_US, END_US)
    trials = {one.id: tried(one, (1.0, 1), place.client, place.namespace, span) for one in rules.active}
    assert {name: len(trial.findings) for name, trial in trials.items()} == dict.fromkeys(trials, 1)
    assert place.snapshot() == []
    place.run(rules)
    alerts = place.alerts()
    assert set(alerts) == {
        ("often", "api"),
        ("level", "api"),
        ("form", "trainer"),
        ("begins", "trainer"),
        ("nightly", ""),
    }
    often = alerts["often", "api"]
    assert often.measured.observed == 3
    assert set(often.evidence.samples) == {one["event"]["id"] for one in oom}
    assert often.start_us == END_US - 50 * MINUTE_US
    assert list(alerts["level", "api"].evidence.samples) == [others[1]["event"]["id"]]
    assert list(alerts["form", "trainer"].evidence.samples) == [others[2]["event"]["id"]]
    assert list(alerts["begins", "trainer"].evidence.samples) == [others[4]["event"]["id"]]
    assert alerts["begins", "trainer"].state is State.RECOVERED
    raised = backtest(rules, place.client, place.namespace, span)
    assert {(one.rule_id, one.start_us) for one in raised} == {
        (name, alert.start_us) for (name, _), alert in alerts.items()
    }
    asked = explain(
        rules,
        rules.active[0],
        place.client,
        place.clock,
        END_US - 30 * MINUTE_US,
        namespace=place.namespace,
        lateness_us=0,
    )
    why = {one.group["service.name"]: one.why for one in asked.groups}
    assert why["api"].startswith("It is as the rule says it must not be")
    assert why["trainer"] == "Ordinary: what the rule says is kept."
    nightly = alerts["nightly", ""]
    assert nightly.state is State.OPEN
    assert "did not come within 6h" in str(nightly.measured.facts["words"])
    # Once it comes the alert ends, and a second look at the same windows changes nothing.
    place.clock.advance((20 * MINUTE_US) / SECOND_US)
    later = [
        message("api", END_US + 20 * MINUTE_US, 1, "ok"),
        message("api", END_US + 16 * MINUTE_US, 1, "ok"),
    ]
    place.store([message("trainer", END_US + MINUTE_US, 1, "nightly training done"), *later])
    place.run(rules)
    assert place.alerts()["nightly", ""].ended_us == END_US
    before = place.snapshot()
    place.run(rules, start_us=END_US - 2 * HOUR_US)
    assert place.snapshot() == before


REGRESSION = parse_rules("rules: [{id: back, name: Errors, kind: regression}]")


def test_a_resolved_error_that_comes_back_is_a_regression(place: Place) -> None:
    """An exception in a version not older, and a message; not what came before, nor in an older version, nor reopened."""
    resolved_us = END_US - 3 * HOUR_US
    book = ResolvedBook(place.client, place.namespace)
    text = "no room for model 7 on gpu 3"
    identity = fingerprint(form_of(text))

    def resolve(key: str, name: str, at_us: int, version: str = "", *, is_exception: bool = True) -> None:
        error = ResolvedError(key, name, is_exception, ())
        book.act(error, Act("resolve", at_us, "ada@host", version))

    from shipper.detect.state import ensure_state_index

    ensure_state_index(place.client, place.namespace)
    resolve("aa11", "app.NoModel", resolved_us, "1.10.0")
    resolve("bb22", "app.Old", resolved_us)
    resolve("cc33", "app.Reopened", resolved_us)
    book.act(ResolvedError("cc33", "", True, ()), Act("reopen", resolved_us + HOUR_US, "bob"))
    resolve(identity, "no room for model <*> on gpu <*>", resolved_us + MINUTE_US, is_exception=False)

    def failed(
        at_us: int, number: int, key: str = "", version: str = "1.9.3", message_text: str = "it broke"
    ) -> Json:
        error = {"error": {"id": key, "type": "app.E"}} if key else {}
        return message("api", at_us, number, message_text, "error", service={"version": version}, **error)

    again = failed(END_US - HOUR_US, 3, "aa11", "v1.10.0")
    back = failed(END_US - 50 * MINUTE_US, 8, message_text="no room for model 9 on gpu 1")
    place.store(
        [
            *(message("api", END_US - step * 10 * MINUTE_US, 0, "ok") for step in range(1, 60)),
            failed(resolved_us - MINUTE_US, 1, "aa11", "1.10.0"),
            failed(END_US - 2 * HOUR_US, 2, "aa11"),
            again,
            failed(resolved_us - MINUTE_US, 5, "bb22"),
            failed(END_US - HOUR_US, 6, "cc33"),
            failed(resolved_us, 7, message_text=text),
            back,
        ]
    )
    place.run(REGRESSION)
    found = {one.group["error.id"]: one for one in place.book.all()}
    assert set(found) == {"aa11", identity}
    alert = found["aa11"]
    assert alert.group["service.name"] == "api"
    assert "regression of app.NoModel: resolved by ada@host on" in str(alert.measured.facts["words"])
    assert "in version 1.10.0, seen again once in version v1.10.0" in str(alert.measured.facts["words"])
    assert list(alert.evidence.samples) == [again["event"]["id"]]
    assert list(found[identity].evidence.samples) == [back["event"]["id"]]
    before = place.snapshot()
    place.run(REGRESSION, start_us=END_US - DAY_US)
    assert place.snapshot() == before
