"""The sources' vocabulary: what is misspelt is refused with a sentence that names the place."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shipper.assets import asset
from shipper.errors import ConfigurationError
from shipper.kibana.generate import saved_objects
from shipper.kibana.source import load_sources
from shipper.schema.table import load_table

BOARD = "dashboards/alerts.yml"
MISTAKES = [
    ("data_views.yml", "pattern: logs-ml.*", "patern: logs-ml.*", "data view logs has unknown keys: patern"),
    ("searches.yml", "view: feedback", "view: feetback", "uses an unknown data view 'feetback'"),
    ("searches.yml", "  columns:\n", "  colums:\n", "search errors has unknown keys"),
    (BOARD, "tile: open", "tyle: open", "must have exactly one kind"),
    (BOARD, "style: bars", "style: columns", "has the unknown style 'columns'"),
    (BOARD, "colour: green}", "colour: mauve}", "has the unknown colour 'mauve'"),
    (BOARD, "marks: [deployments]", "marks: [holidays]", "has unknown marks"),
    (BOARD, "measure: count", "measure: {counts: ''}", "a measure must have one operation"),
    (BOARD, "{sum: alert.count}", "{sum: ''}", "sum needs a field"),
    (BOARD, 'of: "event.action: predict", label', "label", "lacks of"),
    (BOARD, "view: alert_history", "view: history", "uses an unknown data view 'history'"),
    (BOARD, "search: alert_history", "search: histories", "shows an unknown search histories"),
    (BOARD, "overview: Models", "overvew: Models", "links to an unknown dashboard"),
    (BOARD, "        description: Alerts that nobody has taken yet.\n", "", "panel open lacks description"),
    (BOARD, "        by: {terms: rule.name, size: 10}\n", "", "panel by-rule lacks by"),
    (BOARD, "tile: open", "tile: open\n        width: 50", "the row of panel open is 50 columns wide"),
    (BOARD, "time: {from: now-7d, to: now}\n", "", "dashboard alerts lacks time"),
    (BOARD, "title:", "title: [", "is not valid YAML"),
]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of the sources that a test may spoil."""
    return Path(shutil.copytree(asset("kibana/src"), tmp_path / "src"))


@pytest.mark.parametrize(("file", "right", "wrong", "sentence"), MISTAKES, ids=[each[3] for each in MISTAKES])
def test_a_mistake_is_named(sources: Path, file: str, right: str, wrong: str, sentence: str) -> None:
    """Each misspelling is one sentence that names what and where."""
    path = sources / file
    text = path.read_text("utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong, 1), "utf-8")
    with pytest.raises(ConfigurationError, match="Kibana source") as caught:
        load_sources(sources)
    assert sentence in str(caught.value)


def test_a_missing_file_is_named(sources: Path) -> None:
    """A source that is not there is one sentence."""
    (sources / "formats.yml").unlink()
    with pytest.raises(ConfigurationError, match=r"formats\.yml cannot be read"):
        load_sources(sources)


def test_an_undeclared_field_is_named(sources: Path) -> None:
    """A chart over a field that the field table lacks is not generated."""
    path = sources / BOARD
    path.write_text(path.read_text("utf-8").replace("{terms: rule.name", "{terms: rule.nam"), "utf-8")
    with pytest.raises(ConfigurationError, match=r"the field rule\.nam, which the field table lacks"):
        saved_objects(sources, load_table(asset("schema")))
