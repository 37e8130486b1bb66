"""What the table says of one name, for people and scripts."""

from __future__ import annotations

from shipper.schema.table import DatasetRow, Field, Table

Description = dict[str, str | int | bool | list[str]]


def describe(table: Table, name: str) -> list[Description]:
    """Return what is declared of `name`: a field, an object of fields, a dataset; empty name: all datasets.

    A name inside an open object (`ml.metrics.f1`) is described by that object.
    """
    if not name:
        return [_dataset(row) for row in table.datasets]
    datasets = [_dataset(row) for row in table.datasets if row.name == name]
    field = table.field(name)
    if field is not None:
        return [*datasets, _field(table, field)]
    return [*datasets, *(_field(table, inner) for inner in table.fields if inner.name.startswith(name + "."))]


def _field(table: Table, field: Field) -> Description:
    return {
        "name": field.name,
        "type": field.type,
        "meaning": field.meaning,
        "unit": field.unit,
        "privacy": field.privacy,
        "required": field.name in table.required,
        "datasets": [row.name for row in table.datasets if field.name in row.expected],
    }


def _dataset(row: DatasetRow) -> Description:
    return {
        "name": row.name,
        "meaning": row.meaning,
        "period": row.period,
        "retention_days": row.retention_days,
        "expected": list(row.expected),
    }
