"""U62: the detection job's lag is a record, a metric and a check, and a job that is dead is seen."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.cli.doctor_roles import detection_check, role_checks
from shipper.clock import ManualClock
from shipper.detect.event_time.watermark import arrivals
from shipper.detect.lease import LeaseHeld
from shipper.detect.pulse import OwnPulse
from shipper.detect.report import RuleReport, RunReport
from shipper.errors import RequestRefused, StoreUnavailable
from shipper.integrations.prometheus import detect_metrics
from tests.unit.detect.memory_store import MemoryStore

NOW_US = 1_790_000_000_000_000


def job(every_s: float = 60.0) -> tuple[MemoryStore, ManualClock, OwnPulse]:
    """A job at a moment, and its store."""
    store, clock = MemoryStore(), ManualClock(NOW_US)
    return store, clock, OwnPulse(store, "team", clock, every_s)


def report(behind_s: float, now_us: int = NOW_US) -> RunReport:
    """A run that judged up to so far before a moment."""
    rules = (RuleReport("errors", 0, 1, windows=7), RuleReport("silence", 0, 1, windows=3))
    return RunReport(now_us - round(behind_s * 1e6), 0, 1.25, rules, ())


def told(store: MemoryStore) -> list[dict[str, Any]]:
    """The heartbeats, in order."""
    return [dict(one.source) for one in store.documents.values()]


def test_each_run_leaves_its_lag_and_duration() -> None:
    """U62: a heartbeat per run says how far behind, how long, how much; as a warning where it is far behind."""
    store, clock, pulse = job()
    pulse.succeeded(report(150))
    clock.advance(60)
    pulse.succeeded(report(1000, clock.now_us()))
    first, second = told(store)
    assert first["shipper"]["detect"] == {
        "lag_s": 150.0,
        "duration_s": 1.25,
        "windows": 10,
        "changed": 0,
        "failures": 0,
    }
    assert (first["shipper"]["role"], first["shipper"]["heartbeat_s"]) == ("detector", 60.0)
    assert (first["log"]["level"], second["log"]["level"]) == ("info", "warning")
    assert first["event"]["dataset"] == "ml.health"
    assert next(iter(store.documents))[0] == "logs-ml.health-team-2026.09.21"
    assert first["message"].startswith("judged 10 windows up to 2026-09-21")


def test_failures_are_told_and_a_stand_by_is_none() -> None:
    """U62: a refused run is a record of level error; while the store is away the next run tells how many failed."""
    store, clock, pulse = job()
    pulse.failed(RequestRefused(400, "no such field"))
    pulse.failed(StoreUnavailable("logs", "it is away"))
    pulse.failed(LeaseHeld("other", "soon"))
    clock.advance(1)
    pulse.succeeded(report(150, clock.now_us()))
    clock.advance(1)
    pulse.succeeded(report(150, clock.now_us()))
    refused, recovered, well = told(store)
    assert (refused["event"]["outcome"], refused["log"]["level"]) == ("failure", "error")
    assert "no such field" in refused["shipper"]["trouble"]
    assert (recovered["shipper"]["detect"]["failures"], recovered["log"]["level"]) == (2, "warning")
    assert (well["shipper"]["detect"]["failures"], well["log"]["level"]) == (0, "info")
    assert (pulse.status.succeeded, pulse.status.failed, pulse.status.stood_by) == (2, 2, 1)


def test_telling_never_fails_a_run() -> None:
    """A heartbeat that cannot be stored is given up, and its failures are told by the next."""

    class Full(MemoryStore):
        def create(self, *_: Any, **__: Any) -> bool:
            raise RequestRefused(429, "full")

    pulse = OwnPulse(Full(), "team", ManualClock(NOW_US))
    pulse.failed(RequestRefused(400, "no"))
    pulse.succeeded(report(10))
    assert pulse.status.succeeded == 1


def test_the_lag_goes_on_growing_while_nothing_runs() -> None:
    """U62: what Prometheus reads is the lag of this moment, not that of the last run; before the first run there is none."""
    _, _, pulse = job()
    assert "shipper_detect_lag_seconds" not in {one.name for one in detect_metrics(pulse.status, NOW_US)}
    pulse.succeeded(report(150))
    found = {one.name: one.samples[0].value for one in detect_metrics(pulse.status, NOW_US + 600_000_000)}
    assert found["shipper_detect_lag_seconds"] == 750.0
    assert found["shipper_detect_last_success_timestamp_seconds"] == NOW_US / 1e6


def heartbeat(role: str, age_s: float, **own: Any) -> dict[str, Any]:
    """A stored heartbeat of some age."""
    store, clock, pulse = job()
    clock.set(NOW_US - round(age_s * 1e6))
    pulse.succeeded(report(150, clock.now_us()))
    (found,) = told(store)
    found["shipper"] |= {"role": role, **own}
    return found


@pytest.mark.parametrize(
    ("last", "state", "said"),
    [
        (heartbeat("detector", 60), "ok", "last run 60 s ago"),
        (heartbeat("detector", 7200), "warn", "what is judged is"),
        (heartbeat("detector", 60, detect={"lag_s": 5000, "duration_s": 1}), "warn", "took 1.0 s"),
        (heartbeat("detector", 60) | {"event": {"outcome": "failure"}}, "warn", "failed"),
        (None, "ok", "no job has run"),
    ],
)
def test_the_doctor_says_that_detection_is_behind_or_dead(
    last: dict[str, Any] | None, state: str, said: str
) -> None:
    """U62: from outside, by the newest heartbeat."""
    check = detection_check({"host": last} if last else {}, NOW_US)
    assert (check.state, said in check.found) == (state, True), check.found


def test_the_doctor_says_who_has_fallen_silent() -> None:
    """Three heartbeats late is silent; one that said goodbye is not."""
    store = MemoryStore()

    def answer(*found: dict[str, Any]) -> dict[str, Any]:
        buckets = [
            {"key": f"h{place}", "newest": {"hits": {"hits": [{"_source": one}]}}}
            for place, one in enumerate(found)
        ]
        return {"aggregations": {"hosts": {"buckets": buckets}}}

    store.answers = [
        answer(),
        answer(heartbeat("agent", 30), heartbeat("agent", 900)),
        answer(heartbeat("indexer", 9000, heartbeat_s=0.0)),
    ]
    _, check = role_checks(store, "team", NOW_US)  # type: ignore[arg-type]
    assert check.state == "warn"
    assert check.found == "silent: agent on h1 for 15 min"


def test_heartbeats_stored_directly_hide_no_backlog() -> None:
    """U62: the watermark follows what came the records' way; a job's own record of this moment is no sign of it."""
    store = MemoryStore()
    store.answers = [{"aggregations": {}}]
    arrivals(store, "team", NOW_US - 1, NOW_US)
    ((_, body),) = store.asked
    left_out = body["aggs"]["arrived"]["filter"]["bool"]["must_not"]
    assert left_out == [{"terms": {"shipper.role": ["indexer", "detector"]}}]
    assert set(body["aggs"]["arrived"]["aggs"]) == {"newest", "ingested"}
