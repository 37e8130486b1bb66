"""Arrays, tensors and tables of libraries that are never imported here: scalars and short summaries.

Data on a device is never copied to the host: that would wait for the device on the caller's thread.
"""

from __future__ import annotations

import math
from typing import Any, Final

_LIBRARIES: Final = frozenset(
    {"numpy", "pandas", "torch", "tensorflow", "jax", "jaxlib", "cupy", "polars", "pyarrow"}
)
_FEW: Final = 5
_LARGEST_SCAN: Final = 100_000


def is_array_like(value: object) -> bool:
    """Tell whether `value` comes from one of the numeric libraries, by the module of its type."""
    module = getattr(type(value), "__module__", None)
    return isinstance(module, str) and module.partition(".")[0] in _LIBRARIES


def scalar(value: object) -> object | None:
    """Return the Python value of an array scalar or one-element array on the host, else None."""
    if not is_array_like(value) or not _is_on_host(value):
        return None
    item = getattr(value, "item", None)
    if item is None or math.prod(_shape(value)) != 1:
        return None
    found: object = item()
    return None if is_array_like(found) else found


def summary(value: object) -> str | None:
    """Return one line on a tensor or table (type, shape, range, first values), or None if it is neither."""
    if not is_array_like(value):
        return None
    shape = getattr(value, "shape", None)
    if shape is None:
        return None
    dimensions = _shape(value)
    name = type(value).__name__
    head = f"{name} {getattr(value, 'dtype', '?')}[{','.join(str(size) for size in dimensions)}]"
    if not _is_on_host(value):
        return f"{head} on {getattr(value, 'device', 'a device')}"
    columns = getattr(value, "columns", None)
    if columns is not None and len(dimensions) == 2:
        shown = ",".join(str(column) for column in list(columns)[:_FEW])
        more = ",…" if dimensions[1] > _FEW else ""
        return f"{name}[{dimensions[0]} rows x {dimensions[1]} columns: {shown}{more}]"
    return " ".join([head, *_measures(value, math.prod(dimensions))])


def _shape(value: object) -> tuple[int, ...]:
    return tuple(int(size) for size in getattr(value, "shape", ()))


def _is_on_host(value: object) -> bool:
    device = getattr(value, "device", None)
    return device is None or "cpu" in str(device).lower()


def _measures(value: Any, size: int) -> list[str]:
    """Return `min=`, `max=`, `mean=`, `nan=` and the first values of a small enough numeric array."""
    if size == 0:
        return ["empty"]
    try:
        flat = value.reshape(-1) if hasattr(value, "reshape") else value
        first = [_short(item) for item in flat[:_FEW].tolist()]
        parts = [f"first=[{','.join(first)}{',…' if size > _FEW else ''}]"]
        if size <= _LARGEST_SCAN:
            numbers = [float(item) for item in flat.tolist()]
            finite = [number for number in numbers if math.isfinite(number)]
            if finite:
                mean = math.fsum(finite) / len(finite)
                parts[:0] = [
                    f"min={_short(min(finite))}",
                    f"max={_short(max(finite))}",
                    f"mean={_short(mean)}",
                ]
            if len(finite) < len(numbers):
                parts.append(f"nonfinite={len(numbers) - len(finite)}")
    except Exception:  # noqa: BLE001 - a summary is a courtesy; a foreign type owes us nothing
        return []
    return parts


def _short(item: object) -> str:
    return f"{item:.6g}" if isinstance(item, float) else str(item)[:32]
