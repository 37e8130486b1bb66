"""What the table says of one name, for people and scripts."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from shipper.schema.table import DatasetRow, Field, Table

Description = dict[str, str | int | bool | list[str]]

_MOST_SUGGESTIONS: Final = 5
_OPEN_TYPES: Final = {
    "doubles": "numbers",
    "keywords": "words",
    "flattened": "anything, nested",
}


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


def suggestions(table: Table, name: str) -> list[str]:
    """Return declared names that somebody who wrote `name` may have meant, the likeliest first.

    Those that it is the end or a part of (`prediction.id`, `latency`), then those that are spelt much alike.
    """
    fields = [field.name for field in table.fields]
    groups = {full[:end] for full in fields for end in range(len(full)) if full[end] == "."}
    names = [*fields, *sorted(groups.difference(fields)), *(row.name for row in table.datasets)]
    wanted = name.strip().lower().strip(".")
    ends = [full for full in names if wanted and full.endswith(f".{wanted}")]
    parts = [full for full in names if len(wanted) > 2 and wanted in full]
    alike = get_close_matches(wanted, names, _MOST_SUGGESTIONS, cutoff=0.7)
    last_parts = {full.rpartition(".")[2]: full for full in reversed(names)}
    tails = [last_parts[tail] for tail in get_close_matches(wanted, last_parts, 2, cutoff=0.75)]
    return list(dict.fromkeys([*ends, *alike, *tails, *parts]))[:_MOST_SUGGESTIONS]


def _field(table: Table, field: Field) -> Description:
    return {
        "name": field.name,
        "type": field.type,
        "meaning": field.meaning,
        "unit": field.unit,
        "privacy": field.privacy,
        "required": field.name in table.required,
        "datasets": [row.name for row in table.datasets if field.name in row.expected],
        "group": field.group,
        "holds": f"{_OPEN_TYPES[field.type]} under names of yours" if field.type in _OPEN_TYPES else "",
        "ignore_above": field.ignore_above if field.type in ("keyword", "keywords", "flattened") else 0,
        "searchable": field.index,
    }


def _dataset(row: DatasetRow) -> Description:
    return {
        "name": row.name,
        "meaning": row.meaning,
        "period": row.period,
        "retention_days": row.retention_days,
        "expected": list(row.expected),
        "index": f"logs-{row.name}-<namespace>-<yyyy.MM.{'dd' if row.period == 'day' else '01'}>",
    }
