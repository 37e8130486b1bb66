"""Rules of kind `resource` on the real Elasticsearch."""

from __future__ import annotations

import random
from collections.abc import Iterator

from shipper.alert.wording import sentence
from shipper.detect.event_time.window import MINUTE_US, iso
from shipper.detect.rules.rule_file import parse_rules
from tests.service.detect_history import Json
from tests.service.detect_place import END_US, Place

STEP_US = 5 * MINUTE_US
ROWS = 144
RULES = parse_rules(
    """
rules:
  - {id: disk, name: A disk will soon be full, kind: resource, field: ml.resource.disk_used_share, full: 1.0, horizon: 12h}
  - {id: gpu, name: A GPU is idle, kind: resource, field: ml.resource.gpu_used_share, band: [0.05, null]}
"""
)


def uses(host: str, *, is_bad: bool) -> Iterator[Json]:
    """Twelve hours of a host: a disk that is cleaned every two hours, or fills up; a GPU at work, or idle for the last hour."""
    chance = random.Random(host)
    for row in range(ROWS):
        disk = 0.4 + (0.004 * row if is_bad else 0.008 * (row % 24)) + chance.gauss(0, 0.002)
        gpu = 0.01 if is_bad and row >= ROWS - 12 else 0.8 + chance.gauss(0, 0.05)
        yield {
            "@timestamp": iso(END_US - (ROWS - row) * STEP_US + MINUTE_US),
            "message": "resource use",
            "log": {"level": "info"},
            "event": {"id": f"{host}-{row}", "dataset": "ml.deployment", "action": "resource-use"},
            "service": {"name": "api"},
            "host": {"name": host},
            "ml": {"resource": {"disk_used_share": disk, "gpu_used_share": gpu}},
        }


def test_what_fills_up_and_what_is_idle_are_told_with_the_host(place: Place) -> None:
    """A disk that will be full within the horizon and a GPU below its bound: one alert each, for the host; the other is quiet."""
    place.store([*uses("full", is_bad=True), *uses("well", is_bad=False)])
    report = place.run(RULES)
    found = {alert.rule.id: alert for alert in (one.alert for one in report.alerts)}
    assert {(alert.rule.id, alert.group["host.name"]) for alert in found.values()} == {
        ("disk", "full"),
        ("gpu", "full"),
    }
    assert len(report.alerts) == 2
    disk = found["disk"]
    assert "and will be full (1) in " in sentence(disk.rule, disk.group, disk.start_us, disk.measured)
    assert disk.start_us < END_US - 60 * MINUTE_US
    assert "the mean is 0.01, below 0.05" in str(found["gpu"].measured.facts["words"])
    assert 1 <= len(disk.evidence.samples) <= 5
