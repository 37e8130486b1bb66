"""From what a person types to a search: short names for fields, times, the newest hits.

The language is Lucene's, which Kibana understands as well: `level:error`, `service:scorer`, words and
"phrases" in the message, `AND OR NOT ( )`, `field:>5`, `field:*`. Words stand for all of them (AND).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from shipper.datasets import index_pattern
from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.errors import ConfigurationError, RequestRefused
from shipper.index.moment import rfc3339
from shipper.index.tombstones import NOT_ERASED

SHORT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "level": "log.level",
        "logger": "log.logger",
        "service": "service.name",
        "dataset": "event.dataset",
        "action": "event.action",
        "outcome": "event.outcome",
        "model": "ml.model.name",
        "version": "ml.model.version",
        "run": "ml.run.id",
        "prediction": "ml.prediction.id",
        "commit": "git.commit",
        "branch": "git.branch",
        "host": "host.name",
        "error": "error.type",
        "trace": "trace.id",
        "id": "event.id",
    }
)
"""What may be typed for a field; the full name always works too."""

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_QUOTED_OR_FIELD: Final = re.compile(r'"(?:\\.|[^"\\])*"|(?<!\w-)(?<![\w.\\:])(@?[A-Za-z_][\w.-]*):(?!//)')
_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d|w)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TEXT_FIELDS: Final = ("message", "error.message", "error.stack_trace")


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; empty parts do not restrict.

    Attributes:
        text: in the language above.
        since_us, until_us: half-open range of event time, microseconds since the epoch.
        min_level: this level and all above it.
        commit: the beginning of a commit hash.
    """

    text: str = ""
    since_us: int | None = None
    until_us: int | None = None
    dataset: str = ""
    min_level: str = ""
    service: str = ""
    model: str = ""
    commit: str = ""

    def query(self) -> JsonObject:
        """Return the query for Elasticsearch."""
        filters: list[JsonObject] = [dict(NOT_ERASED)]
        if self.since_us is not None or self.until_us is not None:
            span = {"gte": self.since_us, "lt": self.until_us}
            times = {side: rfc3339(moment) for side, moment in span.items() if moment is not None}
            filters.append({"range": {"@timestamp": times}})
        if self.min_level:
            filters.append({"terms": {"log.level": _levels_from(self.min_level)}})
        for field, value in (("service.name", self.service), ("ml.model.name", self.model)):
            if value:
                filters.append({"term": {field: value}})
        if self.commit:
            filters.append({"prefix": {"git.commit": self.commit.lower()}})
        if self.text.strip():
            filters.append(_text_query(self.text))
        return {"bool": {"filter": filters}}

    def indices(self, namespace: str) -> str:
        """Return the pattern of the indices to search."""
        return index_pattern(self.dataset or "*", namespace)


def newest(client: ElasticClient, search: Search, namespace: str, size: int) -> list[JsonObject]:
    """Return the newest hits, oldest of them first.

    Args:
        size: how many at most, 1 to 10,000.

    Raises:
        ConfigurationError: the text of the search is not a query.
    """
    body = {
        "query": search.query(),
        "size": size,
        "sort": [
            {"@timestamp": {"order": "desc", "unmapped_type": "date_nanos"}},
            {"event.sequence": {"order": "desc", "unmapped_type": "long"}},
        ],
        "track_total_hits": False,
    }
    try:
        hits: list[JsonObject] = client.search(search.indices(namespace), body)["hits"]["hits"]
    except RequestRefused as error:
        if error.status != 400 or not search.text.strip():
            raise
        raise ConfigurationError(
            f"The query {search.text!r} cannot be understood: {error.reason}."
        ) from error
    return hits[::-1]


def field_names(text: str) -> list[str]:
    """Return the full names of the fields that a query names."""
    return [
        SHORT_NAMES.get(name, name)
        for match in _QUOTED_OR_FIELD.finditer(text)
        if (name := match.group(1)) is not None and name != "_exists_"
    ]


def moment_us(text: str, now_us: int) -> int:
    """Read a point in time: an age (`15m`, `2h`, `3d`, `1w`) or an RFC 3339 time (UTC unless it says).

    Raises:
        ConfigurationError: it is neither.
    """
    age = _AGE.fullmatch(text.strip())
    if age is not None:
        return now_us - round(float(age.group(1)) * _SECONDS[age.group(2)] * 1_000_000)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no time; write an age such as 15m, 2h, 3d, or a time such as 2026-11-21T10:00."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def _levels_from(level: str) -> list[str]:
    if level.lower() not in LEVELS:
        raise ConfigurationError(f"{level!r} is no level; one of {', '.join(LEVELS)}.")
    return list(LEVELS[LEVELS.index(level.lower()) :])


def _text_query(text: str) -> JsonObject:
    settings: dict[str, Any] = {
        "query": _QUOTED_OR_FIELD.sub(_full_name, text),
        "fields": list(_TEXT_FIELDS),
        "type": "cross_fields",
        "default_operator": "AND",
        "allow_leading_wildcard": False,
        "lenient": True,
    }
    return {"query_string": settings}


def _full_name(match: re.Match[str]) -> str:
    name = match.group(1)
    return match.group(0) if name is None else f"{SHORT_NAMES.get(name, name)}:"
