"""Dashboards: rows become grid positions, panels become embeddables, names become references."""

from __future__ import annotations

from typing import Any

from shipper.kibana.charts import lens_attributes
from shipper.kibana.columns import JsonObject, kql
from shipper.kibana.model import GRID_COLUMNS, Control, Dashboard, Panel, Row
from shipper.kibana.objects import object_id, packed, saved_object, tag_reference, view_id
from shipper.schema.table import Table


def dashboard_object(board: Dashboard, table: Table) -> JsonObject:
    """Return the saved object of a dashboard.

    Raises:
        ConfigurationError: a field is not in the table.
    """
    panels, references = _placed(board.rows, table, section="")
    sections: list[JsonObject] = []
    bottom = sum(row.height for row in board.rows)
    for index, section in enumerate(board.sections):
        identity = f"section{index + 1}"
        sections.append(
            {"title": section.title, "collapsed": True, "gridData": {"y": bottom + index, "i": identity}}
        )
        more_panels, more_references = _placed(section.rows, table, section=identity)
        panels += more_panels
        references += more_references
    controls, control_references = _controls(board.controls)
    attributes: dict[str, Any] = {
        "title": board.title,
        "description": board.description,
        "version": 3,
        "timeRestore": True,
        "timeFrom": board.time_from,
        "timeTo": board.time_to,
        "refreshInterval": {"pause": True, "value": 60000},
        "panelsJSON": packed(panels),
        "optionsJSON": packed(
            {
                "useMargins": True,
                "syncColors": True,
                "syncCursor": True,
                "syncTooltips": True,
                "hidePanelTitles": False,
            }
        ),
        "controlGroupInput": controls,
        "kibanaSavedObjectMeta": {"searchSourceJSON": packed({"query": kql(""), "filter": []})},
    }
    if sections:
        attributes["sections"] = sections
    identity = object_id("dashboard", board.id)
    return saved_object(
        "dashboard", identity, attributes, [*references, *control_references, tag_reference()]
    )


def _placed(
    rows: tuple[Row, ...], table: Table, *, section: str
) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return panels with their places, and the dashboard's references for them."""
    panels: list[JsonObject] = []
    references: list[JsonObject] = []
    y = 0
    for row in rows:
        x = 0
        for panel, width in zip(row.panels, _widths(row), strict=True):
            # A search is shown under its own name; a chart of the same board may be called so too.
            name = f"search-{panel.id}" if panel.kind == "search" else panel.id
            identity = f"{section}-{name}" if section else name
            grid: JsonObject = {"x": x, "y": y, "w": width, "h": row.height, "i": identity}
            if section:
                grid["sectionId"] = section
            body, body_references = _embeddable(panel, identity, table)
            panels.append({"panelIndex": identity, "gridData": grid, **body})
            references += body_references
            x += width
        y += row.height
    return panels, references


def _widths(row: Row) -> list[int]:
    """Share what the panels with a width of their own leave; the last panel takes the remainder."""
    free = [panel for panel in row.panels if not panel.width]
    rest = GRID_COLUMNS - sum(panel.width for panel in row.panels)
    widths = [panel.width or rest // len(free) for panel in row.panels]
    if free:
        last = max(index for index, panel in enumerate(row.panels) if not panel.width)
        widths[last] += GRID_COLUMNS - sum(widths)
    return widths


def _embeddable(panel: Panel, identity: str, table: Table) -> tuple[JsonObject, list[JsonObject]]:
    match panel.kind:
        case "links":
            return _links(panel, identity)
        case "search":
            return _search(panel, identity)
        case _:
            attributes = lens_attributes(panel, table, view_id)
            references = [
                {**reference, "name": f"{identity}:{reference['name']}"}
                for reference in attributes["references"]
            ]
            return {
                "type": "lens",
                "embeddableConfig": {**_shown(panel), "attributes": attributes},
            }, references


def _shown(panel: Panel) -> JsonObject:
    return {"title": panel.title, "description": panel.description, "enhancements": {}}


def _search(panel: Panel, identity: str) -> tuple[JsonObject, list[JsonObject]]:
    name = f"panel_{identity}"
    reference = {"type": "search", "id": object_id("search", panel.id), "name": f"{identity}:{name}"}
    return {"type": "search", "panelRefName": name, "embeddableConfig": _shown(panel)}, [reference]


def _links(panel: Panel, identity: str) -> tuple[JsonObject, list[JsonObject]]:
    """A row of links that keep the chosen time and filters; by value, so that it travels with the board."""
    links: list[JsonObject] = []
    references: list[JsonObject] = []
    for order, (target, label) in enumerate(panel.links):
        name = f"link_{target}_dashboard"
        links.append(
            {
                "type": "dashboardLink",
                "id": target,
                "order": order,
                "label": label,
                "destinationRefName": name,
                "options": {"openInNewTab": False, "useCurrentDateRange": True, "useCurrentFilters": True},
            }
        )
        references.append(
            {"type": "dashboard", "id": object_id("dashboard", target), "name": f"{identity}:{name}"}
        )
    config = {
        "title": panel.title,
        "hidePanelTitles": True,
        "enhancements": {},
        "attributes": {"layout": "horizontal", "links": links},
    }
    return {"type": "links", "embeddableConfig": config}, references


def _controls(controls: tuple[Control, ...]) -> tuple[JsonObject, list[JsonObject]]:
    """Controls narrow each other from left to right (hierarchical)."""
    panels: JsonObject = {}
    references: list[JsonObject] = []
    for order, control in enumerate(controls):
        identity = f"control{order + 1}"
        panels[identity] = {
            "type": "optionsListControl",
            "order": order,
            "grow": True,
            "width": "medium",
            "explicitInput": {
                "id": identity,
                "fieldName": control.field,
                "title": control.title,
                "selectedOptions": [],
            },
        }
        references.append(
            {
                "type": "index-pattern",
                "id": view_id(control.view),
                "name": f"controlGroup_{identity}:optionsListDataView",
            }
        )
    group = {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": packed(
            {
                "ignoreFilters": False,
                "ignoreQuery": False,
                "ignoreTimerange": False,
                "ignoreValidations": False,
            }
        ),
        "panelsJSON": packed(panels),
    }
    return group, references
