"""A measure of a training run is no number any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.watched import Watched, early
from shipper.detect.detectors.base import FixedStandard, Reference, Score, not_enough
from shipper.detect.fetching.table import Table
from shipper.detect.statistics.probability import MAX_SCORE

_ELSEWHERE: Final = ("val_", "valid_", "validation_", "eval_", "test_")
_SCALED: Final = ("grad", "norm")
_FEWEST_SCALED: Final = 3
_LEAST_SCALED: Final = 0.2
_FEWEST_WINDOWS: Final = 2
_USUAL: Final = Watched()


@dataclass(frozen=True, slots=True)
class NonFinite(FixedStandard):
    """The watched measure, any other loss, or a gradient was NaN or infinite.

    Idea: a loss that is NaN is wrong whatever it was before, so one is enough, at any step. Three things look so and are none:
    measures of validation that are NaN from the run's first window on, because there is nothing yet; norms of
    gradients, of which scaled half precision skips one now and then: they count from 3 in a window and a fifth of its events
    on; other measures (precision without a positive prediction), unless the rule watches all (`field: ml.metrics`).
    Fails: a loss that is not logged; a program that replaces NaN by a number before it logs.
    Cost: one column per measure that was ever NaN.
    Source: IEEE 754-2019, 6.2: a NaN stays one through every later step.
    """

    watched: Watched = _USUAL
    unit: ClassVar[str] = "events"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - certain or nothing
        """See `Detector.score`; observed is the number of events in which it was so."""
        said = early(current)
        if said is not None:
            return said
        counts, names = current.block(layout.NONFINITE)[0], current.parts(layout.NONFINITE)
        events = float(current.column(layout.EVENTS)[0])
        bad = [
            (_first_step(name, current, reference), name, float(count))
            for name, count in zip(names, counts, strict=True)
            if count > 0 and self._counts(name, float(count), events) and not _is_placeholder(name, reference)
        ]
        windows = 1 + int((reference.baseline.column(layout.EVENTS) > 0).sum())
        if not bad and windows < _FEWEST_WINDOWS:
            return not_enough(windows, _FEWEST_WINDOWS, "windows with events of the run")
        if not bad:
            return Score(0.0, 0.0, observed=0.0, expected=0.0, threshold=0.0, count=int(events))
        bad.sort(key=lambda one: (one[0] if one[0] >= 0 else np.inf, one[1]))
        step, name, _ = bad[0]
        where = f"from step {step} on" if step >= 0 else "in an event without a step"
        more = f", and so {'is' if len(bad) == 2 else 'are'} {', '.join(one[1] for one in bad[1:4])}"
        seen = max(one[2] for one in bad)
        return Score(
            value=MAX_SCORE,
            effect=seen,
            is_effective=True,
            observed=seen,
            expected=0.0,
            threshold=0.0,
            count=int(events),
            have=windows,
            need=1,
            facts={
                "metric": name,
                "metrics": tuple(one[1] for one in bad),
                "step": step,
                "words": f"{name} is NaN or infinite {where}{more if len(bad) > 1 else ''}",
            },
        )

    def _counts(self, name: str, count: float, events: float) -> bool:
        if any(word in name for word in _SCALED) and name != self.watched.name:
            return count >= _FEWEST_SCALED and count >= _LEAST_SCALED * events
        return name == self.watched.name or "loss" in name or self.watched.name == "ml.metrics"


def _first_step(name: str, current: Table, reference: Reference) -> int:
    """Return the first step of the run's windows in reach at which a measure was no number; -1: it had no step."""
    found = [
        table.block(layout.NONFINITE_STEP)[:, table.parts(layout.NONFINITE_STEP).index(name)]
        for table in (reference.baseline, current)
        if name in table.parts(layout.NONFINITE_STEP)
    ]
    known = np.concatenate([*found, np.zeros(0)])
    return int(known[known > 0].min(initial=np.inf) if (known > 0).any() else 0) - 1


def _is_placeholder(name: str, reference: Reference) -> bool:
    """Return whether a measure of validation was no number in the run's first window, too."""
    if not name.startswith(_ELSEWHERE):
        return False
    first = np.flatnonzero(reference.baseline.column(layout.EVENTS) > 0)
    names = reference.baseline.parts(layout.NONFINITE)
    if not len(first) or name not in names:
        return not len(first)
    return bool(reference.baseline.block(layout.NONFINITE)[int(first[0]), names.index(name)] > 0)
