"""Ask Elasticsearch everything that our boards would ask, and say which panels fail or stay empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from shipper.errors import StoreError
from shipper.kibana.decode import JsonObject, Objects
from shipper.kibana.queries import (
    PanelQuery,
    TimeRange,
    bucket_ids,
    number_ids,
    panel_queries,
)

Search = Callable[[str, JsonObject], JsonObject]
"""From an index (or pattern) and a search body to Elasticsearch's answer; raises `StoreError`."""

_ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "add": lambda one, other: one + other,
    "subtract": lambda one, other: one - other,
    "multiply": lambda one, other: one * other,
    "divide": lambda one, other: one / other,
}


@dataclass(frozen=True, slots=True)
class PanelResult:
    """What one search of one panel answered.

    Attributes:
        error: what Elasticsearch said, or empty.
        documents: how many documents matched.
        rows: rows, bars, points or documents to show.
        values: numbers to show that are not missing.
        nonzero: those of them that are not 0.
    """

    query: PanelQuery
    error: str = ""
    documents: int = 0
    rows: int = 0
    values: int = 0
    nonzero: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the panel would show nothing."""
        return bool(self.error) or not self.documents or not self.values

    def __str__(self) -> str:
        what = self.error or f"{self.documents} documents, {self.rows} rows, {self.values} values"
        return f"{self.query.board}, {self.query.panel}, {self.query.part}: {what}"


def run_panels(
    search: Search, lines: list[JsonObject], time: TimeRange, *, namespace: str = ""
) -> list[PanelResult]:
    """Run every search of every object in an export file.

    Args:
        search: for example `ElasticClient.search`.
        lines: the file's lines (`read_ndjson`).
        time: the time that a reader would have chosen.
        namespace: only indices of this namespace; empty for all.

    Raises:
        ConfigurationError: an object is not as the checker wants it.
    """
    return [_run(search, query) for query in panel_queries(Objects.of(lines), time, namespace=namespace)]


def _run(search: Search, query: PanelQuery) -> PanelResult:
    try:
        answer = search(query.index, query.body)
    except StoreError as error:
        return PanelResult(query, error=str(error))
    documents = int(answer["hits"]["total"]["value"])
    if query.layer is None:
        choices = answer.get("aggregations", {}).get("suggestions", {}).get("buckets", [])
        shown = answer["hits"]["hits"] or choices
        return PanelResult(query, documents=documents, rows=len(shown), values=len(shown), nonzero=len(shown))
    # Where no index matches, the server leaves the aggregations out.
    table = list(rows(query.layer, answer["aggregations"])) if "aggregations" in answer else []
    cells = [cell for row in table for cell in row.values() if cell is not None]
    return PanelResult(
        query,
        documents=documents,
        rows=len(table),
        values=len(cells),
        nonzero=sum(cell != 0 for cell in cells),
    )


def rows(layer: JsonObject, answer: JsonObject) -> Iterator[dict[str, Any]]:
    """Return the shown numbers of each innermost bucket by column id; None where there is none."""
    yield from _rows(layer, answer, bucket_ids(layer))


def _rows(layer: JsonObject, answer: JsonObject, buckets: list[str]) -> Iterator[dict[str, Any]]:
    if buckets:
        for bucket in answer[buckets[0]]["buckets"]:
            yield from _rows(layer, bucket, buckets[1:])
        return
    columns = layer["columns"]
    numbers = {key: _value(columns[key], answer[key]) for key in number_ids(layer)}
    formulas = [key for key, column in columns.items() if column["operationType"] == "formula"]
    parts = {key for key in numbers for formula in formulas if key.startswith(f"{formula}X")}
    yield {
        **{key: value for key, value in numbers.items() if key not in parts},
        **{key: _compute(columns, columns[key]["references"][0], numbers) for key in formulas},
    }


def _value(column: JsonObject, answer: JsonObject) -> Any:
    if column["operationType"] == "count":
        return answer["doc_count"]
    inner = answer.get("value")
    if isinstance(inner, dict):  # wrapped by the column's own filter
        answer = inner
    match column["operationType"]:
        case "percentile" | "median":
            return next(iter(answer["values"].values()))
        case "last_value":
            hits = answer["hits"]["hits"]
            values = next(iter(hits[0].get("fields", {}).values()), [None]) if hits else [None]
            return values[0]
        case "standard_deviation":
            return answer["std_deviation"]
        case _:
            return answer["value"]


def _compute(columns: dict[str, JsonObject], key: str, numbers: dict[str, Any]) -> float | None:
    return _evaluate(columns[key]["params"]["tinymathAst"], numbers)


def _evaluate(node: Any, numbers: dict[str, Any]) -> float | None:
    """Compute a tinymath tree; None where a number is missing or a division is by zero."""
    if isinstance(node, str):
        value = numbers[node]
        return None if value is None else float(value)
    if not isinstance(node, dict):
        return float(node)
    one, other = (_evaluate(argument, numbers) for argument in node["args"])
    if one is None or other is None:
        return None
    try:
        return _ARITHMETIC[node["name"]](one, other)
    except ZeroDivisionError:
        return None
