"""Lens charts: columns, formulas, accessors, annotations. Kibana shows an empty panel for any of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

from shipper.kibana.columns import RECORDS, TIME_FIELD
from shipper.kibana.decode import JsonObject, annotation_layers, data_layers, references
from shipper.kibana.findings import AGGREGATABLE, NUMBERS, Check

Role = Literal["bucket", "number", "any"]

_FIELDS_OF: Final[dict[str, frozenset[str]]] = {
    "count": AGGREGATABLE,
    "unique_count": AGGREGATABLE,
    "average": NUMBERS,
    "sum": NUMBERS,
    "median": NUMBERS,
    "standard_deviation": NUMBERS,
    "percentile": NUMBERS,
    "min": NUMBERS | {"date"},
    "max": NUMBERS | {"date"},
    "last_value": AGGREGATABLE,
    "date_histogram": frozenset({"date"}),
    "terms": AGGREGATABLE - {"date"},
}
"""Operations on a field, and the types that each can work on."""

_COMPUTED: Final = ("formula", "math")
_BUCKETS: Final = ("date_histogram", "terms")
_NEVER_ORDERS: Final = ("formula", "math", "last_value")
_FORMULA_KQL: Final = re.compile(r"kql='([^']*)'")

_ACCESSORS: Final[dict[str, dict[str, Role]]] = {
    "lnsMetric": {
        "metricAccessor": "number",
        "secondaryMetricAccessor": "number",
        "maxAccessor": "number",
        "breakdownByAccessor": "bucket",
    },
    "lnsHeatmap": {"xAccessor": "bucket", "yAccessor": "bucket", "valueAccessor": "number"},
}
_LAYER_ACCESSORS: Final[dict[str, Role]] = {
    "xAccessor": "bucket",
    "splitAccessor": "bucket",
    "accessors": "number",
    "primaryGroups": "bucket",
    "metrics": "number",
}


def check_lens(run: Check, attributes: JsonObject, where: str) -> None:
    """Report the defects of one by-value chart."""
    if "formBased" not in attributes["state"]["datasourceStates"]:
        run.report("legacy", where, "is not a form-based chart")
        return
    layers = data_layers(attributes)
    links = references(attributes)
    shown = list(_accessors(attributes))
    _check_accessors(run, layers, shown, where)
    for layer_id, layer in layers.items():
        link = links.get(f"indexpattern-datasource-layer-{layer_id}")
        if link is None:
            run.report("ref-missing", where, f"layer {layer_id} has no data view")
            continue
        run.need_kql(link["id"], attributes["state"].get("query"), where)
        _check_order(run, layer, where)
        for column_id, column in layer["columns"].items():
            _check_column(
                run, layer["columns"], column_id, column, link["id"], f"{where}, column {column_id}"
            )
        if not layer.get("linkToLayers"):
            _check_unused(
                run, layer["columns"], {column for each, column, _ in shown if each == layer_id}, where
            )
    for layer in annotation_layers(attributes):
        _check_annotations(run, layer, links, where)


def _accessors(attributes: JsonObject) -> Iterator[tuple[str, str, Role]]:
    """Return layer id, column id and wanted role of each column that the picture uses."""
    kind, state = attributes["visualizationType"], attributes["state"]["visualization"]
    for key, role in _ACCESSORS.get(kind, {}).items():
        if state.get(key):
            yield state["layerId"], state[key], role
    if state.get("trendlineLayerId"):
        yield state["trendlineLayerId"], state.get("trendlineTimeAccessor", ""), "bucket"
        yield state["trendlineLayerId"], state.get("trendlineMetricAccessor", ""), "number"
    for column in state.get("columns", []) if kind == "lnsDatatable" else []:
        yield state["layerId"], column["columnId"], "any"
    for layer in state.get("layers", []):
        if layer.get("layerType") == "annotations":
            continue
        for key, role in _LAYER_ACCESSORS.items():
            named = layer.get(key, [])
            for column in [named] if isinstance(named, str) else named:
                yield layer["layerId"], column, role
        for colour in layer.get("yConfig", []):
            yield layer["layerId"], colour["forAccessor"], "number"


def _check_accessors(
    run: Check, layers: dict[str, JsonObject], shown: list[tuple[str, str, Role]], where: str
) -> None:
    for layer_id, column_id, role in shown:
        column = layers.get(layer_id, {}).get("columns", {}).get(column_id)
        if column is None:
            run.report(
                "lens-accessor", where, f"shows column {column_id} of layer {layer_id}, which is not there"
            )
        elif role != "any" and column["isBucketed"] != (role == "bucket"):
            run.report("lens-accessor", where, f"shows column {column_id} as a {role}, which it is not")
    for layer_id in set(layers) - {layer_id for layer_id, _, _ in shown}:
        run.report("lens-accessor", where, f"layer {layer_id} is not shown")


def _check_order(run: Check, layer: JsonObject, where: str) -> None:
    order, columns = layer.get("columnOrder", []), layer["columns"]
    if sorted(order) != sorted(columns):
        run.report("lens-columnorder", where, "columnOrder and columns differ")
        return
    is_bucket = [columns[key]["isBucketed"] for key in order]
    if is_bucket != sorted(is_bucket, reverse=True):
        run.report("lens-columnorder", where, "a number stands before a bucket in columnOrder")


def _check_column(
    run: Check, columns: dict[str, JsonObject], column_id: str, column: JsonObject, view: str, where: str
) -> None:
    operation = column.get("operationType")
    if column.get("filter") is not None:
        run.need_kql(view, column["filter"], where)
    if operation in _COMPUTED:
        _check_formula(run, columns, column_id, column, where)
        return
    if operation not in _FIELDS_OF:
        run.report("lens-column", where, f"has the unknown operation {operation}")
        return
    if column["isBucketed"] != (operation in _BUCKETS):
        run.report("lens-column", where, f"{operation} and isBucketed do not fit")
    source = column.get("sourceField")
    if not source:
        run.report("lens-column", where, "has no sourceField")
    elif source != RECORDS:
        run.need_field(view, source, _FIELDS_OF[operation], where)
    elif operation != "count":
        run.report("lens-column", where, f"{operation} needs a field")
    _check_params(run, columns, column, view, where)


def _check_params(
    run: Check, columns: dict[str, JsonObject], column: JsonObject, view: str, where: str
) -> None:
    operation, params = column["operationType"], column.get("params", {})
    if operation == "percentile" and not 0 < float(params.get("percentile") or 0) < 100:
        run.report("lens-column", where, "has no percentile between 0 and 100")
    if operation == "last_value":
        run.need_field(view, str(params.get("sortField")), {"date"}, where)
    if operation == "terms":
        _check_terms(run, columns, params, where)


def _check_terms(run: Check, columns: dict[str, JsonObject], params: JsonObject, where: str) -> None:
    if not 1 <= int(params.get("size") or 0) <= 1000:
        run.report("lens-column", where, "shows no number of values from 1 to 1000")
    order = params.get("orderBy", {})
    if order.get("type") == "alphabetical":
        return
    target = columns.get(str(order.get("columnId")))
    if target is None or target["isBucketed"]:
        run.report("lens-column", where, "is ordered by a column that is not there or is no number")
    elif target["operationType"] in _NEVER_ORDERS:
        run.report("lens-column", where, f"cannot be ordered by a {target['operationType']}")


def _check_formula(
    run: Check, columns: dict[str, JsonObject], column_id: str, column: JsonObject, where: str
) -> None:
    """The number is computed from `references`; with none, or with wrong ones, the panel stays empty."""
    wanted = column.get("references", [])
    if not wanted or any(key not in columns for key in wanted):
        run.report("formula", where, "is computed from columns that are not there")
        return
    params = column.get("params", {})
    if column["operationType"] == "math":
        leaves = set(_leaves(params.get("tinymathAst")))
        if leaves != set(wanted):
            run.report("formula", where, f"computes with {sorted(leaves)} but refers to {sorted(wanted)}")
        return
    if columns[wanted[0]]["operationType"] != "math" or len(wanted) != 1:
        run.report("formula", where, "must refer to its last part, the mathematical column")
    if params.get("isFormulaBroken") is not False:
        run.report("formula", where, "is marked as broken")
    parts = [key for key in columns if key.startswith(f"{column_id}X")]
    filters = sorted(columns[key]["filter"]["query"] for key in parts if "filter" in columns[key])
    if sorted(_FORMULA_KQL.findall(str(params.get("formula", "")))) != filters:
        run.report("formula", where, "its text and its parts count different documents")


def _leaves(node: Any) -> Iterator[str]:
    """Return the column ids in a tinymath tree."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for argument in node.get("args", []):
            yield from _leaves(argument)


