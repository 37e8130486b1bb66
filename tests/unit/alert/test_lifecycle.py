"""What becomes of alerts when windows are judged, judged again, or looked after."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipper.alert.alert import Alert, Evidence, State, alert_id
from shipper.alert.finding import Finding
from shipper.alert.lifecycle import WITHDRAWN, Change, acknowledged, reconcile, silenced
from tests.unit.alert.made import EVIDENCE, GROUP, MEASURED, MINUTE_US, START_US, alert, finding

JUDGED = (START_US, START_US + 240 * MINUTE_US)
ENDED = {"ended_us": START_US + 30 * MINUTE_US, "recovered_us": START_US + 75 * MINUTE_US}


def changes(findings: list[Finding], existing: list[Alert]) -> list[Change]:
    """All changes, with evidence at hand."""
    return list(reconcile(findings, existing, JUDGED, lambda _: EVIDENCE))


def test_a_finding_opens_an_alert() -> None:
    """A finding without an alert opens one; absent group fields are left out of it."""
    (change,) = changes([finding()], [])
    assert change.before is None
    assert change.after.state is State.OPEN
    assert change.after.revision == 1
    assert change.after.group == {"service.name": "api"}
    assert change.at_us == finding().detected_us


def test_the_same_finding_changes_nothing() -> None:
    """U60: judging the same windows again writes nothing."""
    assert changes([finding()], [alert()]) == []


def test_the_id_is_that_of_rule_group_and_start() -> None:
    """The id is the same for everybody and differs with each of the three."""
    same = alert_id("errors", dict(reversed(GROUP.items())), START_US)
    assert same == alert().id
    others = {alert_id("e", GROUP, START_US), alert_id("errors", {}, START_US), alert_id("errors", GROUP, 1)}
    assert same not in others
    assert len(others) == 3


def test_a_longer_finding_updates_its_alert() -> None:
    """More windows are a new revision of the same alert; evidence is kept as it was gathered."""

    def never(_: Finding) -> Evidence:
        raise AssertionError("evidence is gathered once")

    longer = finding(windows=3, measured=replace(MEASURED, observed=0.5))
    (change,) = reconcile([longer], [alert()], JUDGED, never)
    assert (change.after.id, change.after.revision, change.after.windows) == (alert().id, 2, 3)
    assert change.after.measured.observed == 0.5
    assert change.after.evidence == EVIDENCE
    assert not change.is_transition


def test_an_ended_finding_recovers_its_alert() -> None:
    """The alert ends where the ordinary windows begin, and is recovered when they were enough."""
    (change,) = changes([finding(**ENDED)], [alert()])
    assert change.after.state is State.RECOVERED
    assert change.after.ended_us == ENDED["ended_us"]
    assert change.at_us == ENDED["recovered_us"]
    assert change.is_transition


def test_catching_up_opens_and_recovers() -> None:
    """A fault that came and went between two runs is told in both steps."""
    opened, recovered = changes([finding(**ENDED)], [])
    assert (opened.after.state, recovered.after.state) == (State.OPEN, State.RECOVERED)
    assert recovered.after.revision == 2


def test_the_start_is_frozen() -> None:
    """Late data that move the first anomalous window leave id and start of the alert as they were."""
    for moved in (START_US - 15 * MINUTE_US, START_US + 15 * MINUTE_US):
        (change,) = changes([finding(start_us=moved, windows=4)], [alert()])
        assert change.after.id == alert().id
        assert change.after.start_us == START_US


def test_an_alert_whose_finding_is_gone_is_withdrawn() -> None:
    """Late data that show that all was well recover the alert, with the reason."""
    (change,) = changes([], [alert()])
    assert change.after.state is State.RECOVERED
    assert change.after.reason == WITHDRAWN
    assert changes([], [change.after]) == []


def test_an_alert_outside_the_judged_windows_is_left_alone() -> None:
    """Nothing is known of windows that were not judged."""
    assert changes([], [alert(start_us=START_US - 1)]) == []


def test_an_alert_that_was_not_over_reopens() -> None:
    """Late data that fill the gap reopen the alert instead of opening another."""
    (ended,) = changes([finding(**ENDED)], [alert()])
    (change,) = changes([finding(windows=5)], [ended.after])
    assert change.after.state is State.OPEN
    assert change.after.ended_us is None
    assert change.after.revision == 3


def test_a_later_fault_is_an_alert_of_its_own() -> None:
    """After a recovery a new fault has a new start and a new id."""
    (ended,) = changes([finding(**ENDED)], [alert()])
    later = finding(start_us=START_US + 120 * MINUTE_US, detected_us=START_US + 135 * MINUTE_US)
    (change,) = changes([finding(**ENDED), later], [ended.after])
    assert change.before is None
    assert change.after.id != alert().id


def test_an_acknowledged_alert_stays_so_until_it_recovers() -> None:
    """The job keeps a person's mark, and recovery ends it."""
    seen = acknowledged(alert(), "mine", START_US)
    assert seen is not None
    assert changes([finding()], [seen.after]) == []
    (longer,) = changes([finding(windows=2)], [seen.after])
    assert (longer.after.state, longer.after.note) == (State.ACKNOWLEDGED, "mine")
    (ended,) = changes([finding(**ENDED)], [longer.after])
    assert ended.after.state is State.RECOVERED


@pytest.mark.parametrize("state", [State.RECOVERED, State.ACKNOWLEDGED])
def test_acknowledging_where_there_is_nothing_to_do(state: State) -> None:
    """A recovered alert, or one that has the same note already, is left as it is."""
    assert acknowledged(alert(state=state), "", START_US) is None


def test_a_finding_that_was_measured_long_ago_opens_nothing() -> None:
    """Without numbers there is nothing to tell; an old episode without an alert stays untold."""
    assert changes([finding(measured=None)], []) == []


def test_a_silenced_alert_goes_on_being_judged() -> None:
    """Silence changes no state and is no news; a longer finding keeps it, and it recovers as others do."""
    change = silenced(alert(), START_US + 5, 7)
    assert change is not None
    quiet = change.after
    assert (quiet.state, quiet.revision, quiet.silenced_until_us) == (State.OPEN, 2, START_US + 5)
    assert not change.is_transition
    assert (quiet.is_silenced(START_US + 4), quiet.is_silenced(START_US + 5)) == (True, False)
    (later,) = changes([finding(windows=3)], [quiet])
    assert later.after.silenced_until_us == START_US + 5
    (over,) = changes([finding(**ENDED)], [quiet])
    assert over.after.state is State.RECOVERED


def test_silence_that_changes_nothing() -> None:
    """The same silence again, the end of none, and that of an alert that has recovered are no changes."""
    assert silenced(alert(), None, 7) is None
    assert silenced(alert(silenced_until_us=9), 9, 7) is None
    assert silenced(alert(state=State.RECOVERED), 9, 7) is None
    heard = silenced(alert(silenced_until_us=9), None, 7)
    assert heard is not None
    assert heard.after.silenced_until_us is None
