"""Read and check `schema/*.yml`: the only place where a field or a dataset is declared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from shipper.errors import ConfigurationError

FieldType = Literal[
    "keyword", "text", "long", "double", "boolean", "date", "ip", "flattened", "doubles", "keywords"
]
Privacy = Literal["public", "internal", "personal", "secret"]

_FIELD_KEYS: Final = {"type", "meaning", "unit", "privacy", "ignore_above", "index"}
_DATASET_KEYS: Final = {"meaning", "period", "retention_days", "expected"}


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field.

    Attributes:
        group: section of the table: ecs, git, ml or alert.
        type: `doubles` and `keywords` are objects whose invented names have that type.
        unit: unit of the stored number, empty where it has none.
        ignore_above: longest indexed keyword in characters.
        index: False for what is only kept, never searched.
    """

    name: str
    group: str
    type: FieldType
    meaning: str
    unit: str = ""
    privacy: Privacy = "public"
    ignore_above: int = 1024
    index: bool = True


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One declared dataset; see `shipper.datasets.Dataset`."""

    name: str
    meaning: str
    period: Literal["day", "month"]
    retention_days: int
    expected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The whole schema, in the order of the files."""

    fields: tuple[Field, ...]
    datasets: tuple[DatasetRow, ...]
    required: tuple[str, ...]

    def field(self, name: str) -> Field | None:
        """Return the field called `name`, or the open object (`ml.metrics`) that it lies in, or None."""
        by_name = {field.name: field for field in self.fields}
        if name in by_name:
            return by_name[name]
        for field in self.fields:
            if field.type in ("doubles", "keywords", "flattened") and name.startswith(field.name + "."):
                return field
        return None


def load_table(folder: Path) -> Table:
    """Read the table from `folder`.

    Raises:
        ConfigurationError: a file is missing or a declaration is wrong; the sentence names it.
    """
    groups = _read_yaml(folder / "fields.yml")
    fields = tuple(_field(name, group, raw) for group, rows in groups.items() for name, raw in rows.items())
    _check_paths(fields)
    raw_datasets = _read_yaml(folder / "datasets.yml")
    table = Table(
        fields=fields,
        datasets=tuple(_dataset(name, raw) for name, raw in raw_datasets["datasets"].items()),
        required=tuple(raw_datasets["required"]),
    )
    for name in (*table.required, *(name for row in table.datasets for name in row.expected)):
        if table.field(name) is None:
            raise ConfigurationError(f"datasets.yml relies on {name}, which fields.yml does not declare.")
    return table


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The schema file {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"The schema file {path} is not valid YAML: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"The schema file {path} must hold a mapping.")
    return content


def _field(name: str, group: str, raw: dict[str, Any]) -> Field:
    unknown = set(raw) - _FIELD_KEYS
    if unknown:
        raise ConfigurationError(f"Field {name} has unknown keys: {', '.join(sorted(unknown))}.")
    if raw.get("type") not in get_args(FieldType):
        raise ConfigurationError(f"Field {name} has the unknown type {raw.get('type')!r}.")
    if raw.get("privacy", "public") not in get_args(Privacy):
        raise ConfigurationError(f"Field {name} has the unknown privacy class {raw['privacy']!r}.")
    if not raw.get("meaning"):
        raise ConfigurationError(f"Field {name} has no meaning.")
    return Field(name=name, group=group, **raw)


def _dataset(name: str, raw: dict[str, Any]) -> DatasetRow:
    unknown = set(raw) - _DATASET_KEYS
    if unknown:
        raise ConfigurationError(f"Dataset {name} has unknown keys: {', '.join(sorted(unknown))}.")
    if raw.get("period") not in ("day", "month"):
        raise ConfigurationError(f"Dataset {name} has the unknown period {raw.get('period')!r}.")
    return DatasetRow(
        name=name,
        meaning=raw["meaning"],
        period=raw["period"],
        retention_days=int(raw["retention_days"]),
        expected=tuple(raw.get("expected", ())),
    )


def _check_paths(fields: tuple[Field, ...]) -> None:
    """Refuse a field that is also the parent of another: Elasticsearch could hold only one of them."""
    names = [field.name for field in fields]
    if len(names) != len(set(names)):
        raise ConfigurationError("fields.yml declares a field twice.")
    for name in names:
        parts = name.split(".")
        for depth in range(1, len(parts)):
            parent = ".".join(parts[:depth])
            if parent in names:
                raise ConfigurationError(f"Field {name} lies inside the field {parent}.")
