"""Sampling, folding and limits of rate: what is kept, what it stands for, and that the books balance."""

from __future__ import annotations

import logging
import math
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shipper
from shipper.clock import ManualClock
from shipper.config import load_settings
from shipper.ecs.event import Event
from shipper.emit import ShipperHandler
from shipper.emit.level_watch import WATCHER
from shipper.emit.sampling import FOLDED, WEIGHT, Rule, Sampler
from shipper.emit.sampling_cells import MOST_CELLS, SUMMARY_S
from shipper.errors import ConfigurationError
from shipper.observe.counters import Counters
from tests.unit.emit.destination import MemoryDestination
from tests.unit.emit.spooled import documents_under


class Rig:
    """A sampler with a clock that is moved by hand; keeps what it lets through."""

    def __init__(self, *rules: Rule, key: str = "k", seed: int = 1) -> None:
        self.clock = ManualClock()
        self.counters = Counters()
        self.sampler = Sampler(
            rules, key=key, clock=self.clock, random=random.Random(seed), counters=self.counters
        )
        self.kept: list[Event] = []

    def log(self, message: str = "hello", level: int = 20, logger: str = "app", **fields: Any) -> bool:
        """Hand one event over as the emitter does; return whether it was kept."""
        names: dict[object, object] = {name.replace("__", "."): value for name, value in fields.items()}
        found = self.sampler.apply(Event(level, message, logger, names, origin=("a.py", 1, "f")))
        if found is not None:
            self.kept.append(found)
        self.kept += self.sampler.due()
        return found is not None

    def end(self) -> None:
        """Close."""
        self.kept += self.sampler.due(is_end=True)

    @property
    def weights(self) -> list[float]:
        """For how many events each kept one stands."""
        return [float(event.fields.get(WEIGHT, 1.0)) for event in self.kept]  # type: ignore[arg-type]

    @property
    def dropped(self) -> dict[str, int]:
        """What was dropped, by reason."""
        return dict(self.counters.snapshot().dropped)


