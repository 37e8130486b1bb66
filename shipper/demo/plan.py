"""What happens when in the demo: phases, traffic, the fault. All of it follows from the seed and the end."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HOUR_US: Final = 3_600_000_000
REQUESTS_PER_HOUR: Final = 220
MALFORMED_SHARE: Final = 0.004
LABELLED_SHARE: Final = 0.92


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of simulated time in which one commit serves one model version; times in microseconds."""

    name: str
    version: str
    commit_message: str
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole demo; `end_us` is the simulated and the real present."""

    seed: int
    end_us: int

    @property
    def start_us(self) -> int:
        """Begin of the simulated time."""
        return self.phases[0].start_us

    @property
    def fault_us(self) -> int:
        """When the faulty commit starts to serve."""
        return self.phases[-1].start_us

    @property
    def phases(self) -> tuple[Phase, Phase, Phase]:
        """Version 1, version 2, and version 2 behind the faulty commit."""
        edges = [self.end_us - hours * HOUR_US for hours in (30, 18, 6, 0)]
        return (
            Phase("version 1", "1", "Collect the pathologists' findings", edges[0], edges[1]),
            Phase("version 2", "2", "Regularise more in version 2", edges[1], edges[2]),
            Phase("fault", "2", "Take texture from the new imaging service", edges[2], edges[3]),
        )


def requests(plan: Plan, phase: Phase, rows: list[tuple[dict[str, str], str]]) -> Iterator[dict[str, Any]]:
    """Yield the requests of a phase by time: Poisson arrivals whose rate follows the hour of the day."""
    chance = random.Random(f"{plan.seed}/{phase.name}")
    at_us = float(phase.start_us)
    number = 0
    while True:
        hour = at_us / HOUR_US % 24
        rate = REQUESTS_PER_HOUR * (1 + 0.35 * math.sin((hour - 9) / 24 * 2 * math.pi))
        at_us += chance.expovariate(rate) * HOUR_US
        if at_us >= phase.end_us:
            return
        number += 1
        row, truth = chance.choice(rows)
        row = {**row, "slide": str(chance.randrange(1, 1_000_000))}
        if chance.random() < MALFORMED_SHARE:
            _spoil(row, chance)
        yield {
            "id": f"{phase.name.replace(' ', '-')}-{number:05d}",
            "trace": f"{chance.getrandbits(128):032x}",
            "at": int(at_us),
            "wait_s": chance.lognormvariate(math.log(0.018), 0.35),
            "row": row,
            "truth": truth,
        }


def _spoil(row: dict[str, str], chance: random.Random) -> None:
    """Make the request one that no service can answer: a text that is no number, or a key left out."""
    name = chance.choice(sorted(set(row) - {"slide"}))
    if chance.random() < 0.5:
        row[name] = "n/a"
    else:
        del row[name]


def write_requests(path: Path, plan: Plan, phase: Phase, rows: list[tuple[dict[str, str], str]]) -> int:
    """Write the requests of a phase to `path`, one JSON object a line; return their number."""
    count = 0
    with path.open("w") as file:
        for request in requests(plan, phase, rows):
            file.write(json.dumps(request) + "\n")
            count += 1
    return count


def finding_time(plan: Plan, prediction_id: str, predicted_us: int) -> int | None:
    """Return when the true label of a prediction comes; None where none ever does."""
    chance = random.Random(f"{plan.seed}/{prediction_id}")
    if chance.random() > LABELLED_SHARE:
        return None
    hours = min(2.5, max(0.3, chance.lognormvariate(math.log(0.75), 0.5)))
    return predicted_us + round(hours * HOUR_US)
