"""A training run is slower than the last ones, or than it was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from shipper.detect.curves import layout
from shipper.detect.curves.earlier import STEP_TIME, comparable, known_of, step_time
from shipper.detect.curves.noise import deviation_of
from shipper.detect.curves.watched import Watched, early
from shipper.detect.detectors.base import Reference, Score, not_enough
from shipper.detect.fetching.table import Floats, Table
from shipper.detect.statistics.probability import significance, student_tail

_LEAST_SPREAD: Final = 0.03
_FEWEST_WINDOWS: Final = 6
_LOOKS: Final = 20.0
"""A run's pace is looked at in many windows, which all say nearly the same: like this many that do not."""
_USUAL: Final = Watched(change=0.3)


@dataclass(frozen=True, slots=True)
class StepTime:
    """Steps take longer than in the last runs of the same kind; without enough of them, than in this run so far.

    Idea: of each earlier run that finished, one number: the median over its windows of the mean step. Where their
    logarithms leave the judged run's newest window is the prediction interval of a sample of so many, to which the wandering
    of this run's own windows is added. Runs differ more than the steps of a run do, so millions of steps prove nothing.
    Fewer than 5 runs: the same with this run's own windows, from 6 on.
    Fails: a run of another size in the same experiment (name what runs must share in `same`); durations that are not logged.
    Cost: two columns, one row per earlier run.
    Source: Student's prediction interval; Fisher, Statistical methods for research workers (1925).
    """

    watched: Watched = _USUAL
    unit: ClassVar[str] = "ns"
    can_pool: ClassVar[bool] = False

    def score(self, current: Table, reference: Reference, level: float) -> Score:  # noqa: ARG002 - the caller's
        """See `Detector.score`; observed is the mean nanoseconds of a step, expected the median of what it is compared with."""
        watched = self.watched
        said = early(current)
        if said is not None:
            return said
        mine = step_time(current)
        if mine is None:
            return not_enough(0, 1, "durations of steps in the window")
        earlier = known_of(comparable(reference.previous, current, watched.baseline_us), STEP_TIME)
        own = _paces(reference.baseline)
        if len(earlier) >= watched.runs:
            chance, usual = _slower(mine, np.log(earlier), _wander(own))
            chance, against = chance * _LOOKS * watched.once, f"the last {len(earlier)} runs"
        elif len(own) >= _FEWEST_WINDOWS:
            chance, usual = _slower(mine, own, 0.0)
            against = "this run so far"
        else:
            return not_enough(len(own), _FEWEST_WINDOWS, "windows of the run with durations")
        ratio = mine / usual
        return Score(
            value=significance(min(1.0, chance)),
            effect=ratio - 1,
            is_effective=ratio >= 1 + watched.change,
            observed=mine,
            expected=usual,
            threshold=usual * (1 + watched.change),
            count=int(current.column(f"{layout.DURATION}.n")[0]),
            have=len(own),
            need=_FEWEST_WINDOWS,
            facts={
                "against_runs": len(earlier) if len(earlier) >= watched.runs else 0,
                "words": f"a step takes {_time(mine)}, {ratio:.2f} times as long as in {against} ({_time(usual)})",
            },
        )


def _slower(mine: float, past: Floats, wander: float) -> tuple[float, float]:
    """Return P(as slow) by logarithms of paces, and their median."""
    spread = max(float(past.std(ddof=1)), _LEAST_SPREAD)
    error = math.sqrt(spread**2 * (1 + 1 / len(past)) + wander**2)
    middle = float(np.median(past))
    return student_tail((math.log(mine) - middle) / error, len(past) - 1), math.exp(middle)


def _paces(table: Table) -> Floats:
    """Return the logarithm of each window's mean step."""
    for series in (layout.DURATION, layout.EPOCH_DURATION):
        count, total = table.column(f"{series}.n"), table.column(f"{series}.sum")
        some = (count > 0) & (total > 0)
        if some.any():
            logs: Floats = np.log(total[some] / count[some])
            return logs
    return np.zeros(0)


def _wander(own: Floats) -> float:
    """Return by how much the run's own windows differ, robustly; 0 where there are too few to tell."""
    if len(own) < _FEWEST_WINDOWS:
        return 0.0
    return deviation_of(own - np.median(own))


def _time(nanoseconds: float) -> str:
    for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if nanoseconds >= factor:
            return f"{nanoseconds / factor:.3g} {name}"
    return f"{nanoseconds:.0f} ns"
