"""Read saved objects back: Kibana keeps much of them as JSON text inside JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shipper.errors import ConfigurationError

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Objects:
    """Saved objects of one file by type and id; of equal ones the last, as an import would keep it."""

    by_key: dict[tuple[str, str], JsonObject]

    @classmethod
    def of(cls, objects: list[JsonObject]) -> Objects:
        """Index `objects`; Kibana's summary line is left out."""
        return cls({(item["type"], item["id"]): item for item in objects if "type" in item and "id" in item})

    def of_type(self, kind: str) -> Iterator[JsonObject]:
        """Return all objects of one type, in the order of the file."""
        return (item for (each, _), item in self.by_key.items() if each == kind)

    def pattern(self, view_id: str) -> str | None:
        """Return the index pattern of a data view, or None where there is no such view."""
        view = self.by_key.get(("index-pattern", view_id))
        return None if view is None else str(view["attributes"].get("title", ""))


def unpacked(holder: JsonObject, key: str, where: str) -> Any:
    """Return the value of the JSON text at `key`.

    Raises:
        ConfigurationError: it is missing or not JSON.
    """
    text = holder.get(key)
    if not isinstance(text, str):
        raise ConfigurationError(f"{where} lacks the JSON text {key}.")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{where} has an unreadable {key}: {error}.") from error


def label(item: JsonObject) -> str:
    """Return how a finding names an object: type and id."""
    return f"{item.get('type')} {item.get('id')}"


def references(item: JsonObject) -> dict[str, JsonObject]:
    """Return the references of an object, or of a by-value chart, by name."""
    return {reference["name"]: reference for reference in item.get("references", [])}


def panels(dashboard: JsonObject) -> list[JsonObject]:
    """Return the panels of a dashboard.

    Raises:
        ConfigurationError: panelsJSON is missing or not JSON.
    """
    found: list[JsonObject] = unpacked(dashboard["attributes"], "panelsJSON", label(dashboard))
    return found


def controls(dashboard: JsonObject) -> dict[str, JsonObject]:
    """Return the controls of a dashboard by id; none where it has no control group.

    Raises:
        ConfigurationError: the control group has no readable panelsJSON.
    """
    group = dashboard["attributes"].get("controlGroupInput")
    if not group:
        return {}
    found: dict[str, JsonObject] = unpacked(group, "panelsJSON", f"{label(dashboard)}, controls")
    return found


def search_source(item: JsonObject) -> JsonObject:
    """Return the query and filters of a saved search or a dashboard.

    Raises:
        ConfigurationError: searchSourceJSON is missing or not JSON.
    """
    meta = item["attributes"].get("kibanaSavedObjectMeta", {})
    found: JsonObject = unpacked(meta, "searchSourceJSON", label(item))
    return found


def data_layers(attributes: JsonObject) -> dict[str, JsonObject]:
    """Return the form-based data layers of a Lens chart by id."""
    layers: dict[str, JsonObject] = (
        attributes["state"]["datasourceStates"].get("formBased", {}).get("layers", {})
    )
    return layers


def annotation_layers(attributes: JsonObject) -> list[JsonObject]:
    """Return the annotation layers of a Lens chart."""
    layers = attributes["state"]["visualization"].get("layers", [])
    return [layer for layer in layers if layer.get("layerType") == "annotations"]
