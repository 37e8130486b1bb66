"""Lens columns: one measure or bucket each, in the form that Kibana's form-based editor stores."""

from __future__ import annotations

from typing import Any, Final

from shipper.errors import ConfigurationError
from shipper.kibana.model import Measure, Terms
from shipper.schema.table import Table

JsonObject = dict[str, Any]
Columns = dict[str, JsonObject]

DATA_TYPES: Final = {
    "keyword": "string",
    "keywords": "string",
    "text": "string",
    "flattened": "string",
    "long": "number",
    "double": "number",
    "doubles": "number",
    "boolean": "boolean",
    "date": "date",
    "ip": "ip",
}
"""Lens data type of each type in the field table."""

TIME_FIELD: Final = "@timestamp"
RECORDS: Final = "___records___"
"""Kibana's name for "the documents themselves" as the source of a count."""

_OPERATIONS: Final = {"unique": "unique_count", "last": "last_value"}
_FORMATS: Final = {
    "percent": {"id": "percent", "params": {"decimals": 1}},
    "number": {"id": "number", "params": {"decimals": 1}},
}
_NEVER_ORDERS: Final = ("share", "last")
"""Lens cannot order the values of a field by a formula or by a last value."""


def kql(query: str) -> JsonObject:
    """Return a query as Kibana stores it."""
    return {"language": "kuery", "query": query}


def data_type(table: Table, field: str) -> str:
    """Return the Lens data type of `field`.

    Raises:
        ConfigurationError: the field table does not have the field.
    """
    declared = table.field(field)
    if declared is None:
        raise ConfigurationError(f"The Kibana sources use the field {field}, which the field table lacks.")
    return DATA_TYPES[declared.type]


def time_column() -> JsonObject:
    """Return the bucket "per interval"; Kibana chooses the interval by the chosen time."""
    return {
        "label": TIME_FIELD,
        "dataType": "date",
        "operationType": "date_histogram",
        "sourceField": TIME_FIELD,
        "isBucketed": True,
        "scale": "interval",
        "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False},
    }


def terms_column(table: Table, terms: Terms, measures: dict[str, Measure]) -> JsonObject:
    """Return the bucket "per value", ordered by the first of `measures` that can order, else by name."""
    by_measure = [key for key, measure in measures.items() if measure.operation not in _NEVER_ORDERS]
    if terms.order == "measure" and by_measure:
        order: JsonObject = {"type": "column", "columnId": by_measure[0]}
        direction = "desc"
    else:
        order, direction = {"type": "alphabetical", "fallback": False}, "asc"
    return {
        "label": terms.label,
        "customLabel": True,
        "dataType": data_type(table, terms.field),
        "operationType": "terms",
        "sourceField": terms.field,
        "isBucketed": True,
        "scale": "ordinal",
        "params": {
            "size": terms.size,
            "orderBy": order,
            "orderDirection": direction,
            "otherBucket": False,
            "missingBucket": False,
            "parentFormat": {"id": "terms"},
            "include": [],
            "exclude": [],
            "includeIsRegex": False,
            "excludeIsRegex": False,
        },
    }


def measure_columns(table: Table, column_id: str, measure: Measure) -> Columns:
    """Return the column of a measure, first, and the columns that it is computed from, if any."""
    if measure.operation == "share":
        return _share_columns(column_id, measure)
    column: JsonObject = {
        "label": measure.label,
        "customLabel": True,
        "dataType": data_type(table, measure.field)
        if measure.operation in ("last", "max", "min")
        else "number",
        "operationType": _OPERATIONS.get(measure.operation, measure.operation),
        "sourceField": measure.field or RECORDS,
        "isBucketed": False,
        "scale": "ratio",
        "params": _params(measure),
    }
    if measure.where:
        column["filter"] = kql(measure.where)
    elif measure.operation == "last":
        # As the editor does: the last document that has the field, not the last of all.
        column["filter"] = kql(f'"{measure.field}": *')
    return {column_id: column}


def _params(measure: Measure) -> JsonObject:
    params: JsonObject = {}
    match measure.operation:
        case "count" | "sum" | "unique":
            # A bar or tile shows 0, not a gap, where nothing happened.
            params["emptyAsNull"] = False
        case "percentile":
            params["percentile"] = measure.of
        case "last":
            params |= {"sortField": TIME_FIELD, "showArrayValues": False}
        case _:
            pass
    if measure.format:
        params["format"] = _FORMATS[measure.format]
    return params


def _share_columns(column_id: str, measure: Measure) -> Columns:
    """A ratio is a formula; Lens computes it from two counts and one mathematical column."""
    part, whole, ratio = (f"{column_id}X{index}" for index in range(3))
    formula = f"count(kql='{measure.where}') / count(kql='{measure.of}')"
    label = f"Part of {measure.label}"

    def count(query: str) -> JsonObject:
        return {
            "label": label,
            "customLabel": True,
            "dataType": "number",
            "operationType": "count",
            "sourceField": RECORDS,
            "isBucketed": False,
            "scale": "ratio",
            "filter": kql(query),
            "params": {"emptyAsNull": False},
        }

    return {
        column_id: {
            "label": measure.label,
            "customLabel": True,
            "dataType": "number",
            "operationType": "formula",
            "isBucketed": False,
            "scale": "ratio",
            "params": {
                "formula": formula,
                "isFormulaBroken": False,
                "format": _FORMATS[measure.format or "percent"],
            },
            "references": [ratio],
        },
        part: count(measure.where),
        whole: count(str(measure.of)),
        ratio: {
            "label": label,
            "customLabel": True,
            "dataType": "number",
            "operationType": "math",
            "isBucketed": False,
            "scale": "ratio",
            "params": {
                "tinymathAst": {
                    "type": "function",
                    "name": "divide",
                    "args": [part, whole],
                    "location": {"min": 0, "max": len(formula)},
                    "text": formula,
                }
            },
            "references": [part, whole],
        },
    }


def layer(columns: Columns, *, links_to: str = "") -> JsonObject:
    """Return a data layer: buckets first, then numbers, then the parts of formulas, as Lens sorts them.

    Args:
        links_to: the layer that a sparkline belongs to.
    """
    rank = {key: 0 if column["isBucketed"] else 2 if "X" in key else 1 for key, column in columns.items()}
    body: JsonObject = {
        "columns": columns,
        "columnOrder": sorted(columns, key=lambda key: rank[key]),
        "incompleteColumns": {},
        "ignoreGlobalFilters": False,
        "sampling": 1,
    }
    if links_to:
        body["linkToLayers"] = [links_to]
    return body