def z_score(found: Iterable[float], expected: float) -> float:
    """How many standard errors the mean of `found` is off `expected`."""
    values = list(found)
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return abs(mean - expected) / (spread / math.sqrt(len(values)) or 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_the_weighted_count_by_chance_is_unbiased(rate: float) -> None:
    """Over many runs the sum of the weights is, on average, the number of events: 4 standard errors, 300 runs of 200."""
    sums = []
    for seed in range(300):
        rig = Rig(Rule(rate=rate), seed=seed)
        for _ in range(200):
            rig.log()
        assert set(rig.weights) <= {1 / rate}
        sums.append(sum(rig.weights))
    assert z_score(sums, 200) < 4


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_the_weighted_count_by_id_is_unbiased(rate: float) -> None:
    """With ids, the average over keys is the number of events, whatever the ids look like."""
    sums = []
    for number in range(300):
        rig = Rig(Rule(rate=rate), key=f"key-{number}")
        for which in range(200):
            rig.log(ml__prediction__id=f"p-{which:06d}")
        sums.append(sum(rig.weights))
    assert z_score(sums, 200) < 4


def arrivals(seed: int) -> list[float]:
    """Pauses between events, with bursts and silences."""
    chance = random.Random(seed)
    return [chance.choice([0.0, 0.0, 0.0, 0.01, 0.3, 2.0, 15.0]) for _ in range(400)]


@pytest.mark.parametrize("rule", [
    Rule(max_per_second=2.0, burst=3), Rule(fold_s=5.0), Rule(max_per_second=0.5, fold_s=1.0),
])  # fmt: skip
def test_limits_and_folding_lose_no_count(rule: Rule) -> None:
    """What a limit or folding dropped is in the weight of a later record: at the end the sums are exact, by kind."""
    for seed in range(20):
        rig, made = Rig(rule), Counter[str]()
        chance = random.Random(seed)
        for pause_s in arrivals(seed):
            rig.clock.advance(pause_s)
            action = chance.choice(["predict", "predict", "feedback"])
            made[action] += 1
            rig.log(event__action=action)
        rig.end()
        sums = Counter[str]()
        for event, weight in zip(rig.kept, rig.weights, strict=True):
            sums[str(event.fields["event.action"])] += round(weight)
        assert sums == made
        assert len(rig.kept) < 400


@pytest.mark.slow
def test_sampling_with_a_limit_is_unbiased() -> None:
    """Both together: the sum of the weights is, on average, the number of events."""
    sums = []
    for seed in range(200):
        rig = Rig(Rule(rate=0.3, max_per_second=1.0, burst=5), seed=seed)
        for pause_s in arrivals(seed):
            rig.clock.advance(pause_s)
            rig.log()
        rig.end()
        sums.append(sum(rig.weights))
    assert z_score(sums, 400) < 4


def test_a_limit_is_kept() -> None:
    """`burst` events at once, then `max_per_second`; and summaries, at most one per kind in 10 seconds."""
    rig = Rig(Rule(max_per_second=5.0, burst=10))
    for _ in range(1000):
        rig.log()
        rig.clock.advance(0.01)
    rig.end()
    assert 58 <= len(rig.kept) <= 62
    assert rig.weights[:10] == [1.0] * 10
    assert sum(rig.weights) == 1000
    assert rig.dropped == {
        "rate_limited": 1000 - len([w for w in rig.kept if "event.reason" not in w.fields])
    }


def test_errors_are_always_kept() -> None:
    """Level error and above, and whatever reports an exception, is kept as it is, by every rule."""
    rig = Rig(Rule(rate=1e-9, max_per_second=0.001, fold_s=3600))
    failure = ValueError("x")
    for _ in range(20):
        assert rig.log(level=40)
        assert rig.log(level=50)
        event = Event(20, "hello", "app", error=(ValueError, failure, None))
        assert rig.sampler.apply(event) is event
        event = Event(10, "hello", "app", error_text="Traceback ...")
        assert rig.sampler.apply(event) is event
    assert set(rig.weights) == {1.0}
    assert rig.dropped == {}


def test_one_id_one_decision() -> None:
    """Events of one prediction, or one trace, are kept or dropped together, in all processes, at nested rates."""
    one, other = Rig(Rule(rate=0.3), seed=1), Rig(Rule(logger="none"), Rule(rate=0.3), seed=2)
    more = Rig(Rule(rate=0.6), seed=3)
    kept = 0
    for number in range(500):
        fields: dict[str, Any] = {"ml__prediction__id": f"p-{number}", "trace__id": "t"}
        decisions = {rig.log(**fields) for rig in (one, one, other)}
        assert len(decisions) == 1
        assert {one.log(event={"x": 1}, ml={"prediction": {"id": f"p-{number}"}})} == decisions
        if decisions == {True}:
            kept += 1
            assert more.log(**fields)
    assert 100 < kept < 200
    by_trace = Rig(Rule(rate=0.5, by="trace"))
    assert {by_trace.log(trace__id="t", ml__prediction__id=str(n)) for n in range(50)} in ({True}, {False})
    keys = {Rig(Rule(rate=0.5), key=key).log(trace__id="t") for key in "abcdefghij"}
    assert keys == {True, False}


def test_folding() -> None:
    """Equal events within the time are one record at once and one later that counts the rest."""
    rig = Rig(Rule(fold_s=10))
    for number in range(5):
        assert rig.log("disk is slow") == (number == 0)
    assert rig.log("disk is full")
    assert rig.log("disk is slow", level=30)
    rig.clock.advance(10)
    assert rig.log("disk is slow")
    last = rig.kept[-1]
    assert (last.fields[WEIGHT], last.fields[FOLDED]) == (5.0, 4)
    rig.log("disk is slow")
    rig.clock.advance(10)
    rig.log("something else")
    summary = rig.kept[-1]
    assert (summary.message, summary.fields[WEIGHT], summary.fields[FOLDED]) == ("disk is slow", 1.0, 1)
    assert summary.fields["event.reason"] == "folded"
    assert rig.dropped == {"folded": 5}


def test_templates_are_folded_not_texts(spool_root: Path) -> None:
    """With `logging`, records that differ only in their arguments are folded; the first text stands."""
    pipeline = shipper.configure(sampling={"rules": [{"logger": "lib", "fold_s": 60}]})
    logger = logging.getLogger("lib.part")
    logger.propagate = False
    handler = ShipperHandler()
    logger.addHandler(handler)
    try:
        for number in range(10):
            logger.warning("retry %d of %s", number, "x")
    finally:
        logger.removeHandler(handler)
    shipper.close()
    first, summary = documents_under(spool_root)
    assert first["message"] == "retry 0 of x"
    assert summary["message"] == "retry %d of %s"
    assert summary["ml"]["sample"] == {"weight": 9.0, "folded": 9}
    assert summary["log"]["level"] == "warning"
    counts = pipeline.counts()
    assert counts.emitted == 11
    assert (counts.dropped, counts.waiting) == ({"folded": 9}, 2)


def test_rules() -> None:
    """The first rule that matches decides; what none matches is kept whole."""
    rule = {"rate": 1e-12}
    rig = Rig(
        Rule(logger="app.keep"),
        Rule(logger="app", **rule),  # type: ignore[arg-type]
        Rule(dataset="ml.inf*", action="pre?ict", **rule),  # type: ignore[arg-type]
        Rule(message="GET /health*", **rule),  # type: ignore[arg-type]
    )
    assert rig.log(logger="app.keep.x")
    assert not rig.log(logger="app")
    assert not rig.log(logger="app.web")
    assert rig.log(logger="apple")
    assert not rig.log(logger="web", event__dataset="ml.inference", event__action="predict")
    assert not rig.log(logger="web", event={"dataset": "ml.inference", "action": "predict"})
    assert rig.log(logger="web", event__dataset="ml.inference", event__action="explain")
    assert not rig.log("GET /healthz", logger="web")
    assert rig.log("POST /healthz", logger="web")


def test_a_callers_weight_is_multiplied() -> None:
    """An event that already stands for several keeps that in its weight."""
    rig = Rig(Rule(rate=0.5))
    while not rig.log(ml__sample__weight=10):
        pass
    assert rig.kept[-1].fields[WEIGHT] == 20.0


def test_summaries_come_though_nobody_logs() -> None:
    """What was dropped is told after a while by `due`, which a timer asks; never twice."""
    rig = Rig(Rule(max_per_second=1.0))
    for _ in range(5):
        rig.log()
    assert rig.sampler.due() == []
    rig.clock.advance(SUMMARY_S)
    (summary,) = rig.sampler.due()
    assert summary.fields[WEIGHT] == 4.0
    assert rig.sampler.due() == rig.sampler.due(is_end=True) == []


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    """However many kinds of events come, a bounded number is remembered, and no count is lost by forgetting."""
    rig = Rig(Rule(fold_s=3600, rate=1.0))
    for number in range(3 * MOST_CELLS):
        rig.log(f"text {number}")
        rig.log(f"text {number}")
    rig.log("x" * 5_000_000)
    assert len(rig.sampler._cells._cells) <= MOST_CELLS
    assert all(len(kind.template) < 600 for kind in rig.sampler._cells._cells)
    rig.end()
    assert sum(rig.weights) == 6 * MOST_CELLS + 1


VALUES = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.floats(), st.binary(max_size=3))


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["event", "ml", "event.action", "trace.id", "ml.prediction.id", WEIGHT]), VALUES),
        st.one_of(VALUES, st.dictionaries(VALUES, VALUES, max_size=2)),
        max_size=5,
    ),
    st.one_of(VALUES, st.lists(VALUES)),
    st.integers(0, 100),
)  # fmt: skip
def test_total(fields: dict[object, object], message: object, level: int) -> None:
    """Whatever an event holds, the sampler decides and raises nothing."""
    rig = Rig(Rule(rate=0.5, max_per_second=1.0, fold_s=1.0, message="*", action="*"))
    for _ in range(3):
        rig.sampler.apply(Event(level, message, "app", fields))
    rig.end()


