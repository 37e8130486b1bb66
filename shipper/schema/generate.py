"""All generated files of the repository, and whether they are up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from shipper.errors import ConfigurationError
from shipper.schema.logstash import routing_table
from shipper.schema.source import dataset_module, fields_module, reference_page
from shipper.schema.table import OPEN_TYPES, Table, load_table
from shipper.schema.templates import (
    component_templates,
    index_templates,
    lifecycle_components,
    lifecycle_policies,
)

_GENERATED: Final[dict[str, Callable[[Table], dict[str, dict[str, Any]]]]] = {
    "es_templates/component_templates": component_templates,
    "es_templates/index_templates": index_templates,
    "es_templates/lifecycle/policies": lifecycle_policies,
    "es_templates/lifecycle/component_templates": lifecycle_components,
}
"""Folders of which every file is generated."""

_VERSION_FILE: Final = "schema/version.json"

_PAGES: Final[dict[str, Callable[[Table], str]]] = {
    "shipper/ecs/fields.py": fields_module,
    "shipper/dataset_table.py": dataset_module,
    "docs/reference/fields.md": reference_page,
    "logstash/pipelines/schema.json": routing_table,
}
_NO_PAGES: Final[dict[str, Callable[[Table], str]]] = {}

Pages = Mapping[str, Callable[[Table], str]]
"""Further generated files by path: what needs more than the table is rendered by whoever has it."""


def generated_files(table: Table, further: Pages = _NO_PAGES) -> dict[str, str]:
    """Return the text of every generated file by its path inside the repository.

    The version of the templates is one more than the last one where anything else in them has changed, so nobody
    has to think of raising it, and a server can tell which of two is the newer.
    """
    digest = _digest(_templates(replace(table, version=0)))
    if digest != table.digest:
        table = replace(table, version=table.version + 1, digest=digest)
    files = {path: render(table) for path, render in (*_PAGES.items(), *further.items())}
    files |= {path: json.dumps(body, indent=2) + "\n" for path, body in _templates(table).items()}
    files[_VERSION_FILE] = json.dumps({"version": table.version, "digest": table.digest}, indent=2) + "\n"
    return files


def _refuse_new_shapes(root: Path, table: Table) -> None:
    """Old spools and topics stay readable: what was a scalar in them must never meet an object, nor the reverse."""
    before: dict[str, bool] = {}
    for path in (root / "es_templates/component_templates").glob("shipper-fields-*.json"):
        try:
            template = json.loads(path.read_text("utf-8"))["template"]["mappings"]
        except (ValueError, LookupError, TypeError):
            continue  # is written anew
        before |= _shapes(template)
    for field in table.fields:
        is_object = field.type in OPEN_TYPES
        if before.get(field.name, is_object) is not is_object:
            raise ConfigurationError(
                f"Field {field.name} was {'an object' if before[field.name] else 'one value'} and would be refused in "
                f"old records as {'an object' if is_object else 'one value'}; declare a field of another name."
            )


def _shapes(mapping: Mapping[str, Any], path: str = "") -> dict[str, bool]:
    """Return whether each field of a mapping is an object of any names, by full name."""
    found: dict[str, bool] = {}
    for name, inner in mapping.get("properties", {}).items():
        if "properties" in inner:
            found |= _shapes(inner, f"{path}{name}.")
        else:
            found[f"{path}{name}"] = inner["type"] in ("object", "flattened")
    return found


def _templates(table: Table) -> dict[str, dict[str, Any]]:
    return {
        f"{folder}/{name}.json": body
        for folder, make in _GENERATED.items()
        for name, body in make(table).items()
    }


def _digest(templates: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(templates, sort_keys=True).encode()).hexdigest()


def stale_files(root: Path, further: Pages = _NO_PAGES) -> list[str]:
    """Return the generated files under `root` that differ from the schema, are missing or left over."""
    files = generated_files(load_table(root / "schema"), further)
    stale = [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]
    left_over = [
        str(path.relative_to(root))
        for folder in _GENERATED
        for path in (root / folder).glob("*.json")
        if str(path.relative_to(root)) not in files
    ]
    return sorted(stale + left_over)


def write_files(root: Path, further: Pages = _NO_PAGES) -> list[str]:
    """Bring the generated files under `root` up to date; return those that changed.

    Raises:
        ConfigurationError: a field would become an object, or cease to be one: old records would be refused.
    """
    _refuse_new_shapes(root, load_table(root / "schema"))
    changed = stale_files(root, further)
    files = generated_files(load_table(root / "schema"), further)
    for path in changed:
        target = root / path
        if path in files:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[path], "utf-8")
        else:
            target.unlink()
    return changed
