"""Read and check `schema/*.yml`: the only place where a field or a dataset is declared."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from shipper.errors import ConfigurationError

FieldType = Literal[
    "keyword", "text", "long", "double", "boolean", "date", "ip", "flattened", "doubles", "keywords"
]
Privacy = Literal["public", "internal", "personal", "secret"]

_FIELD_NAME: Final = re.compile(r"@?[a-z0-9_]+(\.[a-z0-9_]+)*")
_DATASET_NAME: Final = re.compile(r"ml\.[a-z0-9_]+")
_TERM_MAX: Final = 8191
"""Lucene's longest term is 32,766 bytes: so many characters of four bytes each."""

_FIELD_KEYS: Final = {"type", "meaning", "unit", "privacy", "ignore_above", "index", "was"}
_DATASET_KEYS: Final = {"meaning", "period", "retention_days", "expected", "holds"}
OPEN_TYPES: Final = frozenset({"flattened", "doubles", "keywords"})
"""Types that are objects: any name goes inside them."""


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field.

    Attributes:
        group: section of the table: ecs, git, ml, alert, health, audit or dead_letter.
        type: `doubles` and `keywords` are objects whose invented names have that type.
        unit: unit of the stored number, empty where it has none.
        ignore_above: longest indexed keyword in characters.
        index: False for what is only kept, never searched.
        was: former names, which old records still carry; what stands under them is found under `name` too.
    """

    name: str
    group: str
    type: FieldType
    meaning: str
    unit: str = ""
    privacy: Privacy = "public"
    ignore_above: int = 1024
    index: bool = True
    was: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One declared dataset; see `shipper.datasets.Dataset`. `holds` says what must or must not be kept for long."""

    name: str
    meaning: str
    period: Literal["day", "month"]
    retention_days: int
    expected: tuple[str, ...]
    holds: Literal["", "inputs", "metrics"] = ""


@dataclass(frozen=True, slots=True)
class Table:
    """The whole schema, in the order of the files.

    Attributes:
        version: of the templates as last generated; from 1.
        digest: of their content then; where the content is another now, the version is one more.
    """

    fields: tuple[Field, ...]
    datasets: tuple[DatasetRow, ...]
    required: tuple[str, ...]
    reserved: tuple[str, ...] = ()
    version: int = 0
    digest: str = ""

    def field(self, name: str) -> Field | None:
        """Return the field called `name`, or the open object (`ml.metrics`) that it lies in, or None."""
        by_name = {field.name: field for field in self.fields}
        if name in by_name:
            return by_name[name]
        for field in self.fields:
            if field.type in OPEN_TYPES and name.startswith(field.name + "."):
                return field
        return None


def load_table(folder: Path) -> Table:
    """Read the table from `folder`.

    Raises:
        ConfigurationError: a file is missing or a declaration is wrong; the sentence names it.
    """
    fields = tuple(
        _field(name, group, raw)
        for group, rows in _read_yaml(folder / "fields.yml").items()
        for name, raw in _mapping(rows, f"The group {group} of fields.yml").items()
    )
    _check_paths([name for field in fields for name in (field.name, *field.was)])
    raw = _read_yaml(folder / "datasets.yml")
    unknown = set(raw) - {"required", "reserved", "datasets"}
    if unknown:
        raise ConfigurationError(f"datasets.yml has unknown keys: {', '.join(sorted(unknown))}.")
    version, digest = _version(folder / "version.json")
    table = Table(
        version=version,
        digest=digest,
        fields=fields,
        datasets=tuple(
            _dataset(name, row)
            for name, row in _mapping(raw.get("datasets"), "datasets of datasets.yml").items()
        ),
        required=_names(raw.get("required"), "required of datasets.yml"),
        reserved=_names(raw.get("reserved", []), "reserved of datasets.yml"),
    )
    for name in (*table.required, *(name for row in table.datasets for name in row.expected)):
        if table.field(name) is None:
            raise ConfigurationError(f"datasets.yml relies on {name}, which fields.yml does not declare.")
    _check_retention(table.datasets)
    _check_renames(table)
    return table


