"""Detection on the real Elasticsearch: judged again, late, piece by piece, by two, after damage."""

from __future__ import annotations

import json
import random

import pytest

from shipper.alert.alert import State
from shipper.alert.lifecycle import WITHDRAWN
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, SECOND_US, parse_iso
from shipper.detect.lease import Lease, LeaseHeld
from shipper.detect.state import STATE_VERSION, ensure_state_index, state_index
from shipper.elastic.client import ElasticClient
from tests.service.detect_history import Fault, History, Json, store
from tests.service.detect_place import (
    END_US,
    FAULT,
    LATENESS_US,
    Place,
    empty_place,
    only,
)


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
    with empty_place(client) as other:
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
    documents = History(END_US + 10 * MINUTE_US, hours=28, seed=15).build()
    hole = (END_US - 2 * HOUR_US, END_US)

    def is_late(one: Json) -> bool:
        inside = hole[0] <= parse_iso(one["@timestamp"]) < hole[1]
        return inside and one["service"]["name"] == "scoring-api"

    def is_ahead(one: Json) -> bool:
        return parse_iso(one["@timestamp"]) >= END_US

    rules = only("inference-silence")
    place.store([one for one in documents if not is_late(one) and not is_ahead(one)])
    place.run(rules)
    (opened,) = place.alerts().values()
    assert opened.group == {"service.name": "scoring-api"}
    assert opened.start_us == hole[0]
    assert opened.state is State.OPEN
    place.clock.advance(600)
    place.store([one for one in documents if is_late(one) or is_ahead(one)])
    place.run(rules)
    (withdrawn,) = place.alerts().values()
    assert withdrawn.id == opened.id
    assert (withdrawn.state, withdrawn.reason) == (State.RECOVERED, WITHDRAWN)
    assert withdrawn.revision > opened.revision


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
    assert "backfill" in report.notes[0]


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
    assert json.loads(json.dumps(stored.source["body"]))["version"] == STATE_VERSION


def test_a_stop_of_two_hours_with_late_data_ends_in_the_same_states(
    place: Place, client: ElasticClient
) -> None:
    """U59, U61: running through and stopping for two hours, with a tenth of the events up to 90 minutes late, end alike."""
    fault = Fault(END_US - 10 * HOUR_US, END_US - 7 * HOUR_US, error_rate=0.3)
    made = History(END_US, hours=34, seed=26, fault=fault).build()
    documents = [one for one in made if one["event"]["dataset"] == "ml.inference"]
    chance = random.Random(26)
    came = {
        one["event"]["id"]: parse_iso(one["@timestamp"])
        + (chance.randrange(90) * MINUTE_US if chance.random() < 0.1 else SECOND_US)
        for one in documents
    }
    rules = only("inference-errors")

    def live(there: Place, begin_us: int, moments: list[int]) -> None:
        for now in moments:
            due = [one for one in documents if begin_us <= came[one["event"]["id"]] < now]
            store(client, there.namespace, due, ingested_us=lambda one: came[one["event"]["id"]])
            begin_us = now
            there.clock.set(now)
            there.run(rules)

    steps = list(range(END_US - 12 * HOUR_US, END_US + 2 * HOUR_US, HOUR_US))
    live(place, 0, steps)
    stopped = (fault.start_us + 20 * MINUTE_US, fault.start_us + 140 * MINUTE_US)
    with empty_place(client) as other:
        live(other, 0, [now for now in steps if not stopped[0] <= now < stopped[1]])
        ours, theirs = other.alerts(), place.alerts()
        assert (
            set(ours)
            == set(theirs)
            == {(rules.active[0].id, "scoring-api"), (rules.active[0].id, "batch-scorer")}
        )
        for key, alert in ours.items():
            assert (alert.state, alert.ended_us, alert.windows) == (
                theirs[key].state,
                theirs[key].ended_us,
                theirs[key].windows,
            )
            assert alert.state is State.RECOVERED
