"""What others call drift by default, on the same samples; a peer that is not installed is skipped with a word."""

# ruff: noqa: PLC0415 - a peer is only looked for when its turn has come

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.drifting.samples import Values

Decide = Callable[[Values, Values, bool], bool]
"""Reference, current, whether they are categories; answers whether that is drift."""


def installed() -> tuple[Mapping[str, Decide], list[str]]:
    """Return the peers by name, and what is to be said of those that are missing."""
    found: dict[str, Decide] = {}
    missing: list[str] = []
    for name, make in (("Evidently, its defaults", _evidently), ("NannyML, its defaults", _nannyml)):
        try:
            found[name] = make()
        except Exception as error:  # noqa: BLE001 - whatever keeps a peer from loading is a reason to skip it
            missing.append(f"{name.partition(',')[0]} skipped: {type(error).__name__}: {str(error)[:90]}")
    found["SciPy: KS / chi-squared at p < 0.001"] = _scipy
    try:
        import scipy.stats  # noqa: F401 - is it there?
    except ImportError:
        del found["SciPy: KS / chi-squared at p < 0.001"]
        missing.append("SciPy skipped: not installed")
    return found, missing


def _evidently() -> Decide:
    """Return Evidently's own choice of test and threshold by type and size of the reference."""
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    def decide(reference: Values, current: Values, is_categorical: bool) -> bool:
        kind = ColumnType.Categorical if is_categorical else ColumnType.Numerical
        before, now = pd.Series(reference, name="x"), pd.Series(current, name="x")
        if is_categorical:
            before, now = before.astype(int).astype(str), now.astype(int).astype(str)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test: Any = get_stattest(before, now, kind, None)
            return bool(test(before, now, kind, None).drifted)

    return decide


def _nannyml() -> Decide:
    """Return NannyML's Jensen-Shannon with its constant threshold, 0.1."""
    from nannyml.drift.univariate.methods import FeatureType, MethodFactory

    def decide(reference: Values, current: Values, is_categorical: bool) -> bool:
        kind = FeatureType.CATEGORICAL if is_categorical else FeatureType.CONTINUOUS
        from nannyml.chunk import DefaultChunker
        from nannyml.thresholds import ConstantThreshold

        before, now = pd.Series(reference, name="x"), pd.Series(current, name="x")
        if is_categorical:
            before, now = before.astype(int).astype(str), now.astype(int).astype(str)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            method = MethodFactory.create(
                key="jensen_shannon",
                feature_type=kind,
                chunker=DefaultChunker(),
                threshold=ConstantThreshold(lower=None, upper=0.1),
                computation_params={},
            )
            method.fit(before)
            return bool(method.calculate(now) > 0.1)

    return decide


def _scipy(reference: Values, current: Values, is_categorical: bool) -> bool:
    from scipy import stats

    if not is_categorical:
        return bool(stats.ks_2samp(reference, current, method="asymp").pvalue < 1e-3)
    values, places = np.unique(np.concatenate((reference, current)), return_inverse=True)
    if len(values) < 2:
        return False
    rows = [
        np.bincount(part, minlength=len(values))
        for part in (places[: len(reference)], places[len(reference) :])
    ]
    return bool(stats.chi2_contingency(np.array(rows)).pvalue < 1e-3)
