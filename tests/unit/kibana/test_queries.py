"""Charts become the aggregations that Kibana would send, and answers become the numbers shown."""

from __future__ import annotations

from typing import Any

import pytest

from shipper.assets import asset
from shipper.errors import RequestRefused
from shipper.kibana.answers import rows, run_panels
from shipper.kibana.columns import Columns, layer, measure_columns, terms_column, time_column
from shipper.kibana.generate import FILE, read_ndjson
from shipper.kibana.model import Measure, Terms
from shipper.kibana.queries import TimeRange, aggregations, index_of
from shipper.schema.table import load_table

TABLE = load_table(asset("schema"))
HOUR = TimeRange(1_700_000_000_000_000, 1_700_003_600_000_000)
SHARE = Measure("share", "Failed", where="event.outcome: failure", of="event.action: predict")
P95 = Measure("percentile", "p95", field="event.duration", of=95)


def _layer(*measures: Measure, **buckets: Terms) -> dict[str, Any]:
    named = {f"m{index}": measure for index, measure in enumerate(measures, 1)}
    columns: Columns = {key: terms_column(TABLE, terms, named) for key, terms in buckets.items()}
    for key, measure in named.items():
        columns |= measure_columns(TABLE, key, measure)
    return layer(columns)


def test_buckets_nest_and_numbers_are_on_each_level() -> None:
    """The outer bucket holds the inner one; both can be ordered by the number."""
    by_service, by_version = (
        Terms("service.name", 3, "measure", "s"),
        Terms("ml.model.version", 2, "measure", "v"),
    )
    body = aggregations(_layer(P95, x=by_service, split=by_version), HOUR)
    outer = body["x"]
    assert outer["terms"] == {"field": "service.name", "size": 3, "order": {"m1.95": "desc"}}
    assert outer["aggs"]["split"]["terms"]["size"] == 2
    assert outer["aggs"]["m1"] == outer["aggs"]["split"]["aggs"]["m1"]


@pytest.mark.parametrize(
    ("measure", "path"),
    [
        (Measure("count", "n"), "_count"),
        (Measure("count", "n", where="event.outcome: failure"), "m1"),
        (Measure("average", "a", field="ml.prediction.score"), "m1"),
        (Measure("average", "a", field="ml.prediction.score", where="event.outcome: success"), "m1>value"),
        (
            Measure("percentile", "p", field="event.duration", of=99, where="event.outcome: success"),
            "m1>value.99",
        ),
        (SHARE, "_key"),
        (Measure("last", "l", field="rule.name"), "_key"),
    ],
    ids=["count", "filtered-count", "average", "filtered-average", "filtered-percentile", "formula", "last"],
)
def test_values_are_ordered_as_lens_can(measure: Measure, path: str) -> None:
    """Values are ordered by the number; by name where Lens cannot order by it (formulas, last values)."""
    body = aggregations(_layer(measure, x=Terms("service.name", 3, "measure", "s")), HOUR)
    assert list(body["x"]["terms"]["order"]) == [path]


def test_bars_are_about_fifty() -> None:
    """The interval is the first round one that gives at most fifty bars; empty bars are asked for."""
    body = aggregations(
        layer({"x": time_column(), **measure_columns(TABLE, "m1", Measure("count", "n"))}), HOUR
    )
    histogram = body["x"]["date_histogram"]
    assert histogram["fixed_interval"] == "300s"
    assert histogram["min_doc_count"] == 0
    assert TimeRange(0, 10**17).interval_s() == 604_800


def test_a_share_is_computed_from_its_parts() -> None:
    """A formula's number is computed from its two counts; a share of nothing is missing, not 0."""
    chart = _layer(SHARE)
    assert set(aggregations(chart, HOUR)) == {"m1X0", "m1X1"}
    assert list(rows(chart, {"m1X0": {"doc_count": 1}, "m1X1": {"doc_count": 4}})) == [{"m1": 0.25}]
    assert list(rows(chart, {"m1X0": {"doc_count": 0}, "m1X1": {"doc_count": 0}})) == [{"m1": None}]


def test_each_kind_of_answer_is_read() -> None:
    """Counts, percentiles, last values and filtered numbers are found where Elasticsearch puts them."""
    chart = _layer(
        Measure("count", "n"),
        P95,
        Measure("last", "l", field="rule.name"),
        Measure("average", "a", field="ml.prediction.score", where="event.outcome: success"),
    )
    answer = {
        "m1": {"doc_count": 7},
        "m2": {"values": {"95.0": 12.5}},
        "m3": {"doc_count": 1, "value": {"hits": {"hits": [{"fields": {"rule.name": ["drift"]}}]}}},
        "m4": {"doc_count": 2, "value": {"value": 0.5}},
    }
    assert list(rows(chart, answer)) == [{"m1": 7, "m2": 12.5, "m3": "drift", "m4": 0.5}]
    answer["m3"] = {"doc_count": 0, "value": {"hits": {"hits": []}}}
    assert next(rows(chart, answer))["m3"] is None


@pytest.mark.parametrize(
    ("pattern", "narrowed"),
    [
        ("logs-ml.*", "logs-ml.*-blue-*"),
        ("logs-ml.inference-*", "logs-ml.inference-blue-*"),
        ("logs-ml.training-*,logs-ml.evaluation-*", "logs-ml.training-blue-*,logs-ml.evaluation-blue-*"),
        ("alerts-ml-*", "alerts-ml-blue"),
    ],
)
def test_a_namespace_narrows_the_index(pattern: str, narrowed: str) -> None:
    """With a namespace only its indices are searched; without, all, as Kibana does."""
    assert index_of(pattern, "blue") == narrowed
    assert index_of(pattern, "") == pattern


def test_an_empty_or_refused_answer_is_an_empty_panel() -> None:
    """No documents, or an error of the server's, make a panel empty; the error is kept for the report."""

    def nothing(_index: str, body: dict[str, Any]) -> dict[str, Any]:
        if "alert.state" in str(body):
            raise RequestRefused(400, "no such field")
        return {"hits": {"total": {"value": 0}, "hits": []}, "aggregations": _Nothing()}

    results = run_panels(nothing, read_ndjson(asset(FILE)), HOUR)
    assert len(results) > 50
    assert all(result.is_empty for result in results)
    assert any("no such field" in str(result) for result in results)


class _Nothing(dict[str, Any]):
    """An answer without any bucket or value, whatever was asked."""

    def __missing__(self, key: str) -> Any:
        return {"buckets": [], "doc_count": 0, "value": None, "values": {"95.0": None}, "hits": {"hits": []}}
