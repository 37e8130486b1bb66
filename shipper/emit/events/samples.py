"""Labels, scores and weights as users have them (lists, numpy, pandas, tensors) as plain lists of equal length."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import islice
from typing import Any

from shipper.ecs.tensors import is_missing, library_of, place, scalar
from shipper.ecs.values import number

MOST_SAMPLES = 10_000_000
_NUMBERS = frozenset({int, float})
_PLAIN = frozenset({int, float, str, bool, type(None), list, tuple})


class Unusable(Exception):
    """Labels, scores or weights that do not belong together; the text says why."""


def listed(values: object, what: str) -> list[Any]:
    """Return one-dimensional data as a list of Python values.

    Raises:
        Unusable: they are on a device (copying them is the caller's to decide), or no sequence at all.
    """
    library = library_of(values)
    if library is not None and place(values, library):
        raise Unusable(f"{what} is on {place(values, library)}; hand over a copy on the host")
    source: Any = values
    for method in ("detach", "tolist", "to_list", "numpy"):
        if library is not None and hasattr(source, method):
            source = getattr(source, method)()
    if hasattr(source, "tolist"):
        source = source.tolist()
    if isinstance(source, (str, bytes)) or not isinstance(source, Iterable):
        raise Unusable(f"{what} is no sequence")
    found = list(islice(source, MOST_SAMPLES))
    # Asking each of a million values what it is takes longer than all that is computed from them.
    return found if set(map(type, found)) <= _PLAIN else [_own(value) for value in found]


def rows_of(values: object, what: str) -> list[list[float]] | None:
    """Return a table of scores as lists of numbers, or None if it has one dimension only."""
    if hasattr(values, "to_numpy") and len(getattr(values, "shape", ())) == 2:
        values = values.to_numpy()
    found = listed(values, what)
    if not found or not isinstance(found[0], (list, tuple)):
        return None
    return [numbers(row, what) for row in found if isinstance(row, (list, tuple))]


def numbers(values: Iterable[object], what: str) -> list[float]:
    """Return numbers; what is none is NaN."""
    del what
    given = list(values)
    if set(map(type, given)) <= _NUMBERS:
        return [_float(value) for value in given]  # type: ignore[arg-type]
    return [math.nan if (found := number(value)) is None else _float(found) for value in given]


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf


def _own(value: Any) -> Any:
    if library_of(value) is None:
        return value
    if is_missing(value):
        return None
    one = scalar(value)
    return value if one is None else one
