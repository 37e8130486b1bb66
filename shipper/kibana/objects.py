"""Saved objects other than dashboards, and the envelope and versions of all of them."""

from __future__ import annotations

import json
from typing import Any, Final

from shipper.kibana.columns import TIME_FIELD, JsonObject, kql
from shipper.kibana.model import Search, Sources, View
from shipper.schema.table import Field, Table
from shipper.schema.templates import index_templates

TYPE_VERSIONS: Final = {
    "dashboard": "10.3.0",
    "search": "10.5.0",
    "index-pattern": "8.0.0",
    "tag": "8.0.0",
}
"""Newest `typeMigrationVersion` that Kibana 9.2 knows; a newer one is refused, a missing one runs every
migration since 7.x over the object."""

CORE_VERSION: Final = "8.8.0"
TAG: Final = "shipper"
_DESCRIPTION_LIMIT: Final = 300


def object_id(kind: str, name: str) -> str:
    """Return the id of a saved object: readable, and no one else's."""
    return f"shipper-{kind}-{name}".replace("_", "-")


def view_id(name: str) -> str:
    """Return the id of the data view called `name` in the sources."""
    return object_id("view", name)


def saved_object(
    kind: str, identity: str, attributes: JsonObject, references: list[JsonObject]
) -> JsonObject:
    """Return a saved object; `kind` is a key of `TYPE_VERSIONS`."""
    return {
        "attributes": attributes,
        "coreMigrationVersion": CORE_VERSION,
        "id": identity,
        "managed": False,  # True would make it read-only in Kibana
        "references": references,
        "type": kind,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
    }


def packed(value: object) -> str:
    """Return `value` as the JSON text that Kibana stores inside an attribute."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def tag_reference() -> JsonObject:
    """Return the reference that files an object under our tag."""
    return {"type": "tag", "id": object_id("tag", TAG), "name": f"tag-ref-{object_id('tag', TAG)}"}


def tag_object() -> JsonObject:
    """Return the tag under which all our objects are found in Kibana's lists."""
    attributes = {"name": TAG, "description": "Logs of machine-learning systems", "color": "#6092C0"}
    return saved_object("tag", object_id("tag", TAG), attributes, [])


def view_object(view: View, sources: Sources, table: Table) -> JsonObject:
    """Return a data view with the formats and descriptions of the fields that its indices have."""
    fields = {field.name: field for field in fields_of(view.pattern, table)}
    formats = {name: form for name, form in sources.formats.items() if name in fields}
    attributes: dict[str, Any] = {
        "title": view.pattern,
        "name": view.name,
        "timeFieldName": TIME_FIELD,
        "allowNoIndex": True,  # no error before the first record has arrived
        "fieldFormatMap": packed(formats),
        "fieldAttrs": packed(
            {
                name: {"customDescription": field.meaning[:_DESCRIPTION_LIMIT]}
                for name, field in fields.items()
            }
        ),
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return saved_object("index-pattern", view_id(view.id), attributes, [tag_reference()])


def fields_of(pattern: str, table: Table) -> list[Field]:
    """Return the declared fields of the indices that a data view's `pattern` matches.

    Empty when the pattern falls under none of our index templates.
    """
    groups: set[str] = set()
    for template in index_templates(table).values():
        if any(_falls_under(part, template["index_patterns"]) for part in pattern.split(",")):
            groups |= {
                name.removeprefix("shipper-fields-")
                for name in template["composed_of"]
                if name.startswith("shipper-fields-")
            }
    return [field for field in table.fields if field.group in groups]


def _falls_under(pattern: str, template_patterns: list[str]) -> bool:
    """Whether one of `template_patterns` can match an index that `pattern` matches; `*` stands at the end."""
    stem = pattern.rstrip("*")
    for other in template_patterns:
        other_stem = other.rstrip("*")
        if stem.startswith(other_stem) or (pattern.endswith("*") and other_stem.startswith(stem)):
            return True
    return False


def search_object(search: Search) -> JsonObject:
    """Return a saved search over its data view, newest first."""
    index_name = "kibanaSavedObjectMeta.searchSourceJSON.index"
    attributes: dict[str, Any] = {
        "title": search.title,
        "description": search.description,
        "columns": [field for field, _ in search.columns],
        "sort": [[TIME_FIELD, "desc"]],
        "grid": {"columns": {field: {"width": width} for field, width in search.columns if width}},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "usesAdHocDataView": False,
        "rowHeight": 3,
        "kibanaSavedObjectMeta": {
            "searchSourceJSON": packed({"query": kql(search.where), "filter": [], "indexRefName": index_name})
        },
    }
    references = [
        {"type": "index-pattern", "id": view_id(search.view), "name": index_name},
        tag_reference(),
    ]
    return saved_object("search", object_id("search", search.id), attributes, references)
