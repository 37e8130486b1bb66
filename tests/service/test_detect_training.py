"""Rules of kind `training` on the real Elasticsearch: documents as an application logs them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

from shipper.alert.wording import sentence
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, SECOND_US, iso
from shipper.detect.rules.rule_file import parse_rules
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place

BEGIN_US = END_US - 3 * HOUR_US
RULES = parse_rules(
    """
rules:
  - {id: nan, kind: training, check: nonfinite}
  - {id: spike, kind: training, check: loss_spike}
  - {id: divergence, kind: training, check: divergence}
  - {id: overfitting, kind: training, check: overfitting}
  - {id: plateau, kind: training, check: plateau}
  - {id: killed, kind: training, check: killed}
  - {id: stalled, kind: training, check: stalled}
  - {id: slower, kind: training, check: slower}
  - {id: norm, kind: training, check: out_of_band, field: ml.metrics.grad_norm, band: [null, 50]}
"""
)


class Run:
    """The documents of one run: a step every 20 seconds for two hours, an epoch every 18 steps."""

    def __init__(self, name: str, seed: int = 1, *, steps: int = 360) -> None:
        self.name, self.steps = name, steps
        self.chance = random.Random(f"{name}-{seed}")
        self.documents: list[Json] = []

    def event(self, action: str, at_us: int, ml: dict[str, Any], **more: Any) -> None:
        """Add one document."""
        self.documents.append(
            {
                "@timestamp": iso(at_us),
                "message": action,
                "log": {"level": "info"},
                "event": {
                    "id": f"{self.name}-{len(self.documents)}",
                    "dataset": "ml.training",
                    "action": action,
                    **more,
                },
                "agent": {"ephemeral_id": f"agent-{self.name}"},
                "ml": {"run": {"id": self.name}, "model": {"name": "m"}, **ml},
            }
        )

    def loss(self, step: int) -> float:
        """A loss that falls by a power law."""
        return 2.5 / math.sqrt(1 + step / 20) * self.chance.lognormvariate(0, 0.03)

    def build(self, *, ends: bool = True) -> list[Json]:
        """Make all documents."""
        self.event("train-start", BEGIN_US, {"run": {"id": self.name, "status": "running"}})
        for step in range(self.steps):
            at = BEGIN_US + (step + 1) * 20 * SECOND_US + self.chance.randrange(SECOND_US)
            self.step(step, at)
            if step % 18 == 17:
                self.epoch(step, at + SECOND_US)
        if ends:
            end = BEGIN_US + (self.steps + 2) * 20 * SECOND_US
            self.event("train-end", end, {"run": {"id": self.name, "status": "finished"}})
        return self.documents

    def step(self, step: int, at_us: int) -> None:
        """Log a step."""
        metrics = {"loss": self.loss(step), "grad_norm": self.chance.lognormvariate(0, 0.3)}
        self.event("train-step", at_us, {"step": step, "metrics": metrics}, duration=20 * 10**9)

    def epoch(self, step: int, at_us: int) -> None:
        """Log an epoch, on both kinds of data."""
        for split, factor in (("train", 1.0), ("validation", 1.1)):
            ml = {
                "epoch": step // 18 + 1,
                "step": step,
                "split": split,
                "metrics": {"loss": factor * self.loss(step)},
            }
            self.event("train-epoch", at_us, ml)


class Bad(Run):
    """Its loss is NaN from step 251 on; at step 120 it leaps for one step; its norm is 80 at step 200."""

    def step(self, step: int, at_us: int) -> None:
        """Log a step."""
        loss = self.loss(step) * (8 if step == 120 else 1)
        ml: dict[str, Any] = {
            "step": step,
            "metrics": {"loss": loss, "grad_norm": 80.0 if step == 200 else 1.0},
        }
        if step > 250:
            ml["metrics"]["loss"] = None
            ml["nonfinite"] = ["ml.metrics.loss"]
        self.event("train-step", at_us, ml, duration=20 * 10**9)

    def epoch(self, step: int, at_us: int) -> None:
        """Log no epoch."""


def beats(agent: str, until_us: int) -> Iterator[Json]:
    """Heartbeats of a process, one a minute."""
    for place, at in enumerate(range(BEGIN_US, until_us, MINUTE_US)):
        yield {
            "@timestamp": iso(at),
            "message": "heartbeat",
            "log": {"level": "info"},
            "event": {"id": f"{agent}-{place}", "dataset": "ml.health"},
            "agent": {"ephemeral_id": agent},
            "shipper": {"heartbeat_s": 60.0},
        }


LAST_US = END_US + 3 * MINUTE_US
ALIVE = tuple(beats("another", LAST_US))
"""A process that goes on, so that what the runs say last is not taken for all that has arrived."""


def test_a_healthy_run_raises_nothing(place: Place) -> None:
    """A run that learns, validates and finishes is judged by every check and none says anything."""
    place.store([*Run("well").build(), *ALIVE])
    report = place.run(RULES)
    assert report.alerts == ()
    assert {one.rule_id for one in report.rules if one.windows > one.unknown} == {
        one.id for one in RULES.active
    }


def test_nan_spike_and_norm_are_told_with_their_steps(place: Place) -> None:
    """Each finding names step, value and what was expected; evidence are the events that show it."""
    made = Bad("bad").build()
    by_id = {one["event"]["id"]: one["ml"] for one in made}
    place.store([*made, *Run("well").build(), *ALIVE])
    place.run(RULES)
    alerts = place.alerts()
    assert set(alerts) == {("nan", "bad"), ("spike", "bad"), ("norm", "bad")}
    nan, spike, norm = (alerts[name, "bad"] for name in ("nan", "spike", "norm"))
    assert "loss is NaN or infinite from step 251 on" in sentence(
        nan.rule, nan.group, nan.start_us, nan.measured
    )
    assert all(by_id[sample]["step"] > 250 for sample in nan.evidence.samples)
    assert nan.state.value == "recovered"
    assert spike.measured.facts["step"] == 120
    assert "loss leaps to " in str(spike.measured.facts["words"])
    assert by_id[spike.evidence.samples[0]]["step"] == 120
    assert (norm.measured.observed, norm.measured.threshold, norm.measured.facts["step"]) == (80.0, 50.0, 200)
    before = place.snapshot()
    place.run(RULES)
    assert place.snapshot() == before


def test_killed_and_stalled_runs_are_told_apart_by_their_process(place: Place) -> None:
    """Two runs fall silent: the one whose process still sends heartbeats hangs, the other is gone; late steps withdraw."""
    stop = BEGIN_US + 122 * 20 * SECOND_US
    gone, hangs = Run("gone", steps=120).build(ends=False), Run("hangs", steps=120).build(ends=False)
    place.store([*gone, *hangs, *beats("agent-gone", stop), *beats("agent-hangs", LAST_US), *ALIVE])
    place.run(RULES)
    alerts = place.alerts()
    assert set(alerts) == {("killed", "gone"), ("stalled", "hangs")}
    killed = alerts["killed", "gone"]
    assert "its process is gone" in str(killed.measured.facts["words"])
    assert "after step 119" in str(killed.measured.facts["words"])
    assert len(killed.evidence.samples) == 5
    assert killed.state.value == "open"
    late = Run("gone").build()[len(gone) :]
    place.clock.advance(60)
    place.store(late)
    place.run(RULES)
    assert place.alerts()["killed", "gone"].state.value == "recovered"
