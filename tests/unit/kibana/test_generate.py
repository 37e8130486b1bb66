"""The committed file is what its sources say, always the same, and what a board promises."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shipper.assets import asset
from shipper.kibana.decode import controls, panels
from shipper.kibana.generate import FILE, read_ndjson, saved_objects, stale_files, to_ndjson, write_files
from shipper.schema.table import load_table

ROOT = Path(__file__).parents[3]
BOARDS = [line for line in read_ndjson(asset(FILE)) if line.get("type") == "dashboard"]
BOARD_IDS = [board["id"] for board in BOARDS]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of what the generator reads and writes."""
    for folder in ("kibana", "schema"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_the_committed_file_is_up_to_date() -> None:
    """The committed saved objects are those of the sources and the field table."""
    assert stale_files(ROOT) == []


def test_generation_is_deterministic() -> None:
    """Two runs give the same bytes: no clock, no random id, no order of a set."""
    table = load_table(asset("schema"))
    one, other = (to_ndjson(saved_objects(asset("kibana/src"), table)) for _ in range(2))
    assert one == other == asset(FILE).read_text("utf-8")


def test_stale_and_left_over_files_are_found_and_mended(repository: Path) -> None:
    """A changed source makes the file stale; a file that nothing generates is left over; writing mends both."""
    left_over = repository / "kibana/saved_objects/old.ndjson"
    left_over.write_text("{}\n")
    source = repository / "kibana/src/dashboards/alerts.yml"
    source.write_text(source.read_text("utf-8").replace("title: Open\n", "title: Open alerts\n"), "utf-8")
    assert stale_files(repository) == ["kibana/saved_objects/old.ndjson", FILE]
    assert write_files(repository) == ["kibana/saved_objects/old.ndjson", FILE]
    assert stale_files(repository) == []
    assert not left_over.exists()
    assert "Open alerts" in (repository / FILE).read_text("utf-8")


def test_a_missing_file_is_written(repository: Path) -> None:
    """A fresh clone without the generated file gets it."""
    (repository / FILE).unlink()
    assert write_files(repository) == [FILE]


def test_there_are_five_searches_and_two_boards() -> None:
    """What is shipped: data views of all datasets and of alerts, five searches, two boards."""
    lines = read_ndjson(asset(FILE))
    titles = {line["attributes"]["title"] for line in lines if line.get("type") == "index-pattern"}
    assert {"logs-ml.*", "alerts-ml-*"} <= titles
    assert sum(line.get("type") == "search" for line in lines) == 5
    assert len(BOARDS) == 2


@pytest.mark.parametrize("board", BOARDS, ids=BOARD_IDS)
def test_the_reading_order_of_a_board(board: dict[str, Any]) -> None:
    """Links stand first, then figures, then trends; the documents themselves come last."""
    shown = [panel for panel in panels(board) if "sectionId" not in panel["gridData"]]
    kinds = [
        panel["embeddableConfig"].get("attributes", {}).get("visualizationType", panel["type"])
        for panel in sorted(shown, key=lambda each: (each["gridData"]["y"], each["gridData"]["x"]))
    ]
    assert kinds[:8] == ["links", *["lnsMetric"] * 6, "lnsXY"]
    assert kinds[-1] == "search"
    assert 8 <= len(kinds) <= 20


@pytest.mark.parametrize("board", BOARDS, ids=BOARD_IDS)
def test_rows_fill_the_width(board: dict[str, Any]) -> None:
    """The panels of each row fill the 48 columns, so that Kibana has nothing to push together."""
    widths: dict[tuple[str, int], int] = {}
    for panel in panels(board):
        grid = panel["gridData"]
        row = (grid.get("sectionId", ""), grid["y"])
        widths[row] = widths.get(row, 0) + grid["w"]
    assert set(widths.values()) == {48}


@pytest.mark.parametrize("board", BOARDS, ids=BOARD_IDS)
def test_controls_narrow_from_service_to_version(board: dict[str, Any]) -> None:
    """Controls are chained: service, then model, then version."""
    ordered = sorted(controls(board).values(), key=lambda each: each["order"])
    fields = [each["explicitInput"]["fieldName"] for each in ordered]
    assert fields[:3] == ["service.name", "ml.model.name", "ml.model.version"]
    assert board["attributes"]["controlGroupInput"]["chainingSystem"] == "HIERARCHICAL"


@pytest.mark.parametrize("board", BOARDS, ids=BOARD_IDS)
def test_failures_carry_the_alerts(board: dict[str, Any]) -> None:
    """Trends of failures and of accuracy show the alerts, from the view of alerts, under the controls."""
    marked = [
        (layer["ignoreGlobalFilters"], attributes["references"])
        for panel in panels(board)
        if (attributes := panel["embeddableConfig"].get("attributes", {})).get("visualizationType") == "lnsXY"
        for layer in attributes["state"]["visualization"]["layers"]
        if layer["layerId"] == "alerts"
    ]
    assert len(marked) >= 2
    for ignores_controls, references in marked:
        assert not ignores_controls
        assert {"shipper-view-alerts"} <= {each["id"] for each in references}


def test_time_is_set_and_nothing_refreshes_by_itself() -> None:
    """A board opens on its own time range; it refreshes only when its reader wants it to."""
    for board in BOARDS:
        attributes = board["attributes"]
        assert attributes["timeRestore"]
        assert attributes["timeFrom"].startswith("now-")
        assert attributes["refreshInterval"]["pause"]


def test_fields_carry_their_meaning() -> None:
    """Discover shows the meaning of each field from the field table, and durations as milliseconds."""
    view = next(line for line in read_ndjson(asset(FILE)) if line.get("id") == "shipper-view-logs")
    described = json.loads(view["attributes"]["fieldAttrs"])
    assert "commit" in described["git.commit"]["customDescription"]
    formats = json.loads(view["attributes"]["fieldFormatMap"])
    assert formats["event.duration"]["params"]["inputFormat"] == "nanoseconds"