def test_threads_share_one_limit() -> None:
    """Under load from several threads the limit holds and no count is lost."""
    rig = Rig(Rule(max_per_second=1e-3, burst=50))

    def work() -> None:
        for _ in range(500):
            rig.log()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rig.kept) == 50
    rig.end()
    assert sum(rig.weights) == 2000


def test_a_forked_child_decides_for_itself() -> None:
    """A forked child makes other random choices than its parent, and tells nothing of what the parent dropped."""
    rig = Rig(Rule(max_per_second=1e-3, logger="limited"), Rule(rate=0.5))
    rig.log(logger="limited")
    rig.log(logger="limited")
    readable, writable = os.pipe()
    with rig.sampler._lock:
        child = os.fork()
        if child == 0:
            rig.sampler.reset_in_child()
            bits = "".join("01"[rig.log()] for _ in range(100))
            os.write(writable, f"{bits} {len(rig.sampler.due(is_end=True))}".encode())
            os._exit(0)
    os.waitpid(child, 0)
    bits, summaries = os.read(readable, 1000).decode().split()
    os.close(readable)
    os.close(writable)
    assert bits != "".join("01"[rig.log()] for _ in range(100))
    assert summaries == "0"


@pytest.mark.parametrize("road", ["structlog", "logging"])
def test_the_books_balance(road: str, spool_root: Path) -> None:
    """emitted = delivered + dropped by reason + waiting, with sampling, on both roads; what is dropped is not stored."""
    sink = MemoryDestination()
    pipeline = shipper.configure(
        sink=sink,
        ship={"mode": "thread"},
        sampling={"rules": [{"logger": "app.noisy", "max_per_second": 1, "burst": 5}, {"rate": 0.2}]},
    )
    logging.getLogger().addHandler(ShipperHandler())
    logging.getLogger().setLevel(logging.DEBUG)

    def calls(name: str) -> Callable[..., None]:
        if road == "structlog":
            return shipper.get_logger(name).info
        return lambda message, **fields: logging.getLogger(name).info(message, extra=fields)

    for number in range(200):
        calls("app.noisy")("hello", number=number)
        calls("app.quiet")("hello", number=number)
    assert shipper.flush(20) == 0
    counts = pipeline.counts()
    assert set(counts.dropped) == {"rate_limited", "sampled"}
    assert counts.waiting == 0
    assert counts.emitted == counts.delivered + sum(counts.dropped.values()) == 401
    assert counts.delivered == len(sink.records)


