"""Lens charts by value: a panel of the sources becomes data layers, a picture of them, and references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.kibana.columns import (
    Columns,
    JsonObject,
    kql,
    layer,
    measure_columns,
    terms_column,
    time_column,
)
from shipper.kibana.model import COLOURS, Measure, Panel, Terms
from shipper.schema.table import Table

_SERIES: Final = {"lines": "line", "area": "area_stacked", "bars": "bar_stacked"}

_MARKS: Final[dict[str, JsonObject]] = {
    "alerts": {
        "label": "Alert",
        "query": "event.kind: alert",
        "color": "#BD271E",
        "icon": "alert",
        "lineStyle": "dashed",
        "textField": "rule.name",
        "extraFields": ["service.name", "ml.model.version", "alert.state"],
    },
    "deployments": {
        "label": "Deployment",
        "query": "event.action: (deploy or rollback)",
        "color": "#6092C0",
        "icon": "tag",
        "lineStyle": "dotted",
        "textField": "ml.model.version",
        "extraFields": ["service.name", "ml.model.previous_version", "event.action"],
    },
}
"""What can be drawn on a trend: the name of a data view and how its documents look."""


@dataclass(slots=True)
class _Chart:
    """A chart under construction: layers by id and references by name to data view ids."""

    panel: Panel
    table: Table
    layers: dict[str, JsonObject] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)
    measures: dict[str, Measure] = field(init=False)

    def __post_init__(self) -> None:
        self.measures = {f"m{index}": measure for index, measure in enumerate(self.panel.measures, 1)}

    def add(self, layer_id: str, columns: Columns, *, links_to: str = "") -> None:
        """Add a data layer over the panel's data view."""
        self.layers[layer_id] = layer(columns, links_to=links_to)
        self.references[f"indexpattern-datasource-layer-{layer_id}"] = self.panel.view

    def buckets(self, named: dict[str, Terms | None]) -> Columns:
        """Return terms columns for those that are given."""
        return {
            key: terms_column(self.table, terms, self.measures)
            for key, terms in named.items()
            if terms is not None
        }

    def numbers(self, suffix: str = "") -> Columns:
        """Return the columns of all measures, ids with `suffix`."""
        columns: Columns = {}
        for key, measure in self.measures.items():
            columns |= measure_columns(self.table, key + suffix, measure)
        return columns


