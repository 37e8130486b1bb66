"""Data sets and their preparation."""

from __future__ import annotations

from collections.abc import Mapping

from shipper.emit.events.form import EventFields, Number, named, typed


def data_profile(
    *,
    name: str,
    rows: int,
    columns: int | None = None,
    version: str | None = None,
    source: str | None = None,
    missing: Mapping[str, Number] | None = None,
    statistics: Mapping[str, Mapping[str, object]] | None = None,
    drift: Mapping[str, Number] | None = None,
) -> EventFields:
    """What a data set looks like.

    Args:
        missing: share of missing values by feature, 0 to 1.
        statistics: statistics by feature, then by their names.
        drift: measure of drift by feature.
    """
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


def data_step(
    *,
    name: str,
    step: str,
    rows: int,
    rows_out: int,
    duration_ns: Number | None = None,
    params: Mapping[str, object] | None = None,
    statistics: Mapping[str, Mapping[str, object]] | None = None,
) -> EventFields:
    """A step of data preparation was done.

    Args:
        name: data set.
        step: what was done, for example `impute`, `scale`, `drop-outliers`.
        rows, rows_out: number of rows before and after.
        duration_ns: how long it took, nanoseconds.
        params: settings of the step.
        statistics: statistics by feature, then by their names (`mean_before`, `mean_after`, ...).
    """
    return typed(
        "ml.data",
        "prepare",
        {
            "ml.data.name": name,
            "ml.data.step": step,
            "ml.data.rows": rows,
            "ml.data.rows_out": rows_out,
            "event.duration": duration_ns,
            "ml.params": params,
            "ml.data.statistics": statistics,
        },
    )
