"""Whether a value fits a declared field, and as what: one rule per type of the schema."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

from shipper.ecs.fields import FieldSpec
from shipper.ecs.limits import Limits
from shipper.ecs.tensors import scalar
from shipper.ecs.timestamps import iso_timestamp, parse_timestamp
from shipper.ecs.values import LONG_MAX, JsonValue, double, elements, is_mapping, number, text


class Misfit(Exception):
    """The value does not fit the declared type; it belongs among the labels."""


MISFIT: Final = Misfit("the value does not fit the declared type")
"""The one instance: it carries nothing, and raising it must cost little."""

_BOOLEANS: Final = {"true": True, "false": False}
_PLAIN: Final = frozenset({str, int, float, bool})
_NAMES_A_TYPE: Final = re.compile(r"<\w")
_NANOSECONDS: Final = {"ns": 1_000_000_000, "s": 1}


def fit(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    """Return `value` as the field's type; numbers may be NaN or infinite (see `finite`).

    An array fits if each of its elements does.

    Raises:
        Misfit: it does not fit.
    """
    rule = _RULES[spec.type]
    try:
        parts = elements(value, limits.items) if type(value) is not str else None
        if parts is not None and spec.type != "text":
            return [rule(spec, part, limits) for part in parts if part is not None]
        return rule(spec, value, limits)
    except Misfit:
        raise
    except Exception:  # noqa: BLE001 - a value that raises when it is asked what it is
        raise MISFIT from None


def finite(name: str, value: JsonValue, nonfinite: list[str]) -> JsonValue:
    """Return `value` with NaN and infinity replaced by None; add `name` to `nonfinite` if there were any."""
    if isinstance(value, float) and not math.isfinite(value):
        nonfinite.append(name)
        return None
    if isinstance(value, list):
        tidy = [None if isinstance(part, float) and not math.isfinite(part) else part for part in value]
        if tidy != value and name not in nonfinite:
            nonfinite.append(name)
        return tidy
    return value


def fit_double(value: object) -> JsonValue:
    """Return a number as a `double` holds it, for the open objects.

    Raises:
        Misfit: it is no number.
    """
    found = number(value)
    if found is None:
        raise MISFIT
    return double(found)


def _keyword(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    if type(value) is not str and is_mapping(value):
        raise MISFIT
    shown = text(value, min(spec.ignore_above, max(limits.keyword, 64)))
    if type(value) is not str and _NAMES_A_TYPE.match(shown):
        raise MISFIT  # an object without text of its own
    return shown


def _text(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    del spec
    if is_mapping(value):
        raise MISFIT
    return text(value, limits.text)


def _long(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    del limits
    value = _of_this_language(value)
    if isinstance(value, timedelta):
        value = value // timedelta(microseconds=1) * _NANOSECONDS.get(spec.unit, 1_000_000) // 1_000_000
    found = number(value)
    if found is None:
        raise MISFIT
    if isinstance(found, float):
        if not math.isfinite(found):
            return found
        found = round(found)
    if not -LONG_MAX <= found <= LONG_MAX:
        raise MISFIT
    return found


def _double(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    del limits
    value = _of_this_language(value)
    if isinstance(value, timedelta):
        value = value.total_seconds() * _NANOSECONDS.get(spec.unit, 1)
    return fit_double(value)


def _of_this_language(value: object) -> object:
    """Return the Python value of an array scalar: a date or a span of numpy, a number of any library."""
    if type(value) in _PLAIN:
        return value
    one = scalar(value)
    return value if one is None else one


def _boolean(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    del spec
    if value is True or value is False:
        return value
    shown = text(value, limits.keyword).lower()
    found = number(value)
    if shown not in _BOOLEANS and found not in (0, 1):
        raise MISFIT
    return _BOOLEANS[shown] if shown in _BOOLEANS else bool(found)


def _date(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    del spec, limits
    moment = parse_timestamp(_of_this_language(value))
    if moment is None:
        raise MISFIT
    return iso_timestamp(moment)


def _ip(spec: FieldSpec, value: object, limits: Limits) -> JsonValue:
    del spec
    shown = text(value, limits.keyword)
    try:
        ip_address(shown)
    except ValueError:
        raise MISFIT from None
    if "%" in shown:  # Elasticsearch knows no zones
        raise MISFIT
    return shown


_RULES: Final[dict[str, Callable[[FieldSpec, object, Limits], JsonValue]]] = {
    "keyword": _keyword,
    "text": _text,
    "long": _long,
    "double": _double,
    "boolean": _boolean,
    "date": _date,
    "ip": _ip,
}
