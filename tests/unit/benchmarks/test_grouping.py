"""The grouping benchmark: its two measures, its data, and one configuration on made-up lines."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks.grouping import grouping, main, ours


def write(folder: Path, rows: list[tuple[str, str]], name: str = "Made") -> Path:
    """A set of lines with their true groups."""
    path = folder / name / f"{name}_2k.log_structured.csv"
    path.parent.mkdir(parents=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("Content", "EventId"))
        writer.writerows(rows)
    return folder


ROWS = [(f"job {n} took {n} ms", "E1") for n in range(8)] + [("disk full", "E2"), ("disk gone", "E3")]


def test_accuracy_counts_lines_and_f_counts_groups() -> None:
    """Nine of ten lines in the right group; of three true groups two are found, among four."""
    truth = ["a"] * 6 + ["b"] * 3 + ["c"]
    assert grouping(truth, truth) == (1.0, 1.0)
    accuracy, f = grouping(truth, ["x"] * 6 + ["y"] * 2 + ["z"] + ["w"])
    assert accuracy == pytest.approx(0.7)
    assert f == pytest.approx(2 * (2 / 4) * (2 / 3) / (2 / 4 + 2 / 3))
    assert grouping(["a", "b"], ["x", "x"]) == (0.0, 0.0)


def test_order_of_lines_does_not_matter() -> None:
    """The groups are the same from back to front."""
    lines = [line for line, _ in ROWS]
    assert ours(lines) == ours(lines[::-1])[::-1]


def test_it_prints_its_table_and_checks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A set that is grouped well passes the check, one that is not fails it."""
    assert main(["--data", str(write(tmp_path / "good", ROWS)), "--check"]) == 0
    assert "Mean accuracy 1.000" in capsys.readouterr().out
    bad = write(tmp_path / "bad", [(line, f"E{place}") for place, (line, _) in enumerate(ROWS)])
    assert main(["--data", str(bad), "--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["means"]["shipper"][0] == pytest.approx(0.2)


@pytest.mark.parametrize("words", [[], ["--set", "Absent"]])
def test_what_cannot_be_read_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """A folder without sets, a set that is not there, a file without the columns: one sentence each, code 2."""
    folder = tmp_path if not words else write(tmp_path, ROWS)
    assert main(["--data", str(folder), *words]) == 2
    assert "There is no set" in capsys.readouterr().err


def test_a_file_without_the_columns_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence names the file and the columns."""
    path = write(tmp_path, ROWS) / "Made" / "Made_2k.log_structured.csv"
    path.write_text("a,b\n1,2\n", "utf-8")
    assert main(["--data", str(tmp_path)]) == 2
    assert "Content and EventId" in capsys.readouterr().err


def test_absent_data_is_skipped_with_a_word(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the data there is nothing to show, and with --check that is no success."""
    assert main(["--data", str(tmp_path / "absent")]) == 0
    assert "Skipped" in capsys.readouterr().err
    assert main(["--data", str(tmp_path / "absent"), "--check"]) == 2
