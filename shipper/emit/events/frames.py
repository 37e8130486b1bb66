"""What a data set looks like: rows, columns, missing values, statistics by feature.

Takes tables of pandas and polars, two-dimensional arrays, mappings of columns and lists of rows (mappings).
Nothing is sampled: each column is read once, by its library's own operations where it has one; of plain Python
values that is about a second per ten million of them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol

from shipper.ecs.tensors import is_missing, library_of, place, shape
from shipper.ecs.values import is_mapping, key_text, number, text
from shipper.emit.events.histograms import histogram

MOST_COLUMNS: Final = 256
_NUMERIC: Final = "biuf"

Statistics = dict[str, object]


class Histogram(Protocol):
    """Makes further statistics of the sorted numbers, or the texts, of a feature."""

    def __call__(self, values: Any, *, is_numeric: bool) -> Statistics:
        """Return them by name."""


class Profile(NamedTuple):
    """A data set in numbers.

    Attributes:
        missing: number of missing values by feature.
        statistics: by feature: mean, std, min, max of numbers, number of distinct values of all else.
    """

    rows: int
    columns: int
    missing: dict[str, int]
    statistics: dict[str, Statistics]

    def shares(self) -> dict[str, float]:
        """Return the share of missing values by feature, 0 to 1."""
        return {name: count / self.rows for name, count in self.missing.items()} if self.rows else {}


def profile(data: object, *, histograms: bool = False) -> Profile | None:
    """Return what `data` looks like, None if it is no table (or one on a device). Never raises, changes nothing.

    With `histograms` each feature has its edges and counts or its most frequent values, as
    `shipper.emit.events.histograms` makes them.
    """
    try:
        return _profile(data, histogram if histograms else _no_histogram)
    except Exception:  # noqa: BLE001 - a table of a foreign library may do anything
        return None


def _no_histogram(values: Any, *, is_numeric: bool) -> Statistics:
    del values, is_numeric
    return {}


def _profile(data: Any, more: Histogram) -> Profile | None:
    library = library_of(data)
    if library is None:
        return _of_python(data, more)
    dimensions = shape(data)
    if dimensions is None or len(dimensions) != 2 or place(data, library):
        return None
    rows, columns = dimensions
    found = Profile(rows, columns, {}, {})
    for name, column in _columns(data, library, columns):
        found.missing[name], found.statistics[name] = _of_column(column, more)
    return found


def _columns(data: Any, library: str, count: int) -> Iterable[tuple[str, Any]]:
    if library == "pandas":
        for position, name in enumerate(islice(data.columns, MOST_COLUMNS)):
            yield key_text(name, 128), data.iloc[:, position]
    elif library == "polars":
        for name in islice(data.columns, MOST_COLUMNS):
            yield key_text(name, 128), data.get_column(name)
    else:
        width = len(str(max(count - 1, 0)))
        table = data.detach() if hasattr(data, "detach") else data
        for position in range(min(count, MOST_COLUMNS)):
            yield f"f{position:0{width}d}", table[:, position]


def _of_column(column: Any, more: Histogram) -> tuple[int, Statistics]:
    numpy: Any = sys.modules.get("numpy")
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if numpy is None or (kind and kind not in _NUMERIC):
        return _of_values(column.to_list() if hasattr(column, "to_list") else column.tolist(), more)
    if hasattr(column, "isna"):  # pandas: NA of its own types
        array = column.to_numpy(dtype="float64", na_value=math.nan)
    else:
        array = numpy.asarray(column)
        if array.dtype.kind not in _NUMERIC:
            return _of_values(array.tolist(), more)
    missing = int(numpy.isnan(array).sum()) if array.dtype.kind == "f" else 0
    finite = array[numpy.isfinite(array)] if array.dtype.kind == "f" else array
    if finite.size == 0:
        return missing, {}
    with numpy.errstate(all="ignore"):
        return missing, {
            "mean": float(finite.mean(dtype="float64")),
            "std": float(finite.std(dtype="float64")),
            "min": float(finite.min()),
            "max": float(finite.max()),
            **more(numpy.sort(finite), is_numeric=True),
        }


def _of_values(values: Sequence[object], more: Histogram) -> tuple[int, Statistics]:
    present = [value for value in values if not is_missing(value)]
    missing = len(values) - len(present)
    numbers = [number(value) for value in present if not isinstance(value, (str, bool))]
    finite = [float(one) for one in numbers if one is not None and math.isfinite(one)]
    if not present:
        return missing, {}
    if len(finite) < len(present) / 2:
        texts = [text(value, 128) for value in present]
        return missing, {"distinct": len(set(texts)), **more(texts, is_numeric=False)}
    mean = math.fsum(finite) / len(finite)
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in finite) / len(finite))
    return missing, {
        "mean": mean,
        "std": spread,
        "min": min(finite),
        "max": max(finite),
        **more(sorted(finite), is_numeric=True),
    }


def _of_python(data: object, more: Histogram) -> Profile | None:
    """Profile a mapping of columns, or rows that are mappings."""
    columns: dict[str, list[object]] = {}
    if is_mapping(data):
        given: Mapping[object, Any] = data  # type: ignore[assignment]
        for name, values in islice(given.items(), MOST_COLUMNS):
            columns[key_text(name, 128)] = list(values)
        rows = max((len(values) for values in columns.values()), default=0)
        count = len(given)
    elif isinstance(data, (list, tuple)) and data and all(is_mapping(row) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        for name in islice(names, MOST_COLUMNS):
            columns[key_text(name, 128)] = [row.get(name) for row in data]
        rows, count = len(data), len(names)
    else:
        return None
    found = Profile(rows, count, {}, {})
    for column, values in columns.items():
        found.missing[column], found.statistics[column] = _of_values(values, more)
    return found
