"""The file that is imported into Kibana, and whether it is up to date with its sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from shipper.errors import ConfigurationError
from shipper.kibana.columns import JsonObject
from shipper.kibana.dashboards import dashboard_object
from shipper.kibana.objects import search_object, tag_object, view_object
from shipper.kibana.source import load_sources
from shipper.schema.table import Table, load_table

FILE: Final = "kibana/saved_objects/shipper.ndjson"
"""One file, so that one import brings everything in whatever order it refers to each other."""


def saved_objects(sources_folder: Path, table: Table) -> list[JsonObject]:
    """Return all saved objects: tag, data views, searches, dashboards.

    Raises:
        ConfigurationError: the sources are wrong.
    """
    sources = load_sources(sources_folder)
    return [
        tag_object(),
        *(view_object(view, sources, table) for view in sources.views),
        *(search_object(search) for search in sources.searches),
        *(dashboard_object(board, table) for board in sources.dashboards),
    ]


def to_ndjson(objects: list[JsonObject]) -> str:
    """Return the text of an export: one object a line, then Kibana's summary."""
    summary = {
        "excludedObjects": [],
        "excludedObjectsCount": 0,
        "exportedCount": len(objects),
        "missingRefCount": 0,
        "missingReferences": [],
    }
    return "".join(
        json.dumps(line, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n"
        for line in [*objects, summary]
    )


def read_ndjson(path: Path) -> list[JsonObject]:
    """Return all lines of an export, the summary included.

    Raises:
        ConfigurationError: the file cannot be read or is not JSON lines.
    """
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    except OSError as error:
        raise ConfigurationError(f"The saved objects {path} cannot be read: {error}.") from error
    except ValueError as error:
        raise ConfigurationError(f"The saved objects {path} are not JSON lines: {error}.") from error


def stale_files(root: Path) -> list[str]:
    """Return the generated files under `root` that differ from the sources, are missing or left over."""
    folder = root / Path(FILE).parent
    stale = [str(path.relative_to(root)) for path in folder.glob("*.ndjson") if path != root / FILE]
    path = root / FILE
    if not path.is_file() or path.read_text("utf-8") != _text(root):
        stale.append(FILE)
    return sorted(stale)


def write_files(root: Path) -> list[str]:
    """Bring the generated files under `root` up to date; return those that changed."""
    changed = stale_files(root)
    for name in changed:
        target = root / name
        if name == FILE:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_text(root), "utf-8")
        else:
            target.unlink()
    return changed


def _text(root: Path) -> str:
    return to_ndjson(saved_objects(root / "kibana" / "src", load_table(root / "schema")))
