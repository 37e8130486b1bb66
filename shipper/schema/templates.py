"""Elasticsearch templates from the field table.

Closed at the root (`dynamic: false`); the open objects are typed and capped; no guessing of dates.
A malformed value costs its own field's index entry, never the document.
"""

from __future__ import annotations

from typing import Any, Final

from shipper.schema.table import DatasetRow, Field, Table

JsonObject = dict[str, Any]

VERSION: Final = 3
"""Version of the templates; raised with each change of a mapping or setting."""

PRIORITY: Final = 500
"""Above the servers' built-in `logs-*-*` template, which would make data streams."""

TOTAL_FIELDS_LIMIT: Final = 1000
FLATTENED_DEPTH_LIMIT: Final = 10
_META: Final = {"managed_by": "shipper", "version": VERSION}


def component_templates(table: Table) -> dict[str, JsonObject]:
    """Return the component templates by name: settings, and one mapping per group of fields."""
    settings = {
        "index": {
            "number_of_shards": 1,
            "number_of_replicas": 0,
            "refresh_interval": "1s",
            "codec": "best_compression",
            "mapping": {
                "total_fields": {
                    "limit": TOTAL_FIELDS_LIMIT,
                    "ignore_dynamic_beyond_limit": True,
                },
                "ignore_malformed": True,
            },
        }
    }
    templates: dict[str, JsonObject] = {
        "shipper-settings": {"template": {"settings": settings}, "version": VERSION, "_meta": _META}
    }
    for group in dict.fromkeys(field.group for field in table.fields):
        fields = [field for field in table.fields if field.group == group]
        templates[f"shipper-fields-{group}"] = {
            "template": {"mappings": _mappings(fields)},
            "version": VERSION,
            "_meta": _META,
        }
    return templates


def index_templates(table: Table) -> dict[str, JsonObject]:
    """Return the index templates by name: one per dataset, two for what has a current state."""
    templates = {f"logs-{row.name}": _dataset_template(row) for row in table.datasets}
    templates["alerts-ml"] = _state_template(
        "alerts-ml", "alert", "Current state of alerts; one document per alert."
    )
    templates["dead-letters-ml"] = _state_template(
        "dead-letters-ml", "dead_letter", "Current state of dead letters; one document per letter, redacted."
    )
    return templates


def _state_template(name: str, group: str, description: str) -> JsonObject:
    return {
        "index_patterns": [f"{name}-*"],
        "priority": PRIORITY,
        "version": VERSION,
        "composed_of": _components(group),
        "_meta": {**_META, "description": description},
    }


_FURTHER_GROUPS: Final = {"ml.alert": ("alert",), "ml.health": ("health",)}
"""Groups of fields that only some datasets have."""


def _components(*further: str) -> list[str]:
    return ["shipper-settings", *(f"shipper-fields-{group}" for group in ("ecs", "git", "ml", *further))]


def _dataset_template(row: DatasetRow) -> JsonObject:
    return {
        "index_patterns": [f"logs-{row.name}-*"],
        "priority": PRIORITY,
        "version": VERSION,
        "composed_of": _components(*_FURTHER_GROUPS.get(row.name, ())),
        "template": {"settings": {"index": {"sort": {"field": "@timestamp", "order": "desc"}}}},
        "_meta": {
            **_META,
            "description": row.meaning,
            "period": row.period,
            "retention_days": row.retention_days,
        },
    }


def _mappings(fields: list[Field]) -> JsonObject:
    properties: JsonObject = {}
    dynamic: list[JsonObject] = []
    for field in fields:
        _place(properties, field.name.split("."), _property(field))
        if field.type in ("doubles", "keywords"):
            dynamic.append(_dynamic_template(field))
    mappings: JsonObject = {
        "dynamic": False,
        "date_detection": False,
        "numeric_detection": False,
        "properties": properties,
    }
    if dynamic:
        mappings["dynamic_templates"] = dynamic
    return mappings


def _place(properties: JsonObject, path: list[str], leaf: JsonObject) -> None:
    for part in path[:-1]:
        properties = properties.setdefault(part, {"properties": {}})["properties"]
    properties[path[-1]] = leaf


def _property(field: Field) -> JsonObject:
    match field.type:
        case "keyword":
            return {"type": "keyword", "ignore_above": field.ignore_above}
        case "text":
            return {"type": "text", "norms": False} | ({} if field.index else {"index": False})
        case "date":
            # Nanosecond dates keep the microseconds of our time stamps; millisecond dates round them off.
            return {"type": "date_nanos"}
        case "flattened":
            return {
                "type": "flattened",
                "ignore_above": field.ignore_above,
                "depth_limit": FLATTENED_DEPTH_LIMIT,
            }
        case "doubles" | "keywords":
            # Without sub-objects a dot is part of the name: `val` and `val.loss` can both be numbers, and an
            # object in the place of a number becomes dotted names instead of a refused document.
            return {"type": "object", "dynamic": True, "subobjects": False}
        case "long" | "double" | "boolean" | "ip":
            return {"type": field.type}


def _dynamic_template(field: Field) -> JsonObject:
    mapping: JsonObject = (
        {"type": "double", "ignore_malformed": True}
        if field.type == "doubles"
        else {"type": "keyword", "ignore_above": field.ignore_above}
    )
    return {field.name: {"path_match": f"{field.name}.*", "match_mapping_type": "*", "mapping": mapping}}
