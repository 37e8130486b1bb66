"""Arrays, tensors and tables of libraries that are never imported here: whose they are, where, and scalars.

Data on a device is never copied to the host: that would wait for the device on the caller's thread. The same
holds for an array on the host whose computation is still under way. What is told of the rest stands in
`shipper.ecs.summaries`.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Final

_LIBRARIES: Final = frozenset(
    {"numpy", "pandas", "torch", "tensorflow", "jax", "jaxlib", "cupy", "polars", "pyarrow", "keras"}
)
_WITHOUT_DEVICES: Final = frozenset({"numpy", "pandas", "polars", "pyarrow"})
_UNKNOWN: Final = "unknown"
COMPILED: Final = frozenset({"jax", "jaxlib"})
"""Libraries whose arrays may still be under computation, and whose own operations are compiled at their first use."""

_NEVER_ARRAYS: Final = frozenset({"builtins", "datetime", "decimal", "enum", "uuid", "pathlib"})


def library_of(value: object) -> str | None:
    """Return the numeric library that the type of `value`, or one of its bases, comes from.

    "unknown" for a type of another library that has a shape and a dtype; None for what is no array at all.
    """
    try:
        kind = type(value)
        if kind.__module__ in _NEVER_ARRAYS:
            return None
        for base in kind.__mro__:
            root = base.__module__.partition(".")[0]
            if root in _LIBRARIES:
                return root
        return _UNKNOWN if hasattr(kind, "shape") and hasattr(kind, "dtype") else None
    except Exception:  # noqa: BLE001 - a metaclass may do anything
        return None


def is_missing(value: object) -> bool:
    """Tell whether `value` is None, NaN, or the NA or NaT of pandas or numpy."""
    if value is None:
        return True
    if isinstance(value, float):
        return value != value  # noqa: PLR0124 - NaN alone differs from itself
    try:
        kind = type(value)
        if kind.__name__ in ("NAType", "NaTType"):
            return kind.__module__.partition(".")[0] == "pandas"
        if kind.__module__ == "numpy" and kind.__name__ in ("datetime64", "timedelta64"):
            return str(value) == "NaT"
        return kind.__module__ == "numpy" and kind.__name__.startswith("float") and bool(value != value)  # noqa: PLR0124
    except Exception:  # noqa: BLE001 - hostile metaclass
        return False


def scalar(value: object) -> object | None:
    """Return the Python value of an array scalar or one-element array on the host, else None. Never raises.

    Dates and spans of numpy become `datetime` and `timedelta`, whatever their unit.
    """
    library = library_of(value)
    if library is None or library == _UNKNOWN:
        return None
    try:
        found = _scalar(value, library)
    except Exception:  # noqa: BLE001 - no data behind it (traced, fake, sparse), or a foreign type's mistake
        return None
    return None if library_of(found) is not None else found


def _scalar(value: Any, library: str) -> object | None:
    if library == "pyarrow":
        return value.as_py() if type(value).__name__.endswith("Scalar") else None
    dimensions = shape(value)
    if dimensions is None or math.prod(dimensions) != 1 or place(value, library):
        return None
    if not hasattr(value, "item"):
        # TensorFlow's have only this; in a graph, where there are no data yet, it raises.
        value = value.numpy()
    if isinstance(value, bytes):
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if library == "numpy" and kind in ("M", "m"):
        value = value.astype(f"{'datetime64' if kind == 'M' else 'timedelta64'}[us]")
        one = value.item()
        return one if isinstance(one, (datetime, timedelta)) else None
    return value.item()  # type: ignore[no-any-return]


def shape(value: object) -> tuple[int, ...] | None:
    """Return the lengths of the dimensions, () of a scalar, or None where they are not known."""
    try:
        return tuple(int(size) for size in getattr(value, "shape", ()))
    except Exception:  # noqa: BLE001 - unknown rank or dimension of a symbolic tensor
        return None


def place(value: object, library: str) -> str:
    """Return where the data of `value` are, if that is not the host's memory; "" if they can be read at once."""
    if library in _WITHOUT_DEVICES:
        return ""  # asking a table for `device` would give its column of that name
    if library == _UNKNOWN and not hasattr(type(value), "device"):
        return ""
    try:
        return _place_of_compiled(value) if library in COMPILED else _place(value)
    except Exception:  # noqa: BLE001 - traced values refuse to be asked
        return "an unknown device"


def _place(value: Any) -> str:
    device = getattr(value, "device", None)
    return "" if device is None else _unless_host(device)


def _place_of_compiled(value: Any) -> str:
    devices = getattr(value, "devices", None)
    if not callable(devices):
        device = getattr(value, "device", None)
        # Older versions have a method there, whose text would hold the array itself.
        return _unless_host(device() if callable(device) else device)
    for device in devices():
        if elsewhere := _unless_host(getattr(device, "platform", device)):
            return elsewhere
    is_ready = getattr(value, "is_ready", None)
    return "a computation under way" if callable(is_ready) and not is_ready() else ""


def _unless_host(device: object) -> str:
    name = str(device)
    return "" if "cpu" in name.lower() else name or "no device"
