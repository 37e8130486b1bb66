"""A model's inputs, sorted by what they are: numbers, words, arrays, and those that are missing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from shipper.ecs.summaries import describe
from shipper.ecs.tensors import is_missing, library_of, place, scalar, shape
from shipper.ecs.values import is_mapping, key_text, number, pairs, text
from shipper.emit.events.form import MOST_NAMES, EventFields

_KEY = 128
_PLAIN = frozenset({int, float})


class Features(NamedTuple):
    """Inputs by kind."""

    numeric: dict[str, object]
    categorical: dict[str, object]
    missing: list[str]
    tensors: dict[str, object]

    def fields(self) -> EventFields:
        """Return the declared fields."""
        found: EventFields = {f"ml.features.numeric.{name}": value for name, value in self.numeric.items()}
        for name, value in self.categorical.items():
            found[f"ml.features.categorical.{name}"] = value
        if self.missing:
            found["ml.features.missing"] = self.missing
        if self.tensors:
            found["ml.features.tensors"] = self.tensors
        return found


def sort_features(features: object, names: Iterable[str] | None = None) -> Features:
    """Sort inputs by kind: a mapping, a row of pandas, or a sequence with `names`.

    Numbers are numeric (infinite ones, too); None, NaN and NA are missing; booleans, text and all else are
    categorical; arrays of more than one element are summaries. Nested mappings get dotted names.
    """
    found = Features({}, {}, [], {})
    for name, value in _named_values(features, names):
        _sort_one(found, name, value, 0)
    return found


def _sort_one(found: Features, name: str, value: object, depth: int) -> None:
    kind = type(value)
    if kind in _PLAIN and value == value:  # noqa: PLR0124 - NaN alone differs from itself
        found.numeric[name] = value
    elif kind is str:
        found.categorical[name] = value
    elif is_missing(value):
        found.missing.append(name)
    elif is_mapping(value) and depth < 4:
        for inner, item in pairs(value, MOST_NAMES):  # type: ignore[arg-type]
            _sort_one(found, f"{name}.{key_text(inner, _KEY)}", item, depth + 1)
    else:
        _sort_foreign(found, name, value)


def _sort_foreign(found: Features, name: str, value: object) -> None:
    one = scalar(value) if library_of(value) is not None else value
    if one is None:
        told = describe(value)
        if told is not None:
            found.tensors[name] = told
        else:
            found.categorical[name] = text(value, 1024)
    elif is_missing(one):
        found.missing.append(name)
    elif isinstance(one, (bool, str, bytes)) or number(one) is None:
        found.categorical[name] = text(one, 1024)
    else:
        found.numeric[name] = one


def _named_values(features: object, names: Iterable[str] | None) -> list[tuple[str, object]]:
    if features is None:
        return []
    if is_mapping(features):
        given: Mapping[object, object] = features  # type: ignore[assignment]
        return [
            (key if type(key) is str else key_text(key, _KEY), value)
            for key, value in pairs(given, MOST_NAMES)
        ]
    values = _row(features)
    if values is None:
        return [("input", features)]
    if names is None:
        index = getattr(features, "index", None)
        names = index.tolist() if hasattr(index, "tolist") else None  # type: ignore[union-attr]
    if names is None:
        width = len(str(len(values)))
        names = [f"f{position:0{width}d}" for position in range(len(values))]
    return [
        (key_text(name, _KEY), value) for name, value in zip(islice(names, MOST_NAMES), values, strict=False)
    ]


def _row(features: Any) -> list[object] | None:
    """Return one row of inputs as a list, None if `features` is something else."""
    if type(features) in (list, tuple):
        return list(islice(features, MOST_NAMES))
    library = library_of(features)
    lengths = None if library in (None, "unknown") else shape(features)
    if lengths is None or library is None or not 1 <= len(lengths) <= 2 or place(features, library):
        return None
    if math.prod(lengths) != max(lengths) or max(lengths) > MOST_NAMES or not hasattr(features, "tolist"):
        return None
    values = features.tolist()
    return list(itertools.chain.from_iterable(values)) if len(lengths) == 2 else list(values)
