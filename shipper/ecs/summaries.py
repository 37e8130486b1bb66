"""Short summaries of arrays, tensors and tables: type, shape, dtype, range, mean, what is missing.

Cost: all elements are looked at up to `EXACT_ELEMENTS`; of larger arrays an even sample of at most
`SAMPLE_ELEMENTS`, and the summary says so. Nothing is copied as a whole, and files mapped into memory are not
read beyond their first values.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from shipper.ecs.tensors import COMPILED, is_missing, library_of, place, shape

EXACT_ELEMENTS: Final = 100_000
SAMPLE_ELEMENTS: Final = 10_000

_FEW: Final = 5
_LIST_ELEMENTS: Final = 1_000
_FRAMES: Final = frozenset({"pandas", "polars", "pyarrow"})
_NUMERIC_KINDS: Final = "biuf"
_DATA_FREE: Final = frozenset({"memmap"})

Summary = dict[str, object]
"""What is told of an array: `type`, `dtype`, `shape` and, where they can be had cheaply, `min`, `max`, `mean`,
`nan`, `inf`, `sampled` (number of elements looked at, where not all were), `first`, `columns`, `device`."""


def describe(value: object, *, with_values: bool = False) -> Summary | None:
    """Return the summary of an array, tensor or table, or None if `value` is neither. Never raises.

    Args:
        with_values: also tell the first few values themselves.
    """
    library = library_of(value)
    if library is None or not _has_shape(value):
        return None
    dimensions = shape(value)
    found: Summary = {"type": type(value).__name__, "dtype": _dtype(value)}
    if dimensions is None:
        return {**found, "shape": "unknown"}
    found["shape"] = list(dimensions)
    elsewhere = place(value, library)
    if elsewhere:
        return {**found, "device": elsewhere}
    try:
        if library in _FRAMES and len(dimensions) == 2:
            del found["dtype"]
            return {**found, **_of_table(value, dimensions)}
        if library != "unknown":
            found.update(_of_array(value, library, dimensions, with_values=with_values))
    except Exception:  # noqa: BLE001 - a summary is a courtesy; a foreign type owes us nothing
        return found
    return found


def summary(value: object) -> str | None:
    """Return the summary as one line, or None if `value` is no array, tensor or table."""
    found = describe(value, with_values=True)
    if found is None:
        return None
    sizes = found["shape"]
    lengths = [str(size) for size in sizes] if isinstance(sizes, list) else ["?"]
    if "columns" in found:
        columns = found["columns"]
        shown = ",".join(str(name)[:32] for name in columns) if isinstance(columns, list) else ""
        more = ",…" if int(lengths[1]) > _FEW else ""
        head = f"{found['type']}[{lengths[0]} rows x {lengths[1]} columns: {shown}{more}]"
    else:
        head = f"{found['type']} {found.get('dtype', '?')}[{','.join(lengths)}]"
    if "device" in found:
        return f"{head} on {found['device']}"
    if "0" in lengths:
        return head if "columns" in found else f"{head} empty"
    parts = [f"{name}={_short(found[name])}" for name in ("min", "max", "mean") if name in found]
    parts += [f"{name}={found[name]}" for name in ("nan", "inf") if found.get(name)]
    if "sampled" in found:
        parts.append(f"sampled={found['sampled']}")
    if isinstance(first := found.get("first"), list):
        more = ",…" if math.prod(int(size) for size in lengths) > _FEW else ""
        parts.append(f"first=[{','.join(_short(item) for item in first)}{more}]")
    return " ".join([head, *parts])


def _has_shape(value: object) -> bool:
    try:
        return hasattr(value, "shape")
    except Exception:  # noqa: BLE001 - hostile __getattr__
        return False


def _dtype(value: object) -> str:
    try:
        dtype: Any = getattr(value, "dtype", "?")
        name = getattr(dtype, "name", None)
        return (name if isinstance(name, str) else str(dtype)).removeprefix("torch.")[:64]
    except Exception:  # noqa: BLE001 - an odd dtype
        return "?"


def _of_array(value: Any, library: str, dimensions: tuple[int, ...], *, with_values: bool) -> Summary:
    size = math.prod(dimensions)
    if size == 0:
        return {}
    found: Summary = {}
    if with_values:
        found["first"] = _first(value, library, dimensions)
    if any(base.__name__ in _DATA_FREE for base in type(value).__mro__):
        return found
    try:
        measured, looked_at = _measures(value, library, dimensions)
    except Exception:  # noqa: BLE001 - text, objects, sparse or quantised data: nothing to measure
        return found
    if measured and looked_at < size:
        measured["sampled"] = looked_at
    return {**found, **measured}


def _measures(value: Any, library: str, dimensions: tuple[int, ...]) -> tuple[Summary, int]:
    numpy: Any = sys.modules.get("numpy")
    part = value
    if library in COMPILED and numpy is not None and len(value.devices()) == 1:
        part = numpy.asarray(value)  # a view; its own slices would be compiled, shape by shape
    if math.prod(dimensions) > EXACT_ELEMENTS:
        part = _cut(part, _even(dimensions, SAMPLE_ELEMENTS))
    if library == "pandas":
        return _of_column(part)
    if hasattr(part, "detach"):
        part = part.detach()
    if numpy is None:
        return _of_numbers(_listed(_cut(part, _even(shape(part) or (), _LIST_ELEMENTS))))
    try:
        array = numpy.asarray(part)
        if hasattr(part, "compressed"):  # what is masked holds anything
            return _of_numpy(part.compressed(), numpy), array.size
    except TypeError:  # types of numbers that numpy lacks, such as bfloat16
        array = numpy.asarray(part.float())
    if array.dtype.kind == "O" and library != "numpy":
        return _of_numbers(_listed(_cut(part, _even(shape(part) or (), _LIST_ELEMENTS))))
    if array.dtype.kind == "V" and array.dtype.fields is None:  # small floats of machine learning
        array = array.astype("float32")
    return _of_numpy(array, numpy), array.size


def _of_numpy(array: Any, numpy: Any) -> Summary:
    if array.dtype.kind not in _NUMERIC_KINDS or array.size == 0:
        return {}
    if array.dtype.kind != "f":
        return {"min": array.min().item(), "max": array.max().item(), "mean": float(array.mean()), "nan": 0}
    with numpy.errstate(all="ignore"):  # a warning of numpy would be news of ours, not of the application
        is_finite = numpy.isfinite(array)
        nan = int(numpy.isnan(array).sum())
        finite = array[is_finite]
        found: Summary = {}
        if finite.size:
            found = {"min": float(finite.min()), "max": float(finite.max())}
            if math.isfinite(mean := float(finite.mean(dtype="float64"))):  # the sum may be out of range
                found["mean"] = mean
        found["nan"] = nan
        if array.size - finite.size > nan:
            found["inf"] = int(array.size - finite.size - nan)
    return found


def _of_column(part: Any) -> tuple[Summary, int]:
    """Measure a Series, Index or array of pandas."""
    size = len(part)
    missing = int(part.isna().sum())
    if getattr(part.dtype, "kind", "O") not in _NUMERIC_KINDS or not hasattr(part, "to_numpy"):
        return {"nan": missing}, size
    numbers = part.to_numpy(dtype="float64", na_value=math.nan)
    return {**_of_numpy(numbers, sys.modules["numpy"]), "nan": missing}, size


def _of_numbers(nested: object) -> tuple[Summary, int]:
    numbers = [float(item) for item in _flat(nested)]
    finite = [number for number in numbers if math.isfinite(number)]
    nan = sum(number != number for number in numbers)  # noqa: PLR0124 - NaN alone differs from itself
    found: Summary = {}
    if finite:
        mean = sum(finite) / len(finite)
        found = {"min": min(finite), "max": max(finite)}
        if math.isfinite(mean):
            found["mean"] = mean
    found["nan"] = nan
    if len(numbers) - len(finite) > nan:
        found["inf"] = len(numbers) - len(finite) - nan
    return found, len(numbers)


def _of_table(value: Any, dimensions: tuple[int, ...]) -> Summary:
    rows, columns = dimensions
    names = value.column_names if hasattr(value, "column_names") else value.columns
    found: Summary = {"columns": [str(name)[:64] for name in islice(names, _FEW)]}
    if hasattr(value, "iloc") and 0 < columns <= SAMPLE_ELEMENTS and rows:
        part = value
        if rows * columns > EXACT_ELEMENTS:
            part = value.iloc[:: math.ceil(rows * columns / SAMPLE_ELEMENTS)]
            found["sampled"] = len(part) * columns
        found["nan"] = int(part.isna().to_numpy().sum())
    elif hasattr(value, "null_count"):
        found["nan"] = int(sum(value.null_count().row(0)))
    return found


def _even(dimensions: tuple[int, ...], most: int) -> tuple[slice, ...]:
    """Return slices that keep at most `most` elements, spread over all dimensions; small ones are kept whole."""
    steps = [1] * len(dimensions)
    budget = float(most)
    by_length = sorted(range(len(dimensions)), key=lambda axis: dimensions[axis])
    for done, axis in enumerate(by_length):
        share = max(1, int(budget ** (1 / (len(dimensions) - done)) + 1e-9))
        steps[axis] = math.ceil(dimensions[axis] / share) or 1
        budget /= math.ceil(dimensions[axis] / steps[axis]) or 1
    return tuple(slice(None, None, step) for step in steps)


def _first(value: Any, library: str, dimensions: tuple[int, ...]) -> list[object]:
    """Return the first few values, in the order of rows."""
    corner: list[slice] = []
    wanted = _FEW
    for length in reversed(dimensions):
        kept = min(length, wanted)
        corner.insert(0, slice(0, kept))
        wanted = math.ceil(wanted / kept)
    if library in COMPILED and "numpy" in sys.modules and len(value.devices()) == 1:
        value = sys.modules["numpy"].asarray(value)
    return list(islice(_flat(_listed(_cut(value, tuple(corner)))), _FEW))


def _cut(value: Any, part: tuple[slice, ...]) -> Any:
    return value[part[0]] if len(part) == 1 else value[part]


def _listed(value: Any) -> object:
    """Return a small array as nested lists; each library has its own word for that."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return value.to_list() if hasattr(value, "to_list") else value.numpy().tolist()


def _flat(nested: object) -> Iterable[Any]:
    if isinstance(nested, list):
        for item in nested:
            yield from _flat(item)
    else:
        yield nested


def _short(item: object) -> str:
    if is_missing(item) and not isinstance(item, float):
        return "null"
    return f"{item:.6g}" if isinstance(item, float) else str(item)[:32]
