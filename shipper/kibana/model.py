"""What a board is made of, as read from `kibana/src/`: measures, buckets, panels, dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PanelKind = Literal["links", "tile", "trend", "chart", "ranking", "donut", "heatmap", "table", "search"]
Style = Literal["lines", "area", "bars"]
Operation = Literal[
    "count", "share", "average", "sum", "min", "max", "median", "unique", "percentile", "last"
]

COLOURS: Final = {
    "green": "#54B399",
    "yellow": "#D6BF57",
    "red": "#E7664C",
    "blue": "#6092C0",
    "violet": "#9170B8",
}
"""Names that sources use; the same name is the same colour on every board."""

GRID_COLUMNS: Final = 48
"""Width of a Kibana dashboard in grid columns."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number.

    Attributes:
        field: empty for `count` and `share`, which look at documents.
        where: KQL that the documents must match; for `share` the documents that are counted.
        of: KQL of the whole, for `share`; the percentile (0 to 100), for `percentile`.
        format: percent, number or empty (as the data view writes the field).
        colour: a key of `COLOURS` or empty.
    """

    operation: Operation
    label: str
    field: str = ""
    where: str = ""
    of: str | float = ""
    format: Literal["", "percent", "number"] = ""
    colour: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """The most frequent values of a field, or its first ones by name (`alphabetical`)."""

    field: str
    size: int
    order: Literal["measure", "alphabetical"]
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; which attributes are used depends on its kind.

    Attributes:
        width: in grid columns, 0 for an equal share of the row.
        by: rows of a table, bars of a ranking, slices of a donut.
        marks: `alerts` and `deployments`, drawn on a trend.
        colours: lower bounds and the colours from there on, for a tile.
        links: dashboard id to label.
    """

    kind: PanelKind
    id: str
    title: str
    description: str = ""
    width: int = 0
    view: str = ""
    where: str = ""
    style: Style = "lines"
    measures: tuple[Measure, ...] = ()
    x: Terms | None = None
    y: Terms | None = None
    by: tuple[Terms, ...] = ()
    split: Terms | None = None
    marks: tuple[str, ...] = ()
    has_trend: bool = False
    colours: tuple[tuple[float, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side; `height` in grid rows."""

    height: int
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under a title that can be folded; folded at first."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """A list from which the reader chooses values of a field."""

    field: str
    title: str
    view: str


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One board; `time_from` and `time_to` are Kibana's date math."""

    id: str
    title: str
    description: str
    time_from: str
    time_to: str
    controls: tuple[Control, ...]
    rows: tuple[Row, ...]
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class View:
    """One data view."""

    id: str
    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Search:
    """One saved search; `columns` are fields with a width in pixels, 0 for what is left."""

    id: str
    title: str
    description: str
    view: str
    where: str
    columns: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """All of `kibana/src/`."""

    views: tuple[View, ...]
    formats: dict[str, dict[str, object]]
    searches: tuple[Search, ...]
    dashboards: tuple[Dashboard, ...]
