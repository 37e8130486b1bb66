"""Dashboards: places on the grid, references of every panel, links and controls."""

from __future__ import annotations

from itertools import combinations
from typing import Final

from shipper.kibana.check_lens import check_lens
from shipper.kibana.decode import (
    JsonObject,
    annotation_layers,
    controls,
    data_layers,
    label,
    panels,
    references,
    search_source,
)
from shipper.kibana.findings import NUMBERS, Check
from shipper.kibana.model import GRID_COLUMNS

_CONTROL_FIELDS: Final = {
    "optionsListControl": (frozenset({"keyword", "boolean", "ip"}) | NUMBERS, "optionsListDataView"),
    "rangeSliderControl": (NUMBERS, "rangeSliderDataView"),
}
_PANEL_TYPES: Final = ("lens", "search", "links")


def check_dashboard(run: Check, item: JsonObject) -> None:
    """Report the defects of one dashboard.

    Raises:
        ConfigurationError: a JSON text inside it is missing or broken.
    """
    where = label(item)
    query = search_source(item).get("query", {})
    if query.get("query"):
        run.report("kql", where, "a query of the whole board hides data without saying so")
    boards = panels(item)
    _check_grid(run, item, boards)
    expected: set[str] = set()
    for panel in boards:
        place = f"{where}, panel {panel.get('panelIndex')}"
        _check_titles(run, panel, place)
        expected |= _panel_references(run, item, panel, place)
    for identity, control in controls(item).items():
        expected |= _check_control(run, item, identity, control)
    _check_references(run, item, expected)


def _check_titles(run: Check, panel: JsonObject, place: str) -> None:
    config = panel.get("embeddableConfig", {})
    if not config.get("title"):
        run.report("title", place, "has no title")
    if panel.get("type") != "links" and not config.get("description"):
        run.report("description", place, "has no description")


def _check_grid(run: Check, item: JsonObject, boards: list[JsonObject]) -> None:
    where = label(item)
    sections = {section["gridData"]["i"] for section in item["attributes"].get("sections", [])}
    identities = [panel.get("panelIndex") for panel in boards]
    if len(identities) != len(set(identities)):
        run.report("dup-id", where, "two panels have the same panelIndex")
    for panel in boards:
        place, grid = f"{where}, panel {panel.get('panelIndex')}", panel["gridData"]
        if grid.get("i") != panel.get("panelIndex"):
            run.report("grid", place, "gridData.i differs from panelIndex")
        if grid["x"] < 0 or grid["w"] < 1 or grid["h"] < 1 or grid["x"] + grid["w"] > GRID_COLUMNS:
            run.report("grid", place, f"does not fit into {GRID_COLUMNS} columns")
        if grid.get("sectionId") is not None and grid["sectionId"] not in sections:
            run.report("grid", place, f"lies in section {grid['sectionId']}, which is not there")
    for one, other in combinations(boards, 2):
        if _overlap(one["gridData"], other["gridData"]):
            run.report("grid", where, f"panels {one['panelIndex']} and {other['panelIndex']} overlap")


def _overlap(one: JsonObject, other: JsonObject) -> bool:
    return bool(
        one.get("sectionId") == other.get("sectionId")
        and one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def _panel_references(run: Check, item: JsonObject, panel: JsonObject, place: str) -> set[str]:
    """Check one panel; return the names of the references that the dashboard must have for it."""
    kind, prefix = panel.get("type"), f"{panel.get('panelIndex')}:"
    if kind == "search":
        name = panel.get("panelRefName")
        if not name:
            run.report("ref-missing", place, "has no panelRefName")
        return {f"{prefix}{name}"}
    config = panel.get("embeddableConfig", {})
    if kind == "links":
        links = config.get("attributes", {}).get("links", [])
        return {f"{prefix}{link['destinationRefName']}" for link in links if link["type"] == "dashboardLink"}
    if kind == "lens" and "attributes" in config:
        attributes = config["attributes"]
        check_lens(run, attributes, place)
        names = {f"indexpattern-datasource-layer-{layer}" for layer in data_layers(attributes)}
        names |= {f"xy-visualization-layer-{layer['layerId']}" for layer in annotation_layers(attributes)}
        _check_mirrored(run, item, attributes, prefix, place)
        return {prefix + name for name in names}
    reason = f"is of the type {kind}; only {', '.join(_PANEL_TYPES)} are used, charts by value"
    run.report("legacy", place, reason)
    return set()


def _check_mirrored(run: Check, item: JsonObject, attributes: JsonObject, prefix: str, place: str) -> None:
    """A by-value chart keeps its references twice; both must name the same object."""
    of_board = references(item)
    for name, reference in references(attributes).items():
        twin = of_board.get(prefix + name)
        if twin is None:
            run.report("ref-missing", place, f"the dashboard lacks the chart's reference {name}")
        elif (twin["type"], twin["id"]) != (reference["type"], reference["id"]):
            run.report("ref-unresolved", place, f"the reference {name} names another object than the chart's")


def _check_control(run: Check, item: JsonObject, identity: str, control: JsonObject) -> set[str]:
    where = f"{label(item)}, control {identity}"
    known = _CONTROL_FIELDS.get(str(control.get("type")))
    if known is None:
        run.report("control", where, f"is of the unknown type {control.get('type')}")
        return set()
    allowed, suffix = known
    given = control.get("explicitInput", {})
    if given.get("id") != identity:
        run.report("control", where, "explicitInput.id differs from the control's id")
    if "dataViewId" in given:
        run.report("control", where, "names its data view by a literal id; it belongs into the references")
    name = f"controlGroup_{identity}:{suffix}"
    reference = references(item).get(name)
    if reference is not None:
        run.need_field(reference["id"], str(given.get("fieldName")), allowed, where)
    return {name}


def _check_references(run: Check, item: JsonObject, expected: set[str]) -> None:
    given = set(references(item))
    for name in sorted(expected - given):
        run.report("ref-missing", label(item), f"lacks the reference {name}")
    for name in sorted(given - expected):
        if not name.startswith("tag-ref-"):
            run.report("ref-unused", label(item), f"has the reference {name}, which nothing uses")
