#!/usr/bin/env python3
"""Rules of kind quality on made-up models: false alarms, intervals, power, and late labels that prefer a class.

    benchmarks/quality.py --seed 7
    benchmarks/quality.py --seed 7 --repeats 5000

The detectors are those of the job with their defaults. A cohort is what an hour of predictions came to; the model of 1 %
fraud finds 80 % of it and is right in 9 of 10 alarms that it raises.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from benchmarks.command import positive
from benchmarks.drifting.bounds import lower_bound, upper_bound
from benchmarks.table import plain
from shipper.detect.detectors.base import Detector, Reference, Score
from shipper.detect.fetching.table import Table, from_frame
from shipper.detect.judging.detectors_for import detector_for
from shipper.detect.judging.judge import Judge
from shipper.detect.rules.rule_file import parse_rules
from shipper.detect.statistics.confusion import column
from shipper.detect.statistics.score_bins import BINS, EDGES

Random = np.random.Generator
HOUR_US: Final = 3_600_000_000
LEVELS: Final = (0.01, 0.001)
MEASURES: Final[Mapping[str, str]] = {
    "precision": "measure: precision, positive: ill",
    "recall": "measure: recall, positive: ill",
    "F1": "measure: f1, positive: ill",
    "false-negative rate": "measure: false_negative_rate, positive: ill",
    "accuracy": "measure: accuracy",
    "AUC": "measure: auc, positive: ill",
    "cost": "measure: cost, costs: {ill: {well: 100}, well: {ill: 5}}",
    "macro F1": "measure: f1, average: macro",
}
"""Each measure as a rule says it."""


@dataclass(frozen=True, slots=True)
class Model:
    """Share of true cases, of those found, of the others mistaken for one; by how much scores are apart, in sd."""

    true: float = 0.01
    found: float = 0.8
    mistaken: float = 0.0009
    apart: float = 2.5

    @property
    def cells(self) -> list[float]:
        """Shares of hits, misses, false alarms and the rest."""
        other = 1 - self.true
        hits, wrong = self.true * self.found, other * self.mistaken
        return [hits, self.true - hits, wrong, other - wrong]

    def value(self, measure: str) -> float:
        """The true value of a measure."""
        hit, miss, wrong, rest = self.cells
        f1 = 2 * hit / (2 * hit + miss + wrong)
        other = 2 * rest / (2 * rest + miss + wrong)
        return {
            "precision": hit / (hit + wrong),
            "recall": hit / (hit + miss),
            "F1": f1,
            "false-negative rate": miss / (hit + miss),
            "accuracy": hit + rest,
            "cost": 100 * miss + 5 * wrong,
            "macro F1": (f1 + other) / 2,
        }.get(measure, np.nan)


BALANCED: Final = Model(0.3, 0.9, 0.04, 1.5)
MODELS: Final = {"1 % true": Model(), "30 % true": BALANCED}


def detector(measure: str, more: str = "") -> Detector:
    """The detector of a measure, as the job makes it."""
    (rule,) = parse_rules(f"rules:\n  - {{id: q, kind: quality, {MEASURES[measure]}{more}}}\n").active
    return detector_for(rule)


def cohorts(chance: Random, model: Model, size: int, windows: int, *, scores: bool) -> pd.DataFrame:
    """Labelled cohorts, every label there."""
    cells = chance.multinomial(size, model.cells, size=windows)
    frame = pd.DataFrame(
        cells,
        columns=[
            column("cells", *pair)
            for pair in (("ill", "ill"), ("ill", "well"), ("well", "ill"), ("well", "well"))
        ],
    )
    frame["labels"] = frame["predictions"] = float(size)
    for name, some in (("ill", cells[:, 0] + cells[:, 2]), ("well", cells[:, 1] + cells[:, 3])):
        frame[column("labelled", name)] = frame[column("asked", name)] = some
    if scores:
        blocks = []
        for name, counts, mean in (
            ("yes", cells[:, 0] + cells[:, 1], model.apart),
            ("no", cells[:, 2] + cells[:, 3], 0.0),
        ):
            # Log odds are normal; a constant moves scores of rare classes to where they crowd, at 0.
            limits = np.log(np.array(EDGES) / (1 - np.array(EDGES))) + 3
            below = np.array([0.0, *(_normal(limits - mean)), 1.0])
            drawn = np.array([chance.multinomial(count, np.diff(below)) for count in counts])
            blocks.append(pd.DataFrame(drawn, columns=[f"{name}/{place}" for place in range(BINS)]))
        frame = pd.concat([frame, *blocks], axis=1)
    frame.index = pd.Index(np.arange(windows, dtype=np.int64) * HOUR_US)
    return frame


def _normal(values: np.ndarray) -> list[float]:
    from statistics import NormalDist  # noqa: PLC0415 - used here alone

    curve = NormalDist()
    return [curve.cdf(float(value)) for value in values]


def pair(
    chance: Random, measure: str, models: tuple[Model, Model], sizes: tuple[int, int], windows: int
) -> tuple[Table, Table]:
    """A baseline and one judged cohort."""
    scores = measure == "AUC"
    before = from_frame(cohorts(chance, models[0], sizes[0], windows, scores=scores))
    now = from_frame(cohorts(chance, models[1], sizes[1], 1, scores=scores))
    return before, now


def calibration(seed: int, repeats: int) -> Iterator[tuple[str, ...]]:
    """Nothing changed: how often each test is past its level, and how often the interval misses the truth."""
    yield (
        "cases",
        "measure",
        "against",
        "cohorts",
        "size",
        "tests",
        *(f"past {level:g}" for level in LEVELS),
        "interval misses",
        "no answer",
    )
    for name, model in MODELS.items():
        size = 20_000 if model.true < 0.1 else 400
        for measure in MEASURES:
            for against in ("baseline", "goal"):
                goal = model.value(measure) if against == "goal" else None
                if goal is not None and np.isnan(goal):
                    goal = _area(model)
                more = f", compare: [{against}]" + (f", goal: {goal:.12f}" if goal is not None else "")
                found = detector(measure, more)
                chance = np.random.default_rng([seed, *f"{name}{measure}{against}".encode()])
                past, missed, unknown = dict.fromkeys(LEVELS, 0), 0, 0
                for _ in range(repeats):
                    before, now = pair(chance, measure, (model, model), (size, size), 24)
                    score = found.score(now, Reference(before), 0.01)
                    if score.value is None:
                        unknown += 1
                        continue
                    for level in LEVELS:
                        past[level] += 10**-score.value <= level
                    missed += _misses(score, goal)
                tests = repeats - unknown
                yield (
                    name, measure, against, "24", f"{size:,}", f"{tests:,}",
                    *(f"{past[level] / max(1, tests):.3%} ({lower_bound(past[level], tests):.3%}-{upper_bound(past[level], tests):.3%})" for level in LEVELS),
                    f"{missed / max(1, tests):.1%}" if goal is not None else "", f"{unknown:,}",
                )  # fmt: skip


def _area(model: Model) -> float:
    return _normal(np.array([model.apart / np.sqrt(2)]))[0]


def _misses(score: Score, truth: float | None) -> bool:
    if truth is None or score.facts["interval_low"] == score.facts["interval_high"]:
        return False
    return not float(str(score.facts["interval_low"])) <= truth <= float(str(score.facts["interval_high"]))


def power(seed: int, repeats: int) -> Iterator[tuple[str, ...]]:
    """How often one cohort of a worse model is past 1 in 1,000 and the least effect."""
    yield ("measure", "from", "to", "labelled in the cohort", "found in one cohort")
    worse = {
        "precision": Model(mistaken=0.0034), "recall": Model(found=0.6), "F1": Model(found=0.6),
        "false-negative rate": Model(found=0.6), "AUC": Model(apart=1.5), "cost": Model(found=0.6), "macro F1": Model(found=0.6),
    }  # fmt: skip
    for measure, model in worse.items():
        for size in (5_000, 20_000, 50_000):
            found = detector(measure)
            chance = np.random.default_rng([seed, size, *measure.encode()])
            hits = 0
            for _ in range(repeats):
                before, now = pair(chance, measure, (Model(), model), (size, size), 48)
                score = found.score(now, Reference(before), 0.001)
                hits += score.value is not None and score.is_effective and score.value >= 3
            values = [one.value(measure) if measure != "AUC" else _area(one) for one in (Model(), model)]
            yield (measure, f"{values[0]:.3g}", f"{values[1]:.3g}", f"{size:,}", f"{hits / repeats:.1%}")


Delay = Callable[[Random, int, bool], np.ndarray]
"""Delays in hours of so many labels, of true cases or of others."""

DELAYS: Final[Mapping[str, Delay]] = {
    "all alike, 0 to 24 h": lambda chance, count, _: chance.uniform(0, 24, count),
    "true ones first (2 h, others 40 h)": lambda chance, count, is_true: chance.uniform(
        0, 2 if is_true else 40, count
    ),
    "true ones last (40 h, others 2 h)": lambda chance, count, is_true: chance.uniform(
        0, 40 if is_true else 2, count
    ),
    "true ones last, heavy tail": lambda chance, count, is_true: (
        chance.pareto(1.2, count) * (6 if is_true else 0.5)
    ),
}


def late(seed: int, repeats: int) -> Iterator[tuple[str, ...]]:
    """Nothing changed but that labels come late: cohorts judged again at every hour as they ripen, false alarms among them."""
    yield (
        "labels",
        "measure",
        "judgements",
        "of them decided",
        "false at 1 in 1,000",
        "share",
        "without the safeguards",
    )
    model = Model(0.2, 0.9, 0.025)
    for name, delay in DELAYS.items():
        for measure in ("precision", "recall", "F1", "accuracy"):
            careful, careless = detector(measure), detector(measure, ", coverage: null")
            chance = np.random.default_rng([seed, *f"{name}{measure}".encode()])
            judged = decided = false = naive = 0
            for _ in range(repeats):
                events = _events(chance, model, delay, hours=120, per_hour=150)
                for now_h in range(72, 120, 6):
                    seen = _seen(events, now_h)
                    # What `coverage: null` asks Elasticsearch for: labels alone.
                    bare = seen[[name for name in seen if not str(name).startswith(("predictions", "asked"))]]
                    for found, table, is_careful in (
                        (careful, from_frame(seen), True),
                        (careless, from_frame(bare), False),
                    ):
                        walker = Judge(found, HOUR_US, 168 * HOUR_US, lambda _: 0.001)
                        for one in walker.windows(table, (now_h - 48) * HOUR_US, now_h * HOUR_US):
                            judged += is_careful
                            decided += is_careful and one.score.value is not None
                            false += is_careful and one.verdict.is_anomalous
                            naive += not is_careful and one.verdict.is_anomalous
            yield (
                name,
                measure,
                f"{judged:,}",
                f"{decided:,}",
                f"{false:,}",
                f"{false / max(1, decided):.3%}",
                f"{naive / max(1, judged):.3%}",
            )


def _events(chance: Random, model: Model, delay: Delay, *, hours: int, per_hour: int) -> dict[str, Any]:
    count = hours * per_hour
    cell = chance.choice(4, size=count, p=model.cells)
    is_true = cell < 2
    delays = np.where(is_true, delay(chance, count, True), delay(chance, count, False))
    return {
        "hour": np.arange(count) // per_hour,
        "cell": cell,
        "known_h": np.arange(count) / per_hour + delays,
    }


def _seen(events: Mapping[str, Any], now_h: int) -> pd.DataFrame:
    """What the cohorts before a moment look like then."""
    hour, cell = events["hour"], events["cell"]
    before = hour < now_h
    known = before & (events["known_h"] <= now_h)
    asked = np.bincount(hour[before] * 4 + cell[before], minlength=now_h * 4).reshape(now_h, 4).astype(float)
    cells = np.bincount(hour[known] * 4 + cell[known], minlength=now_h * 4).reshape(now_h, 4).astype(float)
    frame = pd.DataFrame(
        cells,
        columns=[
            column("cells", *pair)
            for pair in (("ill", "ill"), ("ill", "well"), ("well", "ill"), ("well", "well"))
        ],
    )
    frame["labels"], frame["predictions"] = cells.sum(axis=1), asked.sum(axis=1)
    for name, places in (("ill", [0, 2]), ("well", [1, 3])):
        frame[column("labelled", name)] = cells[:, places].sum(axis=1)
        frame[column("asked", name)] = asked[:, places].sum(axis=1)
    frame.index = pd.Index(np.arange(now_h, dtype=np.int64) * HOUR_US)
    return frame


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1, help="of all samples (default: 1)")
    parser.add_argument(
        "--repeats", type=positive, default=300, help="per row of calibration and power (default: 300)"
    )
    parser.add_argument(
        "--late-repeats", type=positive, default=3, help="histories per row of late labels (default: 3)"
    )
    given = parser.parse_args(arguments)
    for title, rows in (
        (
            "Nothing changed: share of tests past a level (95 % bounds), and intervals that miss the truth (5 % promised)",
            calibration(given.seed, given.repeats),
        ),
        ("Nothing changed but that labels come late", late(given.seed, given.late_repeats)),
        ("A model of 1 % true cases became worse", power(given.seed, given.repeats)),
    ):
        print(f"\n{title}\n", flush=True)
        print(plain(list(rows)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
