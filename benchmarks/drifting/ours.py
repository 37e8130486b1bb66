"""The job's own detector with the default rule, on samples that are binned as Elasticsearch would bin them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from benchmarks.drifting.counted import Counts
from benchmarks.drifting.samples import Values
from shipper.detect.detectors.base import Reference, Score
from shipper.detect.detectors.drift import MISSING, OTHER
from shipper.detect.fetching.bins import CATEGORIES, QUANTILES, edges_of
from shipper.detect.fetching.table import Floats, Ints, Table
from shipper.detect.judging.caution import caution_of
from shipper.detect.judging.detectors_for import detector_for
from shipper.detect.judging.threshold import level_of, verdict_of
from shipper.detect.rules.rule import DriftRule
from shipper.detect.rules.rule_file import load_rules

_HOUR_US: Final = 3_600_000_000


class Shipped:
    """The rule `kind: drift` of the default rules, its detector, and the level that the budget gives one test."""

    def __init__(self) -> None:
        rules = load_rules(None)
        (self.rule,) = (rule for rule in rules.active if isinstance(rule, DriftRule))
        self.detector = detector_for(self.rule)
        self.caution = caution_of(self.detector)
        self.level = level_of(rules.false_alarms, rules.tests, self.rule.window, 1) / self.caution.share

    def score(self, reference: Values, current: Values, *, is_categorical: bool) -> Score:
        """Return the detector's score of one feature."""
        names, place_of = _categories(reference, current) if is_categorical else _bins(reference)
        history = _table(reference, place_of, names, self.windows)
        return self.detector.score(_table(current, place_of, names, 1), Reference(history), self.level)

    def score_counts(self, counts: Counts, *, is_categorical: bool) -> Score:
        """Return the detector's score of one feature that is binned already."""
        bins = counts.history.shape[1]
        names = [f"x/{place}" for place in range(bins)] + ([f"x/{OTHER}"] if is_categorical else [])
        empty = np.zeros((len(counts.history), len(names) - bins))
        history = _counted(np.hstack((counts.history, empty)), names)
        current = _counted(np.append(counts.current, empty[0])[None, :], names)
        return self.detector.score(current, Reference(history), self.level)

    @property
    def windows(self) -> int:
        """Windows of the baseline."""
        return self.rule.baseline.preceding // self.rule.window

    def is_drift(self, score: Score) -> bool:
        """Whether the job would call this window anomalous."""
        return verdict_of(score, self.level, self.caution.strong).is_anomalous


def _bins(reference: Values) -> tuple[list[str], Callable[[Values], Ints]]:
    edges = np.array(edges_of(list(np.quantile(reference, np.array(QUANTILES) / 100)), reference.size))
    names = [f"x/{place}" for place in range(len(edges) + 1)]
    return names, lambda values: np.searchsorted(edges, values, side="right")


def _categories(reference: Values, current: Values) -> tuple[list[str], Callable[[Values], Ints]]:
    """Return the categories as the job lists them: all that were seen up to the judged window."""
    named = np.union1d(reference, current)
    if len(named) > CATEGORIES:
        raise ValueError(f"more than {CATEGORIES} categories: the job lists the frequent ones only")
    names = [*(f"x/{place}" for place in range(len(named))), f"x/{OTHER}"]
    return names, lambda values: np.searchsorted(named, values)


def _table(values: Values, place_of: Callable[[Values], Ints], names: list[str], windows: int) -> Table:
    """Return the counts per window, the values falling into equal windows in their order."""
    window = np.arange(len(values)) * windows // max(1, len(values))
    cells = np.bincount(window * len(names) + place_of(values), minlength=windows * len(names))
    return _counted(cells.reshape(windows, len(names)).astype(float), names)


def _counted(rows: Floats, names: list[str]) -> Table:
    """Return the table of a feature "x" without missing values, and of its events."""
    values = np.hstack((rows.sum(axis=1, keepdims=True), rows, np.zeros((len(rows), 1))))
    blocks = {"events": slice(0, 1), "x": slice(1, values.shape[1])}
    return Table(np.arange(len(rows)) * _HOUR_US, values, blocks, ("events", *names, f"x/{MISSING}"))
