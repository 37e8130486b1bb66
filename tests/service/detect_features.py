"""Made-up predictions with features of several shapes, for the tests of drift and of data quality."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from shipper.detect.event_time.window import HOUR_US, iso
from tests.service.detect_history import Json
from tests.service.detect_place import END_US

HOURS = 12
FAULT_US = END_US - 3 * HOUR_US
PER_HOUR = 250

Row = tuple[dict[str, float], dict[str, str], dict[str, Any]]
Make = Callable[[random.Random, bool], Row]


def ordinary(chance: random.Random, is_late: bool) -> Row:
    """Two numeric features, one category of many, and a label."""
    del is_late
    site = f"s{min(int(chance.paretovariate(0.8)), 300)}"
    label = "ill" if chance.random() < 0.2 else "well"
    return (
        {"age": chance.gauss(50, 10), "zeros": max(0.0, chance.gauss(-1, 1))},
        {"site": site},
        {"label": label},
    )


def documents(
    make: Make, seed: int, *, dataset: str = "ml.inference", weight: float | None = None
) -> list[Json]:
    """Events of `HOURS` hours; `make` is told whether the fault has begun."""
    chance = random.Random(seed)
    begin, found = END_US - HOURS * HOUR_US, []
    for number in range(HOURS * PER_HOUR):
        at = begin + number * HOUR_US // PER_HOUR
        numeric, categorical, prediction = make(chance, at >= FAULT_US)
        ml: Json = {
            "model": {"name": "m", "version": "1"},
            "prediction": {"id": f"{seed}-{number}", **prediction},
            "features": {"numeric": numeric, "categorical": categorical},
        }
        if weight is not None:
            ml["sample"] = {"weight": weight}
        found.append(
            {
                "@timestamp": iso(at),
                "message": "prediction",
                "log": {"level": "info"},
                "event": {"id": f"{seed}-{number}", "dataset": dataset, "outcome": "success"},
                "ml": ml,
            }
        )
    return found
