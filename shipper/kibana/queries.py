"""The searches that Kibana sends for our objects, so that they can be tried without Kibana.

Read from the generated objects, not from their sources: what is tried is what is shipped. One difference:
a last value is asked for by `top_hits`, since the embedded Elasticsearch lacks `top_metrics`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shipper.kibana.columns import TIME_FIELD
from shipper.kibana.decode import (
    JsonObject,
    Objects,
    annotation_layers,
    controls,
    data_layers,
    panels,
    references,
    search_source,
)
from shipper.kibana.kql import parse_kql, to_query_dsl

_BARS: Final = 50
_INTERVALS_S: Final = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 43_200, 86_400, 604_800)
_MEDIAN: Final = 50.0
_SAMPLE_SIZE: Final = 50
_COMPUTED: Final = ("formula", "math")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The chosen time, half-open, in microseconds since the epoch."""

    start_us: int
    end_us: int

    def filter(self) -> JsonObject:
        """Return the range query over the event time."""
        return {"range": {TIME_FIELD: {"gte": _iso(self.start_us), "lt": _iso(self.end_us)}}}

    def interval_s(self) -> int:
        """Return the width of a bar: the first round length that gives at most about fifty bars."""
        wanted = (self.end_us - self.start_us) / 1_000_000 / _BARS
        return next((each for each in _INTERVALS_S if each >= wanted), _INTERVALS_S[-1])


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One search of one panel.

    Attributes:
        board: id of the dashboard or search.
        panel: panelIndex, or `control` and the field.
        part: the layer of a chart, `documents` or `values`.
        index: where it searches.
        layer: the chart's data layer, to read the answer with; None for documents and values.
    """

    board: str
    panel: str
    part: str
    index: str
    body: JsonObject
    layer: JsonObject | None = None


def panel_queries(objects: Objects, time: TimeRange, *, namespace: str = "") -> Iterator[PanelQuery]:
    """Return every search of every saved search, control and panel.

    Args:
        namespace: only indices of this namespace; empty for all, as Kibana does.

    Raises:
        ConfigurationError: an object is not as the checker wants it.
    """
    for search in objects.of_type("search"):
        yield _search_query(objects, search, search["id"], "documents", time, namespace)
    for board in objects.of_type("dashboard"):
        for identity, control in controls(board).items():
            yield _control_query(objects, board, identity, control, time, namespace)
        for panel in panels(board):
            yield from _queries_of_panel(objects, board, panel, time, namespace)


def index_of(pattern: str, namespace: str) -> str:
    """Return `pattern` narrowed to one namespace: `logs-ml.*` becomes `logs-ml.*-<namespace>-*`."""
    if not namespace:
        return pattern
    narrowed = []
    for part in pattern.split(","):
        if part.startswith("alerts-"):
            narrowed.append(part.removesuffix("*") + namespace)
        else:
            stem = part.removesuffix("*").removesuffix("-")
            narrowed.append(f"{stem}{'*' if stem.endswith('.') else ''}-{namespace}-*")
    return ",".join(narrowed)


def _iso(moment_us: int) -> str:
    seconds, micros = divmod(moment_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


def _index(objects: Objects, view_id: str, namespace: str) -> str:
    return index_of(objects.pattern(view_id) or view_id, namespace)


def _filtered(time: TimeRange, *queries: JsonObject) -> JsonObject:
    return {"bool": {"filter": [time.filter(), *queries]}}


def _dsl(stored: JsonObject) -> JsonObject:
    return to_query_dsl(parse_kql(str(stored.get("query", ""))))


def _search_query(
    objects: Objects, search: JsonObject, board: str, panel: str, time: TimeRange, namespace: str
) -> PanelQuery:
    source = search_source(search)
    view = references(search)[source["indexRefName"]]["id"]
    attributes = search["attributes"]
    body = {
        "size": _SAMPLE_SIZE,
        "track_total_hits": True,
        "query": _filtered(time, _dsl(source["query"])),
        "sort": [{name: {"order": direction}} for name, direction in attributes["sort"]],
        "fields": attributes["columns"],
        "_source": False,
    }
    return PanelQuery(board, panel, "documents", _index(objects, view, namespace), body)


def _control_query(
    objects: Objects, board: JsonObject, identity: str, control: JsonObject, time: TimeRange, namespace: str
) -> PanelQuery:
    field = control["explicitInput"]["fieldName"]
    view = references(board)[f"controlGroup_{identity}:optionsListDataView"]["id"]
    body = {
        "size": 0,
        "track_total_hits": True,
        "query": _filtered(time),
        "aggs": {"suggestions": {"terms": {"field": field, "size": 10}}},
    }
    return PanelQuery(board["id"], f"control {field}", "values", _index(objects, view, namespace), body)


def _queries_of_panel(
    objects: Objects, board: JsonObject, panel: JsonObject, time: TimeRange, namespace: str
) -> Iterator[PanelQuery]:
    name = panel["panelIndex"]
    if panel["type"] == "search":
        target = references(board)[f"{name}:{panel['panelRefName']}"]["id"]
        search = objects.by_key[("search", target)]
        yield _search_query(objects, search, board["id"], name, time, namespace)
    if panel["type"] != "lens":
        return
    attributes = panel["embeddableConfig"]["attributes"]
    links = references(attributes)
    for layer_id, layer in data_layers(attributes).items():
        view = links[f"indexpattern-datasource-layer-{layer_id}"]["id"]
        body = {
            "size": 0,
            "track_total_hits": True,
            "query": _filtered(time, _dsl(attributes["state"]["query"])),
            "aggs": aggregations(layer, time),
        }
        index = _index(objects, view, namespace)
        yield PanelQuery(board["id"], name, layer_id, index, body, layer)
    for layer in annotation_layers(attributes):
        view = links[f"xy-visualization-layer-{layer['layerId']}"]["id"]
        for mark in layer["annotations"]:
            body = {
                "size": _SAMPLE_SIZE,
                "track_total_hits": True,
                "query": _filtered(time, _dsl(mark["filter"])),
                "fields": [mark["textField"], mark["timeField"], *mark.get("extraFields", [])],
                "_source": False,
            }
            yield PanelQuery(board["id"], name, layer["layerId"], _index(objects, view, namespace), body)


def bucket_ids(layer: JsonObject) -> list[str]:
    """Return the buckets of a layer, outermost first."""
    return [key for key in layer["columnOrder"] if layer["columns"][key]["isBucketed"]]


def number_ids(layer: JsonObject) -> list[str]:
    """Return the numbers that Elasticsearch computes; formulas are computed from them afterwards."""
    columns = layer["columns"]
    return [
        key
        for key in layer["columnOrder"]
        if not columns[key]["isBucketed"] and columns[key]["operationType"] not in _COMPUTED
    ]


def aggregations(layer: JsonObject, time: TimeRange) -> JsonObject:
    """Return the nested aggregations of a data layer; each level has all numbers, to order by."""
    columns = layer["columns"]
    numbers = {key: _number(columns[key]) for key in number_ids(layer)}
    inner = dict(numbers)
    for key in reversed(bucket_ids(layer)):
        inner = {**numbers, key: {**_bucket(columns, columns[key], time), "aggs": inner}}
    return inner


def _bucket(columns: dict[str, JsonObject], column: JsonObject, time: TimeRange) -> JsonObject:
    params = column["params"]
    if column["operationType"] == "date_histogram":
        histogram: JsonObject = {
            "field": column["sourceField"],
            "fixed_interval": f"{time.interval_s()}s",
            "min_doc_count": 0 if params["includeEmptyRows"] else 1,
        }
        if params["includeEmptyRows"]:
            histogram["extended_bounds"] = {"min": time.start_us // 1000, "max": time.end_us // 1000}
        return {"date_histogram": histogram}
    order, direction = params["orderBy"], params["orderDirection"]
    path = "_key" if order["type"] == "alphabetical" else _order_path(columns, order["columnId"])
    return {"terms": {"field": column["sourceField"], "size": params["size"], "order": {path: direction}}}


def _order_path(columns: dict[str, JsonObject], key: str) -> str:
    column = columns[key]
    operation, is_filtered = column["operationType"], bool(column.get("filter", {}).get("query"))
    if operation == "count":
        return key if is_filtered else "_count"
    path = f"{key}>value" if is_filtered else key
    if operation in ("percentile", "median"):
        return f"{path}.{column['params'].get('percentile', _MEDIAN)}"
    if operation == "standard_deviation":
        return f"{path}.std_deviation"
    return path


def _number(column: JsonObject) -> JsonObject:
    query = column.get("filter", {})
    if column["operationType"] == "count":
        return {"filter": _dsl(query)}
    if query.get("query"):
        return {"filter": _dsl(query), "aggs": {"value": _metric(column)}}
    return _metric(column)


def _metric(column: JsonObject) -> JsonObject:
    field, params = column["sourceField"], column["params"]
    match column["operationType"]:
        case "average":
            return {"avg": {"field": field}}
        case "unique_count":
            return {"cardinality": {"field": field}}
        case "percentile" | "median":
            return {"percentiles": {"field": field, "percents": [params.get("percentile", _MEDIAN)]}}
        case "last_value":
            return {
                "top_hits": {
                    "size": 1,
                    "sort": [{params["sortField"]: {"order": "desc"}}],
                    "fields": [field],
                    "_source": False,
                }
            }
        case "standard_deviation":
            return {"extended_stats": {"field": field}}
        case operation:
            return {operation: {"field": field}}
