"""With rules of sampling, events that none of them concerns still take the quick way."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import shipper
from shipper.clock import ManualClock
from shipper.ecs.event import Event
from shipper.emit import ShipperHandler
from shipper.emit.sampling import Rule, Sampler
from shipper.observe.counters import Counters
from tests.unit.emit.spooled import documents_under

LOGGERS = st.sampled_from(["", "app", "app.model", "apple"])
PATTERNS = st.sampled_from(["", "*", "ml.app", "ml.*", "predict", "p?edict", "train-*"])
RULES = st.builds(
    Rule,
    logger=LOGGERS,
    dataset=PATTERNS,
    action=PATTERNS,
    rate=st.sampled_from([0.25, 1.0]),
    max_per_second=st.sampled_from([None, 0.5]),
    fold_s=st.sampled_from([0.0, 10.0]),
)
FIELDS = st.sampled_from(
    [
        {},
        {"event.dataset": "ml.inference", "event.action": "predict"},
        {"event": {"dataset": "ml.training", "action": "train-end"}},
        {"dataset": "ml.inference"},
        {"event.dataset": "nonsense", "event.action": 7},
    ]
)
EVENTS = st.tuples(st.sampled_from([10, 20, 30, 40, 50]), LOGGERS, FIELDS, st.floats(0, 40))


@given(st.lists(RULES, min_size=1, max_size=3), st.lists(EVENTS, min_size=1, max_size=12))
def test_what_is_free_would_have_passed_as_it_is(rules: list[Rule], events: list[Any]) -> None:
    """Where `is_free` says yes, `apply` lets the event pass unchanged, and no summary is due before or after it."""
    clock = ManualClock()
    sampler = Sampler(rules, key="k", clock=clock, random=random.Random(1), counters=Counters())
    for level, logger, fields, wait_s in events:
        clock.advance(wait_s)
        is_free = sampler.is_free(logger, level, fields)
        assert is_free == sampler.is_free(logger, level, fields), "it is remembered wrongly"
        event = Event(level, "hello", logger, dict(fields))
        kept = sampler.apply(event)
        summaries = sampler.due()
        if is_free:
            assert kept is event
            assert event.fields == fields
            assert summaries == []


def test_free_events_take_the_quick_way(spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside a rule for one logger, calls of others are encoded by plans; those of its own get their weight."""
    shipper.configure(
        service={"name": "checkout"},
        sampling={"rules": [{"logger": "noisy", "rate": 0.5}]},
        spool={"directory": str(spool_root)},
    )
    standard = logging.getLogger("quiet.standard")
    standard.propagate = False
    handler = ShipperHandler()
    standard.addHandler(handler)
    quiet, noisy = shipper.get_logger("quiet"), shipper.get_logger("noisy")
    try:
        with monkeypatch.context() as patched:
            for number in range(8):
                if number == 5:  # plans are made
                    patched.setattr("shipper.ecs.encode.Encoder.encode", None)
                quiet.warning("served", attempt=number)
                standard.warning("served", extra={"attempt": number})
                noisy.error("failed", attempt=number)
        for number in range(40):
            noisy.warning("noise", **{"ml.prediction.id": f"p-{number}"})
    finally:
        standard.removeHandler(handler)
        shipper.close()
    found = documents_under(spool_root)
    for logger in ("quiet", "quiet.standard", "noisy"):
        attempts = [
            document["numeric_labels"]["attempt"]
            for document in found
            if document["log"]["logger"] == logger and "attempt" in document.get("numeric_labels", {})
        ]
        assert attempts == list(range(8))
    noise = [document for document in found if document["message"] == "noise"]
    assert 0 < len(noise) < 40
    assert {document["ml"]["sample"]["weight"] for document in noise} == {2}
    assert not any("sample" in document.get("ml", {}) for document in found if document not in noise)


def test_rules_about_messages_need_the_general_way() -> None:
    """The quick way has no message before its arguments were put in, by which such rules decide."""
    rules = [Rule(message="served*", rate=0.5)]
    sampler = Sampler(rules, key="k", clock=ManualClock(), random=random.Random(1), counters=Counters())
    assert sampler.reads_messages
