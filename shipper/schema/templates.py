"""Elasticsearch templates from the field table.

Closed at the root (`dynamic: false`); the open objects are typed and capped; no guessing of dates.
A malformed value costs its own field's index entry, never the document.
"""

from __future__ import annotations

from typing import Any, Final

from shipper.schema.table import DatasetRow, Field, Table

JsonObject = dict[str, Any]

PRIORITY: Final = 500
"""Above the servers' built-in `logs-*-*` template, which would make data streams."""

TOTAL_FIELDS_LIMIT: Final = 1000
FLATTENED_DEPTH_LIMIT: Final = 10
_CLOSED: Final = {"dynamic": False, "date_detection": False, "numeric_detection": False}
CUSTOM: Final = "shipper-custom"
"""A component template that a site may have, with settings of its own: more shards, another refresh interval."""


def component_templates(table: Table) -> dict[str, JsonObject]:
    """Return the component templates by name: settings, and one mapping per group of fields."""
    settings = {
        "index": {
            "number_of_shards": 1,
            # No copy on a single node, where it could not be placed; one as soon as there are two.
            "auto_expand_replicas": "0-1",
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
    meta = _meta(table)
    # Each index tells which version of the schema made it.
    body = {"settings": settings, "mappings": {"_meta": meta, **_CLOSED}}
    templates: dict[str, JsonObject] = {
        "shipper-settings": {"template": body, "version": table.version, "_meta": meta}
    }
    for group in dict.fromkeys(field.group for field in table.fields):
        fields = [field for field in table.fields if field.group == group]
        templates[f"shipper-fields-{group}"] = {
            "template": {"mappings": _mappings(fields)},
            "version": table.version,
            "_meta": meta,
        }
    return templates


def index_templates(table: Table) -> dict[str, JsonObject]:
    """Return the index templates by name: one per dataset, and those of what has a current state."""
    templates = {f"logs-{row.name}": _dataset_template(table, row) for row in table.datasets}
    for name, group, description in _STATES:
        templates[name] = {
            "index_patterns": [f"{name}-*"],
            "priority": PRIORITY,
            "version": table.version,
            "composed_of": [*_components(*filter(None, (group,))), CUSTOM],
            "ignore_missing_component_templates": [CUSTOM],
            "_meta": {**_meta(table), "description": description},
        }
    return templates


def lifecycle_policies(table: Table) -> dict[str, JsonObject]:
    """Return ILM policies by name, one per dataset, in the form in which the server gives them back.

    The age counts from the date in the index's name. A policy knows no months, so each counts 31 days.
    Nothing else happens to an index: it must take late and replayed records until it goes.
    """
    return {
        f"shipper-{row.name}": {
            "policy": {
                "_meta": {**_meta(table), "retention_days": row.retention_days, "period": row.period},
                "phases": {
                    "hot": {"min_age": "0ms", "actions": {}},
                    "delete": {
                        "min_age": f"{row.retention_days + (31 if row.period == 'month' else 1)}d",
                        "actions": {"delete": {"delete_searchable_snapshot": True}},
                    },
                },
            }
        }
        for row in table.datasets
    }


def lifecycle_components(table: Table) -> dict[str, JsonObject]:
    """Return the component templates that bind indices to their policies; a server without ILM refuses them."""
    return {
        lifecycle_component(row): {
            "template": {
                "settings": {
                    "index": {"lifecycle": {"name": f"shipper-{row.name}", "parse_origination_date": True}}
                }
            },
            "version": table.version,
            "_meta": _meta(table),
        }
        for row in table.datasets
    }


def lifecycle_component(row: DatasetRow) -> str:
    """Return the name of the component template that a dataset's indices have on servers with ILM."""
    return f"shipper-lifecycle-{row.name}"


def _meta(table: Table) -> JsonObject:
    return {"managed_by": "shipper", "version": table.version}


_STATES: Final = (
    ("alerts-ml", "alert", "Current state of alerts; one document per alert."),
    (
        "dead-letters-ml",
        "dead_letter",
        "Current state of dead letters; one document per letter, redacted.",
    ),
    (
        "erasures-ml",
        "",
        "Numbers of the records of erased persons, so that the books balance; nothing else of them.",
    ),
)
"""Indices with a current state: name, further group of fields if there is one, meaning."""


_FURTHER_GROUPS: Final = {"ml.alert": ("alert",), "ml.health": ("health",), "ml.audit": ("audit",)}
"""Groups of fields that only some datasets have."""


def _components(*further: str) -> list[str]:
    return ["shipper-settings", *(f"shipper-fields-{group}" for group in ("ecs", "git", "ml", *further))]


def _dataset_template(table: Table, row: DatasetRow) -> JsonObject:
    optional = [lifecycle_component(row), CUSTOM]
    return {
        "index_patterns": [f"logs-{row.name}-*"],
        "priority": PRIORITY,
        "version": table.version,
        "composed_of": [*_components(*_FURTHER_GROUPS.get(row.name, ())), *optional],
        "ignore_missing_component_templates": optional,
        "template": {"settings": {"index": {"sort": {"field": "@timestamp", "order": "desc"}}}},
        "_meta": {
            **_meta(table),
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
        for former in field.was:
            _place(properties, former.split("."), {**_property(field), "copy_to": field.name})
        if field.type in ("doubles", "keywords"):
            dynamic.append(_dynamic_template(field))
    mappings: JsonObject = {**_CLOSED, "properties": properties}
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
