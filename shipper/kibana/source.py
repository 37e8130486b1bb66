"""Read `kibana/src/*.yml`: a small vocabulary, refused with one sentence where it is misspelt."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast, get_args

import yaml

from shipper.errors import ConfigurationError
from shipper.kibana.model import (
    COLOURS,
    GRID_COLUMNS,
    Control,
    Dashboard,
    Measure,
    Operation,
    Panel,
    PanelKind,
    Row,
    Search,
    Section,
    Sources,
    Style,
    Terms,
    View,
)

Raw = dict[str, Any]

_PANEL_KEYS: Final = {
    "title", "description", "width", "view", "where", "style", "measure", "measures", "x", "y", "by",
    "split", "marks", "sparkline", "colour", "colours", "to",
}  # fmt: skip
_NEEDED: Final[dict[PanelKind, tuple[str, ...]]] = {
    "links": ("to",),
    "search": ("description",),
    "tile": ("description", "view", "measures"),
    "trend": ("description", "view", "measures"),
    "chart": ("description", "view", "measures", "x"),
    "ranking": ("description", "view", "measures", "by"),
    "donut": ("description", "view", "measures", "by"),
    "heatmap": ("description", "view", "measures", "x", "y"),
    "table": ("description", "view", "measures", "by"),
}
_MARKS: Final = ("alerts", "deployments")
_OF_DOCUMENTS: Final = ("count", "share")


def load_sources(folder: Path) -> Sources:
    """Read all sources below `folder`.

    Raises:
        ConfigurationError: a file is missing, or says something that the vocabulary does not have.
    """
    views = tuple(
        View(name, **_only(raw, {"name", "pattern"}, f"data view {name}"))
        for name, raw in _read(folder / "data_views.yml").items()
    )
    searches = tuple(_search(name, raw) for name, raw in _read(folder / "searches.yml").items())
    boards = tuple(
        _dashboard(path.stem, _read(path)) for path in sorted((folder / "dashboards").glob("*.yml"))
    )
    sources = Sources(views, _read(folder / "formats.yml"), searches, boards)
    _check_names(sources)
    return sources


def _read(path: Path) -> Raw:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The Kibana source {path} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"The Kibana source {path} is not valid YAML: {error}.") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"The Kibana source {path} must hold a mapping.")
    return content


def _only(raw: object, known: set[str], where: str) -> Raw:
    if not isinstance(raw, dict):
        raise ConfigurationError(f"In the Kibana sources, {where} must be a mapping.")
    unknown = set(raw) - known
    if unknown:
        raise ConfigurationError(
            f"In the Kibana sources, {where} has unknown keys: {', '.join(map(str, sorted(unknown)))}."
        )
    return raw


def _need(raw: Mapping[str, Any], key: str, where: str) -> Any:
    if raw.get(key) in (None, "", [], {}):
        raise ConfigurationError(f"In the Kibana sources, {where} lacks {key}.")
    return raw[key]


def _search(name: str, raw: Raw) -> Search:
    where = f"search {name}"
    _only(raw, {"title", "description", "view", "where", "columns"}, where)
    columns: list[tuple[str, int]] = []
    for column in _need(raw, "columns", where):
        columns += [(column, 0)] if isinstance(column, str) else [(key, int(v)) for key, v in column.items()]
    return Search(
        id=name,
        title=_need(raw, "title", where),
        description=_need(raw, "description", where),
        view=_need(raw, "view", where),
        where=raw.get("where", ""),
        columns=tuple(columns),
    )


def _dashboard(name: str, raw: Raw) -> Dashboard:
    where = f"dashboard {name}"
    _only(raw, {"title", "description", "time", "controls", "rows", "sections"}, where)
    time = _only(_need(raw, "time", where), {"from", "to"}, where)
    return Dashboard(
        id=name,
        title=_need(raw, "title", where),
        description=_need(raw, "description", where),
        time_from=_need(time, "from", where),
        time_to=_need(time, "to", where),
        controls=tuple(
            Control(**_only(control, {"field", "title", "view"}, f"{where}, a control"))
            for control in raw.get("controls", ())
        ),
        rows=tuple(_row(row, where) for row in _need(raw, "rows", where)),
        sections=tuple(
            Section(_need(section, "title", where), tuple(_row(row, where) for row in section["rows"]))
            for section in raw.get("sections", ())
        ),
    )


def _row(raw: Raw, where: str) -> Row:
    _only(raw, {"height", "panels"}, f"{where}, a row")
    panels = tuple(_panel(panel, where) for panel in _need(raw, "panels", where))
    taken = sum(panel.width for panel in panels)
    if taken > GRID_COLUMNS or (taken < GRID_COLUMNS and all(panel.width for panel in panels)):
        raise ConfigurationError(
            f"In the Kibana sources, {where}, the row of panel {panels[0].id} is {taken} columns wide, "
            f"not {GRID_COLUMNS}."
        )
    return Row(int(_need(raw, "height", where)), panels)


def _panel(raw: Raw, board: str) -> Panel:
    kinds = [kind for kind in get_args(PanelKind) if kind in raw]
    if len(kinds) != 1:
        raise ConfigurationError(
            f"In the Kibana sources, {board}, a panel must have exactly one kind: {raw}."
        )
    kind = cast("PanelKind", kinds[0])
    where = f"{board}, panel {raw[kind]}"
    _only(raw, _PANEL_KEYS | {kind}, where)
    if "measure" in raw:
        raw["measures"] = [raw.pop("measure")]
    for key in _NEEDED[kind]:
        _need(raw, key, where)
    if raw.get("style", "lines") not in get_args(Style):
        raise ConfigurationError(f"In the Kibana sources, {where} has the unknown style {raw['style']!r}.")
    if set(raw.get("marks", ())) - set(_MARKS):
        raise ConfigurationError(f"In the Kibana sources, {where} has unknown marks: {raw['marks']}.")
    by = raw.get("by", [])
    return Panel(
        kind=kind,
        id=raw[kind],
        title=_need(raw, "title", where),
        description=raw.get("description", ""),
        width=int(raw.get("width", 0)),
        view=raw.get("view", ""),
        where=raw.get("where", ""),
        style=raw.get("style", "lines"),
        measures=_measures(raw, where),
        x=_terms(raw["x"], where) if "x" in raw else None,
        y=_terms(raw["y"], where) if "y" in raw else None,
        by=tuple(_terms(item, where) for item in (by if isinstance(by, list) else [by])),
        split=_terms(raw["split"], where) if "split" in raw else None,
        marks=tuple(raw.get("marks", ())),
        has_trend=bool(raw.get("sparkline", False)),
        colours=tuple(
            (float(bound), _colour(name, where)) for bound, name in sorted(raw.get("colours", {}).items())
        ),
        links=tuple(raw.get("to", {}).items()),
    )


def _measures(raw: Raw, where: str) -> tuple[Measure, ...]:
    colour = raw.get("colour", "")
    return tuple(_measure(item, where, raw["title"], colour) for item in raw.get("measures", ()))


def _measure(raw: Any, where: str, title: str, colour: str) -> Measure:
    if raw == "count":
        raw = {"count": ""}
    operations = [name for name in get_args(Operation) if name in raw]
    if len(operations) != 1:
        raise ConfigurationError(f"In the Kibana sources, {where}, a measure must have one operation: {raw}.")
    operation = cast("Operation", operations[0])
    _only(raw, {operation, "of", "where", "label", "format", "colour"}, f"{where}, a measure")
    subject = str(raw[operation] or "")
    documents = operation in _OF_DOCUMENTS
    if not documents and not subject:
        raise ConfigurationError(f"In the Kibana sources, {where}, {operation} needs a field.")
    return Measure(
        operation=operation,
        label=raw.get("label", title),
        field="" if documents else subject,
        where=subject if documents else raw.get("where", ""),
        of=_need(raw, "of", where) if operation in ("share", "percentile") else "",
        format=raw.get("format", "percent" if operation == "share" else ""),
        colour=_colour(raw.get("colour", colour), where),
    )


def _terms(raw: Raw, where: str) -> Terms:
    _only(raw, {"terms", "size", "order", "label"}, where)
    field = _need(raw, "terms", where)
    return Terms(field, int(raw.get("size", 5)), raw.get("order", "measure"), raw.get("label", field))


def _colour(name: str, where: str) -> str:
    if name and name not in COLOURS:
        raise ConfigurationError(f"In the Kibana sources, {where} has the unknown colour {name!r}.")
    return name


def _check_names(sources: Sources) -> None:
    """Refuse names of views, searches and dashboards that do not exist."""
    views = {view.id for view in sources.views}
    searches = {search.id for search in sources.searches}
    boards = {board.id for board in sources.dashboards}
    used = {(search.view, f"search {search.id}") for search in sources.searches}
    for board in sources.dashboards:
        where = f"dashboard {board.id}"
        used |= {(control.view, where) for control in board.controls}
        rows = [*board.rows, *(row for section in board.sections for row in section.rows)]
        for panel in (panel for row in rows for panel in row.panels):
            if panel.kind == "search" and panel.id not in searches:
                raise ConfigurationError(
                    f"In the Kibana sources, {where} shows an unknown search {panel.id}."
                )
            if panel.kind == "links" and not {target for target, _ in panel.links} <= boards:
                raise ConfigurationError(f"In the Kibana sources, {where} links to an unknown dashboard.")
            if panel.kind not in ("links", "search"):
                used.add((panel.view, f"{where}, panel {panel.id}"))
            used |= {(mark, f"{where}, panel {panel.id}") for mark in panel.marks}
    for view, where in sorted(used):
        if view not in views:
            raise ConfigurationError(f"In the Kibana sources, {where} uses an unknown data view {view!r}.")
