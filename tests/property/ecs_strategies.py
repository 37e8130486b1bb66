"""What callers may give, from ordinary to hostile; for the property tests and for the real Elasticsearch."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import uuid
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from shipper.ecs.event import Event
from shipper.ecs.fields import FIELDS


class Hostile:
    """Raises wherever it is asked anything."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no eq")

    def __hash__(self) -> int:
        return 1

    def __len__(self) -> int:
        raise RuntimeError("no len")

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def __bool__(self) -> bool:
        raise RuntimeError("no bool")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes")


class HostileDict(dict[Any, Any]):
    """A dict whose reading raises."""

    def items(self) -> Any:
        raise RuntimeError("no items")

    def __iter__(self) -> Any:
        raise RuntimeError("no iter")


class HostileClass:
    """Lies about its class, and raises while doing so."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("no class")


CYCLE: list[Any] = []
CYCLE.append({"again": CYCLE})

ODD = st.sampled_from(
    [
        CYCLE, object(), len, 10**400, -(10**400), 2**63, 2**64,
        float("nan"), float("inf"), float("-inf"), np.float32("nan"), np.int64(3), np.float64(2.5), np.bool_(True),
        np.arange(6).reshape(2, 3), np.array([]), np.array(["a", None], dtype=object), pd.Timestamp("2026-01-01"),
        pd.NaT, pd.NA, pd.Series([1.0, None]), pd.DataFrame({"a": [1], "b": ["x"]}), decimal.Decimal("sNaN"),
        decimal.Decimal("1e999999"), fractions.Fraction(1, 3), uuid.UUID(int=5), b"\xff\x00raw", bytearray(b"x"),
        "\ud800", "a\0b", "\n\r\x1b[31m", "", dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.date(9999, 12, 31),
        dt.timedelta(days=-1), ValueError("x"), {1, "a"}, frozenset(), range(3), (1, (2, (3,))), "x" * 70_000,
        {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}},
    ]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=8)
    | ODD
)
NAMES = (
    st.sampled_from(sorted(FIELDS))
    | st.sampled_from(["event", "host", "level", "message", "_id", "labels", "ml", "timestamp", "dataset", "name"])
    | st.sampled_from(["ml.metrics.loss", "ml.metrics.a.b", "ml.metrics.", "ml.features.numeric.x", "ml.params.p",
                       "ml.features.categorical.c", "labels.x", "labels.", "numeric_labels.n", ".", "..", " ", "a..b"])
    | st.text(max_size=12)
)  # fmt: skip
KEYS = NAMES | st.integers() | st.none() | st.binary(max_size=3) | st.tuples(st.integers())
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
FIELDS_GIVEN = st.dictionaries(KEYS, VALUES, max_size=8)
EVENTS = st.builds(
    Event,
    level=st.integers(0, 200),
    message=SCALARS,
    logger=st.text(max_size=8),
    fields=FIELDS_GIVEN,
    created_us=st.none() | st.integers(-(10**20), 10**20),
)
