"""The Numenta benchmark: its formula, its files, and that our scores come from the past alone."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.nab import main
from benchmarks.nab_streams.corpus import Stream
from benchmarks.nab_streams.ours import COMMITTED, anomaly_scores
from benchmarks.nab_streams.scoring import PROFILES, best, judged, probation_rows, score_at
from shipper.detect.event_time.window import iso
from shipper.detect.fetching.table import Floats

STEP_US = 300_000_000
BEGIN_US = 1_400_000_000_000_000 // STEP_US * STEP_US


def stream(values: Floats, name: str = "some/stream.csv") -> Stream:
    """A value every five minutes."""
    times = BEGIN_US + np.arange(len(values)) * STEP_US
    return Stream(name, tuple(iso(int(time)) for time in times), times, values)


def spiked(rows: int = 700, at: int = 500) -> Floats:
    """Noise with one spike."""
    values = np.random.default_rng(1).normal(0, 1, rows)
    values[at : at + 3] += 40
    return values


def test_the_formula() -> None:
    """An early detection is worth nearly all, none costs the miss, a lonely alarm its weight, the beginning nothing."""
    values = np.zeros(1000)
    one = stream(values)
    windows = [(int(one.times[600]), int(one.times[699]))]
    standard = PROFILES["standard"]

    def at(*rows: int) -> float:
        scores = np.zeros(1000)
        scores[list(rows)] = 1.0
        return score_at([judged(one, scores, windows)], standard, 0.5).score

    assert at() == 0
    assert at(600) == pytest.approx(100)
    assert at(600, 640, 699) == pytest.approx(100)
    assert at(650) == pytest.approx(50 * (1 + 0.8483 / 0.98661), abs=0.1)
    assert at(400) == pytest.approx(-5.5)
    assert at(999) == pytest.approx(-5.5 * 0.99, abs=0.1)
    assert at(0, probation_rows(1000) - 1) == 0
    assert (probation_rows(1000), probation_rows(20_000)) == (150, 750)


def test_the_best_threshold_is_the_best() -> None:
    """As NAB does: of all thresholds the one with the highest score, silence included."""
    one = stream(np.zeros(1000))
    windows = [(int(one.times[600]), int(one.times[699]))]
    scores = np.zeros(1000)
    scores[[610, 300]] = [0.7, 0.4]
    found = best([judged(one, scores, windows)], PROFILES["standard"])
    assert found.threshold == 0.7
    assert (found.found, found.false_alarms) == (1, 0)


@pytest.mark.slow
def test_scores_come_from_the_past_alone() -> None:
    """A prefix of a stream has the same scores, with clocks that stand still or go back, and holes."""
    values = spiked()
    values[[40, 333]] = np.nan
    whole = stream(values)
    whole.times[300:] -= 12 * STEP_US
    whole.times[400] = whole.times[399]
    scores = anomaly_scores(whole)
    assert scores[500:503].max() >= COMMITTED
    for rows in (1, 301, 401, 501, 600):
        part = Stream(whole.name, whole.stamps[:rows], whole.times[:rows], values[:rows])
        np.testing.assert_array_equal(anomaly_scores(part), scores[:rows])


@pytest.mark.slow
def test_the_command_writes_every_row_and_prints_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files beside each other in and out, timestamps as they were, a stream without labels left out of the score."""
    (tmp_path / "in" / "some").mkdir(parents=True)
    for name in ("a", "b"):
        one = stream(spiked())
        lines = [f"{stamp},{value}" for stamp, value in zip(one.stamps, one.values, strict=True)]
        (tmp_path / "in" / "some" / f"{name}.csv").write_text("\n".join(["timestamp,value", *lines]))
    windows = tmp_path / "windows.json"
    windows.write_text(json.dumps({"some/a.csv": [[one.stamps[480], one.stamps[530]]]}))
    status = main(
        ["--data", str(tmp_path / "in"), "--windows", str(windows), "--out", str(tmp_path / "out"), "--check"]
    )
    told = capsys.readouterr()
    assert status == 0
    assert "1 of 1" in told.out
    assert "some/b.csv has no entry" in told.err
    rows = list(csv.DictReader((tmp_path / "out" / "some" / "b.csv").read_text().splitlines()))
    assert [row["timestamp"] for row in rows] == list(one.stamps)
    assert max(float(row["anomaly_score"]) for row in rows) < 1


@pytest.mark.parametrize("missing", ["data", "windows"])
def test_what_is_not_there_is_said(tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence and status 2."""
    (tmp_path / "windows.json").write_text("{}" if missing == "data" else "[1]")
    arguments = ["--data", str(tmp_path / "none"), "--windows", str(tmp_path / "windows.json")]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
