"""Small ordinary and faulty series for each detector, for the common battery."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shipper.detect.detectors.base import Detector, Enough
from shipper.detect.detectors.capacity import Capacity
from shipper.detect.detectors.divergence import Divergence
from shipper.detect.detectors.drift import Drift
from shipper.detect.detectors.error_rate import ErrorRate
from shipper.detect.detectors.feature_share import FeatureShare
from shipper.detect.detectors.fitting import Fitting
from shipper.detect.detectors.latency import Latency, edges_ns
from shipper.detect.detectors.loss_spike import LossSpike
from shipper.detect.detectors.metric_band import MetricBand
from shipper.detect.detectors.metric_mean import MetricMean
from shipper.detect.detectors.metric_share import MetricShare
from shipper.detect.detectors.new_error import NewError
from shipper.detect.detectors.new_values import NewValues
from shipper.detect.detectors.nonfinite import NonFinite
from shipper.detect.detectors.occurrences import Occurrences
from shipper.detect.detectors.plateau import Plateau
from shipper.detect.detectors.quality_area import QualityArea
from shipper.detect.detectors.quality_mean import QualityMean
from shipper.detect.detectors.quality_share import QualityShare
from shipper.detect.detectors.regression import Regression
from shipper.detect.detectors.series import SeriesChange
from shipper.detect.detectors.silence import Silence
from shipper.detect.detectors.slo_burn import Pair, SloBurn
from shipper.detect.detectors.stalled import Stalled
from shipper.detect.detectors.step_time import StepTime
from shipper.detect.event_time.window import DAY_US, HOUR_US, MINUTE_US
from shipper.detect.fetching.table import from_frame
from shipper.detect.judging.judge import Judge, Judgement
from shipper.detect.statistics.confusion import column
from shipper.detect.statistics.score_bins import BINS, EDGES
from tests.unit.detect import standing_cases as standing
from tests.unit.detect import training_cases as training

STEP_US = 15 * MINUTE_US
BEGIN_US = 1_790_000_000_000_000 // DAY_US * DAY_US
WINDOWS = 60
FAULT_FROM = 48


@dataclass(frozen=True, slots=True)
class Case:
    """A detector with a maker of frames: rows by window, faulty from row `FAULT_FROM` on if asked."""

    name: str
    detector: Detector
    make: Callable[[np.random.Generator, bool], pd.DataFrame]

    def frame(self, seed: int = 0, *, faulty: bool = False) -> pd.DataFrame:
        """The frame with its index of window starts."""
        frame = self.make(np.random.default_rng(seed), faulty)
        frame.index = pd.Index(BEGIN_US + np.arange(len(frame)) * STEP_US, dtype="int64")
        return frame


def judge(detector: Detector, frame: pd.DataFrame, level: float = 1e-3) -> list[Judgement]:
    """Judge every window of a frame as the job does."""
    table = from_frame(frame)
    if not len(table):
        return []
    walker = Judge(detector, STEP_US, DAY_US, lambda _: level)
    return list(walker.windows(table, int(table.times[0]), int(table.times[-1]) + 1))


def _is_faulty(faulty: bool) -> np.ndarray:
    return (np.arange(WINDOWS) >= FAULT_FROM) & faulty


def _errors(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    events = chance.poisson(60, WINDOWS)
    bad = chance.binomial(events, np.where(_is_faulty(faulty), 0.3, 0.01))
    return pd.DataFrame({"events": events, "bad": bad})


def _durations(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    edges = edges_ns()
    rows = []
    for is_bad in _is_faulty(faulty):
        values = chance.lognormal(np.log(4e7 if not is_bad else 2e8), 0.3, chance.poisson(60))
        rows.append(np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1))
    return pd.DataFrame(rows, columns=[f"duration/{place}" for place in range(len(edges) + 1)])


def _labels(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    predictions = chance.poisson(100, WINDOWS)
    known = chance.binomial(predictions, 0.9)
    good = chance.binomial(known, np.where(_is_faulty(faulty), 0.5, 0.95))
    return pd.DataFrame({"labels": known, "good": good, "predictions": predictions})


def _numbers(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    count = np.full(WINDOWS, 3)
    mean = chance.normal(np.where(_is_faulty(faulty), 0.3, 0.9), 0.01)
    return pd.DataFrame({"count": count, "sum": count * mean, "size": 0})


def _matrix(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    rows = []
    for is_bad in _is_faulty(faulty):
        shares = [0.05, 0.25, 0.15, 0.55] if is_bad else [0.18, 0.02, 0.02, 0.78]
        hit, wrong, missed, other = chance.multinomial(250, shares)
        labels = {"ill": hit + wrong, "well": missed + other}
        rows.append(
            {
                column("cells", "ill", "ill"): hit,
                column("cells", "well", "ill"): wrong,
                column("cells", "ill", "well"): missed,
                column("cells", "well", "well"): other,
                "labels": 250,
                "predictions": 260,
                **{column("labelled", name): count for name, count in labels.items()},
                **{column("asked", name): count + 5 for name, count in labels.items()},
            }
        )
    return pd.DataFrame(rows)


def _scored(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    rows = []
    for is_bad in _is_faulty(faulty):
        yes = chance.beta(1.2 if is_bad else 6, 2, 40)
        no = chance.beta(1, 6, 160)
        row: dict[str, int] = {}
        for name, values in (("yes", yes), ("no", no)):
            counts = np.bincount(np.searchsorted(EDGES, values, side="right"), minlength=BINS)
            row |= {f"{name}/{place}": count for place, count in enumerate(counts)}
        rows.append({"labels": 200, "predictions": 210, **row})
    return pd.DataFrame(rows)


def _readings(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    mean = chance.normal(np.where(_is_faulty(faulty), 300, 20), 2)
    return pd.DataFrame({"count": 4, "sum": 4 * mean})


def _features(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    rows = []
    for is_bad in _is_faulty(faulty):
        n = 150 + int(chance.poisson(50))
        shares = [0.05, 0.1, 0.6, 0.25] if is_bad else [0.25, 0.25, 0.25, 0.25]
        bins = chance.multinomial(n, shares)
        other = chance.multinomial(n, [0.5, 0.5])
        rows.append(
            {"events": n, **{f"x/{place}": value for place, value in enumerate(bins)}, "x/missing": 0}
            | {f"y/{place}": value for place, value in enumerate(other)}
        )
    return pd.DataFrame(rows)


def _bad_values(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    events = 60 + chance.poisson(40, WINDOWS)
    bad = chance.binomial(events, np.where(_is_faulty(faulty), 0.3, 0.01))
    return pd.DataFrame({"events": events, "x/bad": bad, "x/all": events, "y/bad": 0, "y/all": events})


def _categories(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    rows = []
    for is_bad in _is_faulty(faulty):
        shares = [0.4, 0.3, 0.1, 0.2] if is_bad else [0.5, 0.4, 0.1, 0.0]
        bins = chance.multinomial(60 + chance.poisson(40), shares)
        rows.append({"events": bins.sum(), **{f"x/{place}": value for place, value in enumerate(bins)}})
    return pd.DataFrame(rows)


def _failures(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "events": chance.poisson(60, WINDOWS),
            "exceptions/1f KeyError": chance.poisson(3, WINDOWS),
            "messages/queue <*> is full": chance.poisson(2, WINDOWS),
            "exceptions/2e ValueError": np.where(_is_faulty(faulty), 2, 0),
        }
    )


def _arrivals(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    return pd.DataFrame({"events": np.where(_is_faulty(faulty), 0, 20 + chance.poisson(30, WINDOWS))})


CASES = (
    Case("error_rate", ErrorRate(), _errors),
    Case("latency", Latency(), _durations),
    Case("metric_share", MetricShare(), _labels),
    Case("metric_mean", MetricMean(enough=Enough(1, 8, 8)), _numbers),
    Case("quality_share", QualityShare("f1", "ill"), _matrix),
    Case("quality_mean", QualityMean("cost", {"ill": {"well": 10}, "well": {"ill": 2}}), _matrix),
    Case("quality_area", QualityArea("ill"), _scored),
    Case("drift", Drift(), _features),
    Case("series", SeriesChange(), _readings),
    Case("silence", Silence(), _arrivals),
    Case("feature_share", FeatureShare(), _bad_values),
    Case("new_error", NewError(), _failures),
    Case("new_values", NewValues(), _categories),
    Case("slo_burn", SloBurn(pairs=(Pair(14.4, HOUR_US, STEP_US),), window_us=STEP_US), standing.failing),
    Case("occurrences", Occurrences(4, 0, 3 * STEP_US, STEP_US), standing.repeated),
    Case("regression", Regression(), standing.returning),
    Case("loss_spike", LossSpike(), training.spiking),
    Case("nonfinite", NonFinite(), training.not_finite),
    Case("plateau", Plateau(), training.flat),
    Case("divergence", Divergence(), training.diverging),
    Case("fitting", Fitting(), training.overfitted),
    Case("stalled", Stalled(), training.silent),
    Case("step_time", StepTime(), training.slow),
    Case("capacity", Capacity(band=(None, 100.0), full=1000.0, enough=Enough(1, 1, 3)), _readings),
    Case("metric_band", MetricBand(band=(None, 5.0)), training.out_of_band),
)