def lens_attributes(panel: Panel, table: Table, view_ids: Callable[[str], str]) -> JsonObject:
    """Return the `attributes` of a by-value Lens panel.

    Args:
        panel: any kind but links and search.
        view_ids: from the name of a data view in the sources to the id of its saved object.

    Raises:
        ConfigurationError: a field is not in the table.
    """
    chart = _Chart(panel, table)
    kind, state = _PICTURES[panel.kind](chart)
    return {
        "title": panel.title,
        "description": panel.description,
        "visualizationType": kind,
        "type": "lens",
        "references": [
            {"type": "index-pattern", "id": view_ids(view), "name": name}
            for name, view in chart.references.items()
        ],
        "state": {
            "datasourceStates": {"formBased": {"layers": chart.layers}},
            "visualization": state,
            "query": kql(panel.where),
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def _tile(chart: _Chart) -> tuple[str, JsonObject]:
    chart.add("data", chart.numbers())
    state: JsonObject = {"layerId": "data", "layerType": "data", "metricAccessor": "m1", "showBar": False}
    measure = chart.panel.measures[0]
    if chart.panel.colours:
        state["palette"] = _palette(chart.panel.colours)
    elif measure.colour:
        state["color"] = COLOURS[measure.colour]
    if chart.panel.has_trend:
        chart.add("trend", {"x": time_column(), **chart.numbers("_trend")}, links_to="data")
        state |= {
            "trendlineLayerId": "trend",
            "trendlineLayerType": "metricTrendline",
            "trendlineTimeAccessor": "x",
            "trendlineMetricAccessor": "m1_trend",
        }
    return "lnsMetric", state


def _palette(colours: tuple[tuple[float, str], ...]) -> JsonObject:
    """Colours from their lower bounds on; Kibana wants the lower and the upper bounds of each."""
    bounds = [bound for bound, _ in colours]
    hexes = [COLOURS[name] for _, name in colours]
    uppers = [*bounds[1:], bounds[-1] + 1]
    return {
        "type": "palette",
        "name": "custom",
        "params": {
            "name": "custom",
            "reverse": False,
            "rangeType": "number",
            "rangeMin": bounds[0],
            "rangeMax": None,
            "progression": "fixed",
            "continuity": "above",
            "steps": len(colours),
            "maxSteps": 5,
            "stops": [{"color": colour, "stop": stop} for colour, stop in zip(hexes, uppers, strict=True)],
            "colorStops": [
                {"color": colour, "stop": stop} for colour, stop in zip(hexes, bounds, strict=True)
            ],
        },
    }


def _trend(chart: _Chart) -> tuple[str, JsonObject]:
    panel = chart.panel
    chart.add("data", {"x": time_column(), **chart.buckets({"split": panel.split}), **chart.numbers()})
    return _xy(chart, _SERIES[panel.style], [_annotations(chart, mark) for mark in panel.marks])


def _plain_chart(chart: _Chart) -> tuple[str, JsonObject]:
    panel = chart.panel
    chart.add("data", {**chart.buckets({"x": panel.x, "split": panel.split}), **chart.numbers()})
    return _xy(chart, _SERIES[panel.style], [])


def _ranking(chart: _Chart) -> tuple[str, JsonObject]:
    panel = chart.panel
    chart.add("data", {**chart.buckets({"x": panel.by[0], "split": panel.split}), **chart.numbers()})
    return _xy(chart, "bar_horizontal_stacked" if panel.split else "bar_horizontal", [])


def _xy(chart: _Chart, series: str, annotations: list[JsonObject]) -> tuple[str, JsonObject]:
    data: JsonObject = {
        "layerId": "data",
        "layerType": "data",
        "seriesType": series,
        "xAccessor": "x",
        "accessors": list(chart.measures),
        "position": "top",
        "showGridlines": False,
        "yConfig": [
            {"forAccessor": key, "color": COLOURS[measure.colour]}
            for key, measure in chart.measures.items()
            if measure.colour
        ],
    }
    if chart.panel.split:
        data["splitAccessor"] = "split"
    is_many = chart.panel.split is not None or len(chart.measures) > 1
    return "lnsXY", {
        "layers": [data, *annotations],
        "preferredSeriesType": series,
        "legend": {"isVisible": is_many, "position": "bottom", "legendSize": "auto"},
        "valueLabels": "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
        "tickLabelsVisibilitySettings": {"x": True, "yLeft": True, "yRight": True},
        "gridlinesVisibilitySettings": {"x": False, "yLeft": True, "yRight": True},
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "yLeftExtent": {"mode": "full"},
        "yRightExtent": {"mode": "full"},
    }


def _annotations(chart: _Chart, mark: str) -> JsonObject:
    look = dict(_MARKS[mark])
    chart.references[f"xy-visualization-layer-{mark}"] = mark
    annotation = {
        **look,
        "id": f"{mark}-mark",
        "type": "query",
        "lineWidth": 1,
        "isHidden": False,
        "textVisibility": True,
        "timeField": "@timestamp",
        "key": {"type": "point_in_time"},
        "filter": {"type": "kibana_query", **kql(look.pop("query"))},
    }
    del annotation["query"]
    return {
        "layerId": mark,
        "layerType": "annotations",
        "persistanceType": "byValue",  # Kibana's spelling
        "ignoreGlobalFilters": False,
        "annotations": [annotation],
    }


def _donut(chart: _Chart) -> tuple[str, JsonObject]:
    chart.add("data", {**chart.buckets({"x": chart.panel.by[0]}), **chart.numbers()})
    return "lnsPie", {
        "shape": "donut",
        "layers": [
            {
                "layerId": "data",
                "layerType": "data",
                "primaryGroups": ["x"],
                "metrics": ["m1"],
                "numberDisplay": "percent",
                "categoryDisplay": "default",
                "legendDisplay": "show",
                "nestedLegend": False,
                "emptySizeRatio": 0.54,
            }
        ],
    }


def _heatmap(chart: _Chart) -> tuple[str, JsonObject]:
    chart.add("data", {**chart.buckets({"x": chart.panel.x, "y": chart.panel.y}), **chart.numbers()})
    return "lnsHeatmap", {
        "shape": "heatmap",
        "layerId": "data",
        "layerType": "data",
        "xAccessor": "x",
        "yAccessor": "y",
        "valueAccessor": "m1",
        "legend": {"isVisible": True, "position": "right", "type": "heatmap_legend"},
        "gridConfig": {
            "type": "heatmap_grid",
            "isCellLabelVisible": True,
            "isYAxisLabelVisible": True,
            "isXAxisLabelVisible": True,
            "isYAxisTitleVisible": False,
            "isXAxisTitleVisible": False,
        },
    }


def _table(chart: _Chart) -> tuple[str, JsonObject]:
    rows: dict[str, Any] = {f"r{index}": terms for index, terms in enumerate(chart.panel.by, 1)}
    chart.add("data", {**chart.buckets(rows), **chart.numbers()})
    return "lnsDatatable", {
        "layerId": "data",
        "layerType": "data",
        "columns": [{"columnId": key, "isTransposed": False} for key in (*rows, *chart.measures)],
        "paging": {"size": 10, "enabled": True},
        "rowHeight": "auto",
        "headerRowHeight": "auto",
    }


_PICTURES: Final[dict[str, Callable[[_Chart], tuple[str, JsonObject]]]] = {
    "tile": _tile,
    "trend": _trend,
    "chart": _plain_chart,
    "ranking": _ranking,
    "donut": _donut,
    "heatmap": _heatmap,
    "table": _table,
}
