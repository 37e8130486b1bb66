"""All generated files of the repository, and whether they are up to date."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from shipper.schema.logstash import routing_table
from shipper.schema.source import dataset_module, fields_module, reference_page
from shipper.schema.table import Table, load_table
from shipper.schema.templates import component_templates, index_templates

_GENERATED_FOLDERS: Final = ("es_templates/component_templates", "es_templates/index_templates")

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
    """Return the text of every generated file by its path inside the repository."""
    files = {path: render(table) for path, render in (*_PAGES.items(), *further.items())}
    for folder, templates in (
        ("component_templates", component_templates(table)),
        ("index_templates", index_templates(table)),
    ):
        for name, body in templates.items():
            files[f"es_templates/{folder}/{name}.json"] = json.dumps(body, indent=2) + "\n"
    return files


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
        for folder in _GENERATED_FOLDERS
        for path in (root / folder).glob("*.json")
        if str(path.relative_to(root)) not in files
    ]
    return sorted(stale + left_over)


def write_files(root: Path, further: Pages = _NO_PAGES) -> list[str]:
    """Bring the generated files under `root` up to date; return those that changed."""
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
