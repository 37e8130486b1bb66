"""Sightings of resolved errors per window, group and fingerprint, from the moment at which each was resolved.

A record counts if it is younger than the resolution and not of an older version; where either says nothing of a version,
it counts. Exceptions are found by `error.id`; messages by their form, so their texts are read (from the source, of errors
without a fingerprint alone, and only where a message has been resolved).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.detectors.new_values import SLASH
from shipper.detect.detectors.regression import AGAIN, label
from shipper.detect.event_time.window import iso
from shipper.detect.fetching.error_cells import FROM_SOURCE
from shipper.detect.fetching.query import CellQuery, Cells, Condition, cells, terms_conditions
from shipper.detect.fetching.resolved import Act, ResolvedError, is_older, read_resolved, resolved_queries
from shipper.detect.fetching.store import Fetch
from shipper.detect.rules.regression_rule import FINGERPRINT, RegressionRule
from shipper.detect.templates.forms import fingerprint, form_of

_VERSIONS: Final = 20
"""Of an error in one window and group; of more, the most frequent are looked at."""

_TEXTS: Final = 1000
_MARK: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class _Span:
    """One resolution of one error, and until when it held."""

    error: ResolvedError
    act: Act
    until_us: int | None

    def condition(self, field: str) -> Condition:
        until = {"lt": iso(self.until_us)} if self.until_us is not None else {}
        return {"range": {field: {"gt": iso(self.act.at_us), **until}}}


def regression_cells(rule: RegressionRule, namespace: str, start_us: int, end_us: int) -> Fetch[Cells]:
    """Fetch the sightings in [start, end); nothing but the resolved errors is asked for where there are none."""
    (answer,) = yield resolved_queries(namespace)
    spans = [
        _Span(error, act, until)
        for error in read_resolved(answer)
        for act, until in error.spans()
        if act.at_us < end_us and (until is None or until > start_us)
    ]
    found: Cells = {}
    exceptions = [one for one in spans if one.error.is_exception]
    if exceptions:
        asked = yield from cells(_exceptions(rule, namespace, exceptions), start_us, end_us)
        _by_fingerprint(found, asked)
    messages = [one for one in spans if not one.error.is_exception]
    if messages:
        query = _messages(rule, namespace, messages, (start_us, end_us))
        asked = yield from cells(query, start_us, end_us)
        _by_fingerprint(found, asked)
    return found


def _exceptions(rule: RegressionRule, namespace: str, spans: list[_Span]) -> CellQuery:
    filters = {
        str(place): {
            "bool": {
                "filter": [{"term": {FINGERPRINT: one.error.fingerprint}}, one.condition(rule.time_field)]
            }
        }
        for place, one in enumerate(spans)
    }
    parts = {"again": {"filters": {"filters": filters}, "aggs": _by_version(rule)}}
    known = {"terms": {FINGERPRINT: sorted({one.error.fingerprint for one in spans})}}

    def read(bucket: JsonObject) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for place, one in bucket["again"]["buckets"].items():
            _count(numbers, spans[int(place)], _versions(one))
        return numbers

    return _query(rule, namespace, (known,), parts, len(spans) * (1 + _VERSIONS), read)


def _messages(rule: RegressionRule, namespace: str, spans: list[_Span], asked: tuple[int, int]) -> CellQuery:
    """Return the search for texts; resolutions that hold all the time that is asked for share one."""
    during: dict[tuple[int, int | None], list[_Span]] = {}
    for span in spans:
        since = max(span.act.at_us, asked[0] - 1)
        until = span.until_us if span.until_us is not None and span.until_us < asked[1] else None
        during.setdefault((since, until), []).append(span)
    together = list(during.values())
    filters = {str(place): some[0].condition(rule.time_field) for place, some in enumerate(together)}
    texts = {"texts": {"terms": {"field": "message", "size": _TEXTS}, "aggs": _by_version(rule)}}
    parts = {"again": {"filters": {"filters": filters}, "aggs": texts}}
    without: Condition = {"bool": {"must_not": [{"exists": {"field": FINGERPRINT}}]}}

    def read(bucket: JsonObject) -> dict[str, float]:
        numbers: dict[str, float] = {}
        for place, one in bucket["again"]["buckets"].items():
            for text in one["texts"]["buckets"]:
                seen = fingerprint(form_of(str(text["key"])))
                for span in together[int(place)]:
                    if span.error.fingerprint == seen:
                        _count(numbers, span, _versions(text))
        return numbers

    buckets = len(together) * _TEXTS * 2
    return _query(rule, namespace, (without,), parts, buckets, read, runtime=FROM_SOURCE)


def _query(
    rule: RegressionRule,
    namespace: str,
    conditions: tuple[Condition, ...],
    parts: Mapping[str, Any],
    buckets: int,
    read: Any,
    runtime: Mapping[str, Any] | None = None,
) -> CellQuery:
    return CellQuery(
        index=index_pattern(rule.dataset, namespace),
        time_field=rule.time_field,
        conditions=(*terms_conditions(rule.filter), *terms_conditions(rule.bad), *conditions),
        group_by=rule.group_by[:-1],
        window_us=rule.window,
        parts=parts,
        buckets=buckets,
        read=read,
        runtime=runtime or {},
    )


def _by_version(rule: RegressionRule) -> dict[str, Any]:
    return {"versions": {"terms": {"field": rule.version, "size": _VERSIONS}}}


def _versions(bucket: JsonObject) -> Iterator[tuple[str, float]]:
    rest = float(bucket["doc_count"])
    for one in bucket["versions"]["buckets"]:
        rest -= float(one["doc_count"])
        yield str(one["key"]), float(one["doc_count"])
    if rest > 0:
        yield "", rest


def _count(numbers: dict[str, float], span: _Span, versions: Iterable[tuple[str, float]]) -> None:
    for version, count in versions:
        if version and span.act.version and is_older(version, span.act.version):
            continue
        text = label(span.act, span.error, version)
        name = f"{span.error.fingerprint}{_MARK}{AGAIN}/{text.replace('/', SLASH)}"
        numbers[name] = numbers.get(name, 0.0) + count


def _by_fingerprint(found: Cells, asked: Cells) -> None:
    """Make the fingerprint a part of the group."""
    for group, rows in asked.items():
        for start, numbers in rows:
            apart: dict[str, dict[str, float]] = {}
            for name, count in numbers.items():
                identity, _, column = name.partition(_MARK)
                apart.setdefault(identity, {})[column] = count
            for identity, columns in apart.items():
                found.setdefault((*group, identity), []).append((start, columns))
