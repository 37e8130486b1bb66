"""The tables of a run, and which promises it does not keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.faulting.tally import CLASSES, Outcome, poisson_interval, quantile
from benchmarks.table import plain
from shipper.detect.rules.rule import RuleSet

LEAST_RECALL: Final = 0.95
LEAST_PRECISION: Final = 0.9
MOST_MEDIAN: Final = 2.0
MOST_P95: Final = 4.0
_CERTAIN: Final = 0.99
_WORDS: Final = """Recall: found of those faults whose exact test has power >= .99 on one bucket.
Precision: faults found, of these and all false alerts.
Delay: from the fault's start to the end of the window that raised the alert; where labels are waited for, also from
when 80 % of the labels of the first whole bucket had come. The promises on delays are about the latter."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the faults of one rule's series, and alerts that were about none."""

    rule_id: str
    series: int
    outcomes: tuple[Outcome, ...]
    false: int


@dataclass(frozen=True, slots=True)
class Run:
    """One run over all rules; `others` are the peers' tallies by name."""

    days: int
    tallies: tuple[Tally, ...]
    others: Mapping[str, tuple[Tally, ...]]
    notes: tuple[str, ...] = ()

    @property
    def false(self) -> int:
        """Alerts that were about no fault."""
        return sum(one.false for one in self.tallies)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some tallies: recall over the faults that the exact test finds, precision of alerts, delays in buckets."""

    faults: int
    found: int
    precision: float
    median: float
    p95: float
    median_since_labels: float
    p95_since_labels: float

    @property
    def recall(self) -> float:
        """Of the faults whose exact test has power >= .99; 1 where there are none."""
        return self.found / self.faults if self.faults else 1.0


def figures(tallies: Sequence[Tally], least: float = _CERTAIN, below: float = 1.01) -> Figures:
    """Return the figures over the faults whose exact test has a power in [least, below)."""
    every = [one for tally in tallies for one in tally.outcomes]
    some = [one for one in every if least <= one.fault.power < below]
    right = sum(one.raised_us is not None for one in every)
    false = sum(tally.false for tally in tallies)
    delays = [one.delay for one in some if one.delay is not None]
    since = [one.delay_since_labels for one in some if one.delay_since_labels is not None]
    return Figures(
        len(some),
        len(delays),
        right / (right + false) if right + false else 1.0,
        quantile(delays, 0.5),
        quantile(delays, 0.95),
        quantile(since, 0.5),
        quantile(since, 0.95),
    )


def missed(faulty: Run, quiet: Run, budget: float) -> list[str]:
    """Return each promise that is not kept, in words."""
    found = figures(faulty.tallies)
    told = []
    if found.recall < LEAST_RECALL:
        told.append(f"recall {found.recall:.3f}, promised is {LEAST_RECALL}")
    if found.precision < LEAST_PRECISION:
        told.append(f"precision {found.precision:.3f}, promised is {LEAST_PRECISION}")
    if found.median_since_labels > MOST_MEDIAN:
        told.append(f"median delay {found.median_since_labels:.1f} buckets, promised are {MOST_MEDIAN:.0f}")
    if found.p95_since_labels > MOST_P95:
        told.append(f"95 % of delays {found.p95_since_labels:.1f} buckets, promised are {MOST_P95:.0f}")
    for name, run in (("with", faulty), ("without", quiet)):
        if run.false / run.days > budget:
            told.append(
                f"{run.false / run.days:.2f} false alerts a day {name} faults, the budget is {budget:g}"
            )
    return told


def shown(faulty: Run, quiet: Run, normal: float, rules: RuleSet) -> str:
    """Return all tables as text."""
    parts = [
        f"{rules.tests} active rules share {rules.false_alarms:g} false alarm(s) a day. A bucket is 5 minutes.",
        _WORDS,
        plain(_rules(faulty, quiet)),
        plain(_kinds(faulty)),
        plain(_contenders(faulty, quiet)),
        f"fixed |z| > 4 on independent normal noise, where nothing ever happens: {normal:.1f} alerts a day",
        *dict.fromkeys(faulty.notes),
    ]
    return "\n\n".join(parts)


def _rules(faulty: Run, quiet: Run) -> list[tuple[str, ...]]:
    head = ("rule", "series", "faults", "power>=.99", "recall", "precision", "median", "p95", "since labels",
            "false/day", "false/day without faults", "95 %")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    calm = {one.rule_id: one.false for one in quiet.tallies}
    groups = [((one,), one.rule_id, one.series, calm.get(one.rule_id, 0)) for one in faulty.tallies]
    everything = (faulty.tallies, "all", sum(one.series for one in faulty.tallies), quiet.false)
    for tallies, name, series, false in [*groups, everything]:
        of = figures(tallies)
        low, high = poisson_interval(false)
        rows.append((
            name, str(series), str(sum(len(one.outcomes) for one in tallies)), str(of.faults), f"{of.recall:.3f}",
            f"{of.precision:.3f}", f"{of.median:.1f}", f"{of.p95:.1f}",
            f"{of.median_since_labels:.1f}, {of.p95_since_labels:.1f}",
            f"{sum(one.false for one in tallies) / faulty.days:.2f}", f"{false / quiet.days:.2f}",
            f"{low / quiet.days:.2f}-{high / quiet.days:.2f}",
        ))  # fmt: skip
    return rows


def _kinds(faulty: Run) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("fault", *(f"found, {name}" for name, _, _ in CLASSES), "of these below the rule's least effect")
    ]
    kinds: dict[str, list[Outcome]] = {}
    for one in (one for tally in faulty.tallies for one in tally.outcomes):
        kinds.setdefault(one.fault.kind, []).append(one)
    for kind, some in kinds.items():
        cells = []
        for _, low, high in CLASSES:
            inside = [one for one in some if low <= one.fault.power < high]
            cells.append(f"{sum(one.raised_us is not None for one in inside)} of {len(inside)}")
        rows.append((kind, *cells, str(sum(not one.fault.is_visible for one in some))))
    return rows


def _contenders(faulty: Run, quiet: Run) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("contender", "of rules", "recall", "precision", "median", "p95", "false/day", "without faults")
    ]
    for name, tallies in {"shipper": faulty.tallies, **faulty.others}.items():
        calm = quiet.tallies if name == "shipper" else quiet.others.get(name, ())
        of = figures(tallies)
        rows.append((
            name, str(len(tallies)), f"{of.recall:.3f}", f"{of.precision:.3f}", f"{of.median:.1f}", f"{of.p95:.1f}",
            f"{sum(one.false for one in tallies) / faulty.days:.1f}", f"{sum(one.false for one in calm) / quiet.days:.1f}",
        ))  # fmt: skip
    return rows
