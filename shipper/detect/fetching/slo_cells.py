"""Good and bad events per window for rules of kind slo, and where the budget burns, sums over its whole period."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

import numpy as np

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.slo_burn import PERIOD_BAD, PERIOD_EVENTS, Pair, SloBurn
from shipper.detect.event_time.window import HOUR_US, floor_to
from shipper.detect.fetching.query import CellQuery, Cells, Condition, cells, terms_conditions
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.slo_rule import SloRule

_NS_PER_MS: Final = 1e6
_NOTHING: Final[Mapping[str, float]] = {"events": 0.0, "bad": 0.0}


def slo_detector(rule: SloRule) -> SloBurn:
    """Return the detector of a rule."""
    verb = "were bad"
    if rule.slower_than_ms is not None:
        verb = f"took longer than {rule.slower_than_ms:g} ms"
    return SloBurn(
        allowed=round(1 - rule.objective, 12),
        pairs=tuple(Pair(one.rate, one.long, one.short) for one in rule.burn),
        window_us=rule.window,
        period_us=rule.period,
        minimum_bad=rule.minimum_bad,
        minimum_samples=rule.minimum_samples,
        minimum_windows=rule.baseline.minimum_windows,
        probability=rule.probability,
        verb=verb,
    )


def bad_conditions(rule: SloRule) -> tuple[Condition, ...]:
    """Return what makes an event bad."""
    if rule.slower_than_ms is not None:
        return ({"range": {rule.field: {"gt": round(rule.slower_than_ms * _NS_PER_MS)}}},)
    if rule.good is not None:
        return ({"bool": {"must_not": [{"bool": {"filter": terms_conditions(rule.good)}}]}},)
    return tuple(terms_conditions(rule.bad_terms))


def slo_cells(rule: SloRule, namespace: str, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the cells of [start, end), of which the first `baseline.preceding` are not judged.

    Only where the budget burns the whole period is asked for, hour by hour: with much traffic that is a large search.
    """
    found = yield from cells(_query(rule, namespace, rule.window), start_us, end_us)
    judged_from = start_us + rule.baseline.preceding
    for group, rows in found.items():
        found[group] = _filled(rows, range(judged_from, end_us, rule.window))
    burning = {group for group, rows in found.items() if _burns(rule, rows, judged_from)}
    if not burning:
        return found
    oldest = floor_to(judged_from, HOUR_US) - rule.period
    past = yield from cells(_query(rule, namespace, HOUR_US), oldest, end_us)
    for group in burning:
        _add_period(found[group], past.get(group, []), rule.period, judged_from)
    return found


def _query(rule: SloRule, namespace: str, window_us: int) -> CellQuery:
    parts: Mapping[str, Any] = {"bad": {"filter": {"bool": {"filter": list(bad_conditions(rule))}}}}
    is_timed = rule.slower_than_ms is not None
    exists: list[Condition] = [{"exists": {"field": rule.field}}] if is_timed else []
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=(*terms_conditions(rule.filter), *exists),
        group_by=rule.group_by,
        window_us=window_us,
        parts=parts,
        buckets=1,
        read=_read,
    )


def _read(bucket: JsonObject) -> dict[str, float]:
    return {"events": float(bucket["doc_count"]), "bad": float(bucket["bad"]["doc_count"])}


def _filled(rows: list[tuple[int, dict[str, float]]], due: range) -> list[tuple[int, dict[str, float]]]:
    """Return the rows with one for each judged window after the first: an empty one may burn by what came before."""
    known = dict(rows)
    since = rows[0][0]
    return sorted((known | {at: {**_NOTHING, **known.get(at, {})} for at in due if at > since}).items())


def _burns(rule: SloRule, rows: list[tuple[int, dict[str, float]]], judged_from: int) -> bool:
    detector = slo_detector(rule)
    times = np.array([start for start, _ in rows], dtype=np.int64)
    events = np.array([numbers["events"] for _, numbers in rows])
    bad = np.array([numbers["bad"] for _, numbers in rows])
    due = range(int(np.searchsorted(times, judged_from)), len(rows))
    return any(detector.may_burn(times[: row + 1], events[: row + 1], bad[: row + 1]) for row in due)


def _add_period(
    rows: list[tuple[int, dict[str, float]]],
    hours: list[tuple[int, dict[str, float]]],
    period_us: int,
    judged_from: int,
) -> None:
    """Give each judged row the sums of the period: whole hours of it, and what has come since the last one."""
    starts = np.array([start for start, _ in hours], dtype=np.int64)
    sums = {
        name: np.array([0.0, *accumulate(numbers[name] for _, numbers in hours)])
        for name in ("events", "bad")
    }
    times = np.array([start for start, _ in rows], dtype=np.int64)
    for place, (start, numbers) in enumerate(rows):
        if start < judged_from:
            continue
        hour = floor_to(start, HOUR_US)
        first, last = (int(at) for at in np.searchsorted(starts, [hour - period_us, hour]))
        recent = rows[int(np.searchsorted(times, hour)) : place + 1]
        for name, column in (("events", PERIOD_EVENTS), ("bad", PERIOD_BAD)):
            since = sum(row[name] for _, row in recent)
            numbers[column] = float(sums[name][last] - sums[name][first]) + since