def _check_unused(run: Check, columns: dict[str, JsonObject], shown: set[str], where: str) -> None:
    used = set(shown)
    for column in columns.values():
        used |= set(column.get("references", []))
        used.add(str(column.get("params", {}).get("orderBy", {}).get("columnId")))
    for column_id in sorted(set(columns) - used):
        run.report("lens-column-unused", where, f"column {column_id} is not shown")


def _check_annotations(run: Check, layer: JsonObject, links: dict[str, JsonObject], where: str) -> None:
    link = links.get(f"xy-visualization-layer-{layer['layerId']}")
    if link is None:
        run.report("ref-missing", where, f"annotation layer {layer['layerId']} has no data view")
        return
    if layer.get("persistanceType") != "byValue":
        run.report("annotation", where, "annotations must be kept by value (persistanceType)")
    for annotation in layer.get("annotations", []):
        if annotation.get("type") != "query" or annotation.get("key", {}).get("type") != "point_in_time":
            run.report("annotation", where, "an annotation must be a query of points in time")
            continue
        run.need_kql(link["id"], annotation.get("filter"), where)
        run.need_field(link["id"], str(annotation.get("timeField", TIME_FIELD)), {"date"}, where)
        for name in (annotation.get("textField"), *annotation.get("extraFields", [])):
            run.need_field(link["id"], str(name), AGGREGATABLE, f"{where}, annotation {annotation.get('id')}")