def test_capture_sees_weights(shipper_records: Any) -> None:
    """The weight is in the document as a number; without rules there is none."""
    shipper.configure(sampling={"rules": [{"logger": "app", "rate": 0.5}]})
    for number in range(50):
        shipper.get_logger("app").info("hello", **{"trace.id": str(number)})
        shipper.get_logger("web").info("hello")
    found = {d["log"]["logger"]: d.get("ml", {}).get("sample", {}) for d in shipper_records.documents}
    assert found == {"app": {"weight": 2.0}, "web": {}}


def test_the_timer_sends_summaries(spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that falls silent the thread that watches levels sends what is due."""
    monkeypatch.setattr("shipper.emit.sampling_cells.SUMMARY_S", 0.05)
    shipper.configure(levels={"watch_s": 0.02}, sampling={"rules": [{"max_per_second": 0.001}]})
    log = shipper.get_logger("app")
    for _ in range(3):
        log.info("hello")
    done = threading.Event()
    WATCHER.also(lambda: done.set() if len(documents_under(spool_root)) == 2 else None)
    assert done.wait(20)
    assert documents_under(spool_root)[1]["ml"]["sample"]["weight"] == 2.0


@pytest.mark.parametrize(
    "rule", [{"rate": 0}, {"rate": 1.5}, {"max_per_second": 0}, {"burst": 0}, {"logger": 7}, {"unknown": 1}]
)
def test_wrong_rules(rule: dict[str, object]) -> None:
    """A rule that cannot be kept is refused with one sentence. A rate of 0 could not be corrected for."""
    with pytest.raises(ConfigurationError, match=r"sampling\.rules"):
        shipper.configure(sampling={"rules": [rule]})


def test_rules_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable holds the rules as JSON; what is no JSON is refused with one sentence that names the group."""
    monkeypatch.setenv("SHIPPER_SAMPLING_RULES", '[{"rate": 0.5, "logger": "app"}]')
    (rule,) = load_settings().sampling.rules
    assert (rule.rate, rule.logger) == (0.5, "app")
    monkeypatch.setenv("SHIPPER_SAMPLING_RULES", '[{"rate":')
    with pytest.raises(ConfigurationError, match="sampling"):
        load_settings()


def test_no_rules_no_sampler() -> None:
    """Without rules there is no sampler at all, and nothing is paid for it."""
    assert shipper.configure().emitter._sampler is None
