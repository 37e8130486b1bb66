"""A link that opens the evidence in Kibana's Discover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

DATA_VIEW: Final = "shipper-view-logs"
"""Id of the data view of all logs, as `kibana/saved_objects` has it."""

_MARGIN_US: Final = 15 * 60 * 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def discover_url(kibana_url: str, start_us: int, end_us: int, event_ids: Sequence[str]) -> str:
    """Return the address that shows the sample events, or "" where no Kibana is configured.

    Args:
        kibana_url: address of Kibana, with the path of a space if any.
        start_us: first moment of interest; a quarter of an hour is added on either side.
        end_us: first moment after it.
        event_ids: the sample events; none: all events of that time.
    """
    if not kibana_url:
        return ""
    start, end = (_moment(moment) for moment in (start_us - _MARGIN_US, end_us + _MARGIN_US))
    query = "event.id: (" + " or ".join(f'"{one}"' for one in event_ids) + ")" if event_ids else ""
    view = f"dataSource:(type:dataView,dataViewId:{_rison(DATA_VIEW)})"
    state = quote(f"(query:(language:kuery,query:{_rison(query)}),{view})", safe="()!,:")
    time = quote(f"(time:(from:{_rison(start)},to:{_rison(end)}))", safe="()!,:")
    return f"{kibana_url.rstrip('/')}/app/discover#/?_g={time}&_a={state}"


def _rison(text: str) -> str:
    """Return a quoted string of Kibana's URL notation, where ! and ' are escaped by !."""
    return "'" + text.replace("!", "!!").replace("'", "!'") + "'"


def _moment(moment_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=moment_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
