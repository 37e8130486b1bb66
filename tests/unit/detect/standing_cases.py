"""Series for the battery of the detectors that compare with what a rule says."""

from __future__ import annotations

import numpy as np
import pandas as pd

from shipper.detect.detectors.new_values import SLASH
from shipper.detect.detectors.regression import label
from shipper.detect.fetching.resolved import Act, ResolvedError

WINDOWS = 60
FAULT_FROM = 48


def _is_faulty(faulty: bool) -> np.ndarray:
    return (np.arange(WINDOWS) >= FAULT_FROM) & faulty


def failing(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """Requests of which 0.02 % fail, then 10 %."""
    events = chance.poisson(400, WINDOWS)
    bad = chance.binomial(events, np.where(_is_faulty(faulty), 0.1, 0.0002))
    return pd.DataFrame({"events": events, "bad": bad})


def repeated(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """A record that comes in one window of ten, then several times in each."""
    events = chance.poisson(60, WINDOWS)
    meant = np.where(_is_faulty(faulty), 5, (np.arange(WINDOWS) % 10 == 5).astype(int))
    return pd.DataFrame({"events": events, "meant": meant})


def returning(chance: np.random.Generator, faulty: bool) -> pd.DataFrame:
    """A resolved error that is not seen, then is."""
    text = label(
        Act("resolve", 1_790_000_000_000_000, "ada@host"), ResolvedError("1f", "app.Bad", True, ()), "2"
    )
    seen = np.where(_is_faulty(faulty), chance.poisson(3, WINDOWS) + 1, 0)
    return pd.DataFrame({f"again/{text.replace('/', SLASH)}": seen})
