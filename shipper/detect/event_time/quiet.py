"""When nothing is judged: announced maintenance, and the warm-up after a deployment.

Windows that overlap such a time are left out altogether: they open no alert, end none, and teach no baseline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from shipper.alert.store import JsonObject
from shipper.datasets import index_pattern
from shipper.detect.event_time.window import Window, parse_iso
from shipper.detect.fetching.query import between
from shipper.detect.fetching.store import Fetch
from shipper.detect.fetching.table import Flags, Ints
from shipper.detect.rules.maintenance import Maintenance
from shipper.detect.rules.rule import Rule, Scalar

_DEPLOYMENTS: Final = "ml.deployment"
_ACTIONS: Final = ("deploy", "rollback")
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Quiet:
    """A time [start, end) in microseconds in which what has these values is not judged, and why."""

    start_us: int
    end_us: int
    why: str
    group: Mapping[str, str] = field(default_factory=dict)

    def concerns(self, named: Mapping[str, str | None]) -> bool:
        """Whether a group is meant: it has none of these fields with another value.

        A field that the rule does not group by is not held against it.
        """
        return all(named[name] == value for name, value in self.group.items() if name in named)

    def overlaps(self, window: Window) -> bool:
        """Whether some of a window lies in it."""
        return window.start_us < self.end_us and window.end_us > self.start_us


def quiet_times(announced: Sequence[Maintenance], from_us: int, to_us: int) -> tuple[Quiet, ...]:
    """Return the maintenance that overlaps [from, to)."""
    return tuple(
        Quiet(start, end, f"maintenance{': ' if one.reason else ''}{one.reason}", one.group)
        for one in announced
        for start, end in one.times(from_us, to_us)
    )


def is_quiet(times: Ints, length_us: int, quiet: Sequence[Quiet], named: Mapping[str, str | None]) -> Flags:
    """Return which of the windows that begin at these times overlap a quiet time of the group."""
    found: Flags = np.zeros(len(times), dtype=np.bool_)
    for one in quiet:
        if one.concerns(named):
            found |= (times < one.end_us) & (times + length_us > one.start_us)
    return found


def quiet_of(rule: Rule, namespace: str, start_us: int, end_us: int) -> Fetch[tuple[Quiet, ...]]:
    """Fetch when a rule judges nothing in [start, end): its maintenance, and the warm-ups after deployments."""
    announced = quiet_times(rule.maintenance, start_us, end_us)
    if rule.warm_up is None:
        return announced
    names = sorted({*rule.group_by, *rule.filter})
    body = {
        "size": _MOST,
        "track_total_hits": False,
        "_source": False,
        "fields": [{"field": "@timestamp", "format": "strict_date_optional_time_nanos"}, *names],
        "sort": [{"@timestamp": "asc"}],
        "query": {
            "bool": {
                "filter": [
                    between("@timestamp", start_us - rule.warm_up, end_us),
                    {"terms": {"event.action": list(_ACTIONS)}},
                ]
            }
        },
    }
    (answer,) = yield [(index_pattern(_DEPLOYMENTS, namespace), body)]
    return (*announced, *_warm_ups(rule, rule.warm_up, answer))


def _warm_ups(rule: Rule, length_us: int, answer: JsonObject) -> list[Quiet]:
    found = []
    for hit in answer.get("hits", {}).get("hits", ()):
        fields: Mapping[str, list[Any]] = hit["fields"]
        if any(name in fields and not _fits(wanted, fields[name]) for name, wanted in rule.filter.items()):
            continue
        start = parse_iso(str(fields["@timestamp"][0]))
        group = {name: _text(fields[name][0]) for name in rule.group_by if name in fields}
        found.append(Quiet(start, start + length_us, "warm-up after a deployment", group))
    return found


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fits(wanted: Scalar | tuple[Scalar, ...], values: Sequence[Any]) -> bool:
    allowed = wanted if isinstance(wanted, tuple) else (wanted,)
    return any(value in allowed for value in values)
