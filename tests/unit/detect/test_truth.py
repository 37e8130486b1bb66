"""The file of what really went wrong: what is accepted, and what is said of what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.detect.event_time.window import HOUR_US, parse_iso
from shipper.detect.truth import Fault, load_truth
from shipper.errors import ConfigurationError

START = parse_iso("2026-11-21T10:00:00Z")
EXPECTED = (
    Fault(START, START + HOUR_US),
    Fault(
        START + 2 * HOUR_US,
        START + 3 * HOUR_US,
        {"service.name": "api", "ml.model.version": "2"},
        "bad deploy",
    ),
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "truth.csv",
            (
                "start,end,group,name\n"
                "2026-11-21T12:00:00Z,2026-11-21T13:00:00Z,service.name=api;ml.model.version=2,bad deploy\n"
                "2026-11-21T10:00:00Z,2026-11-21T11:00:00Z,,\n"
            ),
        ),
        (
            "truth.yml",
            (
                "- {start: 2026-11-21T10:00:00Z, end: 2026-11-21T12:00:00+01:00}\n"
                "- start: 2026-11-21 12:00:00\n  end: '2026-11-21T13:00'\n  name: bad deploy\n"
                "  group: {service.name: api, ml.model.version: 2}\n"
            ),
        ),
        (
            "truth.yaml",
            (
                "faults:\n- {start: 2026-11-21T10:00:00Z, end: 2026-11-21T11:00:00Z}\n"
                "- {start: 2026-11-21T12:00:00Z, end: 2026-11-21T13:00:00Z, name: bad deploy,\n"
                "   group: service.name=api; ml.model.version=2}\n"
            ),
        ),
    ],
)
def test_each_form_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    """CSV and YAML, times with any zone or none (UTC), a group as text or as a mapping; sorted by time."""
    (tmp_path / name).write_text(text, "utf-8")
    assert load_truth(tmp_path / name) == EXPECTED


def test_an_empty_file_says_that_nothing_was_wrong(tmp_path: Path) -> None:
    """That is a truth, too."""
    for name, text in (("a.csv", "start,end\n"), ("b.yml", ""), ("c.yml", "[]"), ("d.yml", "faults: []")):
        (tmp_path / name).write_text(text, "utf-8")
        assert load_truth(tmp_path / name) == ()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "strat,end\n2026-01-01,2026-01-02\n", "line 2: unknown key strat, did you mean start?"),
        (
            "a.csv",
            "start,end\n2026-01-02,2026-01-01\n",
            "line 2: end 2026-01-01T00:00:00.000000Z does not lie",
        ),
        ("a.csv", "start,end\n2026-01-02\n", "line 2: end is missing"),
        ("a.csv", "start,end\n1,2,3\n", "line 2 has more fields than the header names"),
        ("a.csv", "start,end,group\nnow,then,\n", "start: 'now' is not a moment such as"),
        ("a.csv", "start,end,group\n2026-01-01,2026-01-02,api\n", "'api' is not field=value"),
        ("a.yml", "start: 1", "it must be a list of faults"),
        ("a.yml", "[5]", "fault 1 is no mapping"),
        ("a.yml", "[", "cannot be used"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, name: str, text: str, said: str) -> None:
    """Each mistake has its sentence, with its line or place."""
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_truth(tmp_path / name)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """In one sentence."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_truth(tmp_path / "none.csv")


def test_the_pages_example_is_right(tmp_path: Path) -> None:
    """What the how-to page shows as a truth can be copied."""
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "detect.md").read_text("utf-8")
    lines = [line.strip() for line in page.splitlines() if line.startswith(("    start,", "    2026-"))]
    (tmp_path / "truth.csv").write_text("\n".join(lines) + "\n", "utf-8")
    assert [one.name for one in load_truth(tmp_path / "truth.csv")] == ["bad deploy", "disk full"]
