"""Rules of kind `new_error` on the real Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator

from shipper.detect.event_time.window import MINUTE_US, iso
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.templates.forms import fingerprint, form_of
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place

STEP_US = 15 * MINUTE_US
WINDOWS = 40
RULES = parse_rules(
    """
rules:
  - id: new-errors
    name: A new error
    kind: new_error
    group_by: [service.name]
"""
)
KNOWN = "broker 10.0.{row}.7:9092 did not answer /v1/model{row}/predict in {row}.5 s"
NEW = "no room for model {row} on gpu {row}"


def record(service: str, row: int, number: int, message: str, **more: Json) -> Json:
    """One record of a window, which is an error if it has any other message than `ok`."""
    return {
        "@timestamp": iso(END_US - (WINDOWS - row) * STEP_US + (1 + number) * MINUTE_US),
        "message": message,
        "log": {"level": "info" if message == "ok" else "error"},
        "event": {"id": f"{service}-{row}-{number}", "dataset": "ml.app"},
        "service": {"name": service},
        **more,
    }


def history(service: str) -> Iterator[Json]:
    """Records of ten hours, with an error in every third window that differs in its numbers only."""
    for row in range(WINDOWS):
        yield from (record(service, row, number, "ok") for number in range(5))
        if row % 3 == 0:
            yield record(service, row, 6, KNOWN.format(row=row))


def test_a_message_never_seen_before_is_told_and_a_known_one_is_not(place: Place) -> None:
    """Of two services, the one with a new message has an alert with its template and the document."""
    new = [record("api", WINDOWS - 2, number, NEW.format(row=number)) for number in (7, 11)]
    place.store([*history("api"), *history("worker"), *new])
    place.run(RULES)
    alerts = place.alerts()
    assert set(alerts) == {("new-errors", "api")}
    alert = alerts["new-errors", "api"]
    assert alert.start_us == END_US - 2 * STEP_US
    assert alert.measured.observed == 2
    assert alert.measured.facts["template"] == "no room for model <*> on gpu <*>"
    assert alert.measured.facts["fingerprint"] == fingerprint(form_of(NEW.format(row=99)))
    assert set(alert.evidence.samples) == {one["event"]["id"] for one in new}


def test_an_exception_is_told_by_its_fingerprint(place: Place) -> None:
    """An exception that was there is known by `error.id`, whatever its message; another one is new."""
    old = [
        record("api", row, 8, f"it broke {row * 'x'}", error={"id": "aa11", "type": "app.Known"})
        for row in range(WINDOWS)
    ]
    new = record("api", WINDOWS - 3, 9, KNOWN.format(row=1), error={"id": "bb22", "type": "app.Unknown"})
    place.store([*history("api"), *old, new])
    place.run(RULES)
    alert = place.alerts()["new-errors", "api"]
    assert alert.measured.facts["fingerprint"] == "bb22"
    assert alert.measured.facts["error_type"] == "app.Unknown"
    assert list(alert.evidence.samples) == [new["event"]["id"]]
