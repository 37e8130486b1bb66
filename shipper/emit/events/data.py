"""Data sets and their preparation."""

from __future__ import annotations

from collections.abc import Mapping

from shipper.ecs.values import is_mapping, number, pairs
from shipper.emit.events.form import MOST_NAMES, EventFields, Number, builder, named, typed
from shipper.emit.events.frames import profile

Statistics = Mapping[str, Mapping[str, object]]


@builder
def data_profile(  # noqa: PLR0913 - one keyword per field
    data: object | None = None,
    *,
    name: str,
    rows: int | None = None,
    columns: int | None = None,
    version: str | None = None,
    source: str | None = None,
    missing: Mapping[str, Number] | None = None,
    statistics: Statistics | None = None,
    drift: Mapping[str, Number] | None = None,
    histograms: bool = False,
) -> EventFields:
    """What a data set looks like. Give the table and all is computed, or the numbers computed elsewhere.

    >>> event = data_profile({"age": [41, 52, None, 47], "site": ["left", "right", "left", "left"]}, name="patients")
    >>> event["ml.data.rows"], event["ml.data.missing.age"], event["ml.data.statistics"]["site"]
    (4, 0.25, {'distinct': 2})

    Args:
        data: table of pandas or polars, two-dimensional array, mapping of columns, or list of rows.
        name: data set.
        rows: number of rows.
        columns: number of columns.
        version: version or digest of the data set.
        source: where the data come from.
        missing: share of missing values by feature, 0 to 1.
        statistics: statistics by feature, then by their names.
        drift: measure of drift by feature.
        histograms: with edges and counts or frequent values of each feature, so that drift can be measured against
            this data set; give at most 30 columns at a time, a larger table as several events of the same name.
    """
    found = profile(data, histograms=histograms) if data is not None else None
    if found is not None:
        rows = found.rows if rows is None else rows
        columns = found.columns if columns is None else columns
        missing = found.shares() if missing is None else missing
        statistics = found.statistics if statistics is None else statistics
    return typed(
        "ml.data",
        "profile",
        {
            "event.kind": "state",
            "ml.data.name": name,
            "ml.data.version": version,
            "ml.data.source": source,
            "ml.data.rows": rows,
            "ml.data.columns": columns,
            "ml.data.statistics": statistics,
            **named("ml.data.missing", missing),
            **named("ml.data.drift", drift),
        },
    )


@builder
def data_step(  # noqa: PLR0913 - one keyword per field
    *,
    name: str,
    step: str,
    rows: int | None = None,
    rows_out: int | None = None,
    columns: int | None = None,
    columns_out: int | None = None,
    filled: Mapping[str, Number] | int | None = None,
    outliers: Mapping[str, Number] | int | None = None,
    outcome: str | None = None,
    duration_ns: Number | None = None,
    params: Mapping[str, object] | None = None,
    before: Statistics | None = None,
    after: Statistics | None = None,
    statistics: Statistics | None = None,
    version: str | None = None,
    run_id: str | None = None,
) -> EventFields:
    """A step of data preparation was done. `preprocessing` makes this event from the table before and after.

    >>> event = data_step(
    ...     name="patients", step="impute", rows=569, rows_out=561, filled={"age": 12, "weight": 3}, outliers={"age": 2},
    ...     params={"strategy": "median"}, before={"age": {"mean": 47.1}}, after={"age": {"mean": 46.9}},
    ... )
    >>> event["ml.data.filled_total"], event["ml.data.outliers.age"]
    (15, 2)

    Args:
        name: data set.
        step: what was done, for example `impute`, `scale`, `drop-outliers`.
        rows: number of rows before.
        rows_out: number of rows after.
        columns: number of columns before.
        columns_out: number of columns after.
        filled: number of missing values that were filled, by feature or of all.
        outliers: number of outliers that were treated, by feature or of all.
        outcome: success or failure.
        duration_ns: how long it took, nanoseconds.
        params: settings of the step.
        before: statistics by feature before the step, then by their names.
        after: likewise after it.
        statistics: further statistics by feature.
        version: version of the data set.
        run_id: training run that it belongs to.
    """
    filled_by, filled_total = _count(filled)
    outliers_by, outliers_total = _count(outliers)
    return typed(
        "ml.data",
        "prepare",
        {
            "event.outcome": outcome,
            "event.duration": duration_ns,
            "ml.data.name": name,
            "ml.data.version": version,
            "ml.data.step": step,
            "ml.data.rows": rows,
            "ml.data.rows_out": rows_out,
            "ml.data.columns": columns,
            "ml.data.columns_out": columns_out,
            "ml.data.filled_total": filled_total,
            "ml.data.outliers_total": outliers_total,
            "ml.data.before": before,
            "ml.data.after": after,
            "ml.data.statistics": statistics,
            "ml.params": params,
            "ml.run.id": run_id,
            **named("ml.data.filled", filled_by),
            **named("ml.data.outliers", outliers_by),
        },
    )


def _count(given: Mapping[str, Number] | int | None) -> tuple[Mapping[str, Number] | None, object]:
    """Return counts by feature where they are known, and their sum."""
    if not is_mapping(given):
        return None, given
    counts = [number(value) for _, value in pairs(given, MOST_NAMES)]  # type: ignore[arg-type]
    return given, sum(count for count in counts if count is not None)  # type: ignore[return-value]