def _version(path: Path) -> tuple[int, str]:
    """Return what was generated last; 0 and no digest where nothing was yet."""
    if not path.exists():
        return 0, ""
    try:
        content = json.loads(path.read_text("utf-8"))
        return int(content["version"]), str(content["digest"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"The schema file {path} cannot be read: {error}.") from error


def _check_retention(rows: tuple[DatasetRow, ...]) -> None:
    """Raw inputs are kept for a shorter time than any measure: they are the personal part, and the large one."""
    longest = max((row for row in rows if row.holds == "inputs"), key=_kept, default=None)
    shortest = min((row for row in rows if row.holds == "metrics"), key=_kept, default=None)
    if longest is not None and shortest is not None and _kept(longest) >= _kept(shortest):
        raise ConfigurationError(
            f"Dataset {longest.name} holds raw inputs and is kept for {longest.retention_days} days; that must be "
            f"shorter than the {shortest.retention_days} days of {shortest.name}, which holds metrics."
        )


def _kept(row: DatasetRow) -> int:
    return row.retention_days


def _check_renames(table: Table) -> None:
    for field in table.fields:
        if field.was and (field.type in OPEN_TYPES or field.name in table.required):
            raise ConfigurationError(
                f"Field {field.name} cannot have been called {field.was[0]}: objects of any names, and fields that "
                "every document must have, are never renamed; declare a new one beside it."
            )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The schema file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        text = " ".join(str(error).split())
        raise ConfigurationError(f"The schema file {path} is not valid YAML: {text}.") from error
    return _mapping(content, f"The schema file {path}")


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{what} must be a mapping of names.")
    return value


def _names(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ConfigurationError(f"{what} must be a list of names.")
    return tuple(value)


def _field(name: str, group: str, raw: object) -> Field:
    row = dict(_mapping(raw, f"Field {name}"))
    unknown = set(row) - _FIELD_KEYS
    if unknown:
        raise ConfigurationError(f"Field {name} has unknown keys: {', '.join(sorted(unknown))}.")
    if not _FIELD_NAME.fullmatch(name):
        raise ConfigurationError(f"Field {name} is not made of lower-case words, dots and underscores.")
    if row.get("type") not in get_args(FieldType):
        raise ConfigurationError(f"Field {name} has the unknown type {row.get('type')!r}.")
    if row.get("privacy", "public") not in get_args(Privacy):
        raise ConfigurationError(f"Field {name} has the unknown privacy class {row['privacy']!r}.")
    for key in ("meaning", "unit"):
        text = row.get(key, "")
        # A word such as `no` or a bare number is not text in YAML, and quotes would end generated source.
        if not isinstance(text, str) or '"' in text or "\n" in text:
            raise ConfigurationError(f"The {key} of field {name} must be text on one line without quotes.")
    if not row.get("meaning"):
        raise ConfigurationError(f"Field {name} has no meaning.")
    longest = row.get("ignore_above", 1024)
    if isinstance(longest, bool) or not isinstance(longest, int) or not 1 <= longest <= _TERM_MAX:
        raise ConfigurationError(f"ignore_above of field {name} must be 1 to {_TERM_MAX}.")
    if not isinstance(row.get("index", True), bool):
        raise ConfigurationError(f"index of field {name} must be true or false.")
    was = _names(row.pop("was", []), f"was of field {name}")
    return Field(name=name, group=group, was=was, **row)


def _dataset(name: str, raw: object) -> DatasetRow:
    row = _mapping(raw, f"Dataset {name}")
    unknown = set(row) - _DATASET_KEYS
    if unknown:
        raise ConfigurationError(f"Dataset {name} has unknown keys: {', '.join(sorted(unknown))}.")
    if not _DATASET_NAME.fullmatch(name):
        raise ConfigurationError(f"Dataset {name} does not fit an index name: ml. and lower-case letters.")
    if row.get("period") not in ("day", "month"):
        raise ConfigurationError(f"Dataset {name} has the unknown period {row.get('period')!r}.")
    meaning = row.get("meaning")
    if not isinstance(meaning, str) or not meaning:
        raise ConfigurationError(f"Dataset {name} has no meaning.")
    days = row.get("retention_days")
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise ConfigurationError(f"retention_days of dataset {name} must be a whole number of days from 1.")
    holds = row.get("holds", "")
    if holds not in ("", "inputs", "metrics"):
        raise ConfigurationError(f"holds of dataset {name} must be inputs or metrics.")
    return DatasetRow(
        name=name,
        holds=holds,
        meaning=meaning,
        period=row["period"],
        retention_days=days,
        expected=_names(row.get("expected", []), f"expected of dataset {name}"),
    )


def _check_paths(names: list[str]) -> None:
    """Refuse a field that is also the parent of another: Elasticsearch could hold only one of them."""
    if len(names) != len(set(names)):
        raise ConfigurationError("fields.yml declares a field twice.")
    for name in names:
        parts = name.split(".")
        for depth in range(1, len(parts)):
            parent = ".".join(parts[:depth])
            if parent in names:
                raise ConfigurationError(f"Field {name} lies inside the field {parent}.")
