"""How far event time is settled, and what came late.

Windows are judged up to the watermark: the present less the allowed lateness, unless events are just
arriving whose times lie further back. Then the way to Elasticsearch is behind, and the newest event bounds
what can be judged: a backlog must not look like silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from shipper.alert.store import DocumentStore
from shipper.datasets import index_pattern
from shipper.detect.event_time.window import MINUTE_US, iso, parse_iso
from shipper.detect.fetching.quality_cells import label_conditions
from shipper.detect.fetching.query import Condition, aggregate, between, terms_conditions
from shipper.detect.fetching.store import Query
from shipper.detect.rules.quality_rule import QualityRule
from shipper.detect.rules.rule import MetricRule, Rule
from shipper.observe.own_heartbeat import DIRECT, ROLE

OVERLAP_US: Final = 2 * MINUTE_US
"""`event.ingested` is set before an event is visible: the refresh interval and the longest retry lie between.

So a run at time t has surely seen what was ingested before t less this.
"""


_MILLISECOND_US: Final = 1000


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What has arrived so far; None where nothing has. Microseconds.

    Attributes:
        oldest_us, newest_us: smallest and largest event time.
        ingested_us: when the last event was sent to Elasticsearch.
    """

    oldest_us: int | None
    newest_us: int | None
    ingested_us: int | None

    def watermark(self, now_us: int, lateness_us: int) -> int:
        """Return the moment before which no more events are expected."""
        settled = now_us - lateness_us
        if self.newest_us is None or self.ingested_us is None:
            return settled
        is_arriving = self.ingested_us >= now_us - max(lateness_us, MINUTE_US)
        # The newest event always lies a little back; further than the lateness again, it is a backlog.
        is_behind = is_arriving and self.newest_us < settled - lateness_us
        return self.newest_us if is_behind else settled


def arrivals(store: DocumentStore, namespace: str, since_us: int, now_us: int) -> Arrivals:
    """Ask what has arrived with event times from `since_us` up to now; our own alerts do not count.

    Heartbeats that processes store themselves come while all else is behind: they say nothing of how far.
    """
    conditions = [
        between("@timestamp", since_us, now_us + 1000),
        {"bool": {"must_not": [{"terms": {"event.dataset": ["ml.alert", "ml.audit"]}}]}},
    ]
    arrived = {
        "newest": {"max": {"field": "@timestamp"}},
        "ingested": {"max": {"field": "event.ingested"}},
    }
    parts = {
        "oldest": {"min": {"field": "@timestamp"}},
        "arrived": {"filter": {"bool": {"must_not": [{"terms": {ROLE: list(DIRECT)}}]}}, "aggs": arrived},
    }
    answer = store.search(index_pattern("*", namespace), aggregate(conditions, parts))
    found = answer.get("aggregations", {})
    oldest = _moment(found.get("oldest", {}))
    newest, ingested = (_moment(found.get("arrived", {}).get(name, {})) for name in ("newest", "ingested"))
    # Aggregations answer in whole milliseconds; the last one has been seen to its end.
    return Arrivals(oldest, newest, None if ingested is None else ingested + _MILLISECOND_US - 1)


@dataclass(frozen=True, slots=True)
class Late:
    """Events that arrived after their windows had been judged.

    Attributes:
        events: their number.
        earliest_us: the first one's time.
        missed: labels that arrived for cohorts too old to be judged again.
    """

    events: int
    earliest_us: int | None
    missed: int = 0


def late_queries(rule: Rule, namespace: str, ingested_us: int, start_us: int, end_us: int) -> list[Query]:
    """Return the searches for events of [start, end) that were ingested after a moment."""
    own = label_conditions(rule) if isinstance(rule, QualityRule) else terms_conditions(rule.filter)
    questions: list[tuple[str, str, list[Condition]]] = [(rule.dataset, rule.time_field, own)]
    if isinstance(rule, MetricRule | QualityRule) and rule.coverage is not None:
        questions.append((rule.coverage.dataset, "@timestamp", terms_conditions(rule.coverage.filter)))
    queries: list[Query] = []
    if rule.time_field != "@timestamp":
        newly = {"range": {"event.ingested": {"gt": iso(ingested_us)}}}
        older = {"range": {rule.time_field: {"lt": iso(start_us)}}}
        body = aggregate([older, newly, *own], {"missed": {"value_count": {"field": rule.time_field}}})
        queries.append((index_pattern(rule.dataset, namespace), body))
    for dataset, field, wanted in questions:
        conditions = [
            between(field, start_us, end_us),
            {"range": {"event.ingested": {"gte": iso(ingested_us - OVERLAP_US)}}},
            *wanted,
        ]
        later = {"filter": {"range": {"event.ingested": {"gt": iso(ingested_us)}}}}
        parts = {"earliest": {"min": {"field": field}}, "later": later}
        queries.append((index_pattern(dataset, namespace), aggregate(conditions, parts)))
    return queries


def read_late(answers: list[dict[str, Any]]) -> Late:
    """Return what the answers to `late_queries` say together."""
    found = [answer.get("aggregations", {}) for answer in answers]
    moments = [moment for one in found if (moment := _moment(one.get("earliest", {}))) is not None]
    events = sum(int(one.get("later", {}).get("doc_count", 0)) for one in found)
    missed = sum(int(one.get("missed", {}).get("value", 0)) for one in found)
    return Late(events, min(moments) if moments else None, missed)


def _moment(part: dict[str, Any]) -> int | None:
    text = part.get("value_as_string")
    if text is not None:
        return parse_iso(str(text))
    value = part.get("value")
    return None if value is None else round(value * 1000)
