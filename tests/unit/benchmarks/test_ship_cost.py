"""benchmarks/ship.py: its records, its tables, its flags; what it measures needs a broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.promises import judge
from benchmarks.result import Result
from benchmarks.ship import PROMISES, main, rows
from benchmarks.shipping.crash import ready_after_crash
from benchmarks.shipping.roads import ROADS, Ground
from benchmarks.shipping.senders import messages
from benchmarks.shipping.store import PRODUCER, write_lines, write_spool


def test_spool_and_file_hold_the_same_records(tmp_path: Path) -> None:
    """Every contender brings the same bytes: of about the size asked for, in canonical form, with ids in order."""
    spool = write_spool(tmp_path / "made", 500, 690, 1)
    mean = write_lines(spool, tmp_path / "lines")
    assert 670 < mean < 710
    lines = (tmp_path / "lines").read_bytes().splitlines()
    assert [json.loads(line)["event"]["id"] for line in lines] == [f"{PRODUCER}-{n}" for n in range(1, 501)]
    assert all(line.startswith(b'{"@timestamp":"') for line in lines)
    sent = list(messages(tmp_path / "lines"))
    assert [line for line, _ in sent] == lines
    assert dict(sent[6][1])["event.id"] == f"{PRODUCER}-7".encode()
    assert len(sent[6][1]) == 5


def test_contenders_are_ready_to_run(tmp_path: Path) -> None:
    """Each command names the broker, the topic and its input; an agent gets a copy of the spool, which it may delete."""
    spool = write_spool(tmp_path / "made", 10, 300, 1)
    for road in ROADS:
        work = tmp_path / road.name
        work.mkdir()
        command, environment = road.prepare(Ground("host:9092", "topic-1", spool, tmp_path / "lines", work))
        told = " ".join(command) + json.dumps(environment)
        told += "".join(path.read_text("utf-8") for path in work.glob("*.conf"))
        assert "host:9092" in told
        assert "topic-1" in told
        assert str(tmp_path / "lines") in told or (work / "spool" / PRODUCER).is_dir()


def test_each_promise_is_of_contenders_that_exist() -> None:
    """A promise without a contender would never be judged."""
    names = {road.name for road in ROADS} | {"crash", ""}
    assert {name for promise in PROMISES for name in (promise.ours, promise.peer)} <= names


def test_ratios_are_those_of_one_repeat() -> None:
    """A verdict is the median of each repeat's own ratio; the table shows rate, CPU and both relative to kcat."""
    result = Result(runs={"agent": [{"rate": 100.0, "cpu": 3.0}], "kcat": [{"rate": 200.0, "cpu": 2.0}]})
    result.meetings["agent", "kcat"] = [({"rate": 100.0, "cpu": 3.0}, {"rate": 200.0, "cpu": 2.0})]
    verdicts = {verdict.promise.figure: verdict for p in PROMISES if (verdict := judge(p, result))}
    assert (verdicts["rate"].value, verdicts["rate"].is_kept) == (0.5, False)
    assert (verdicts["cpu"].value, verdicts["cpu"].is_kept) == (1.5, True)
    chosen = [road for road in ROADS if road.name in result.runs]
    assert rows(chosen, result)[1][2:] == ("100", "3.00", "0.50", "1.50")


def test_a_name_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown contender ends with 2 and the names that there are."""
    assert main(["--contender", "nobody"]) == 2
    assert "kcat" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_writers_spool_is_no_obstacle(tmp_path: Path) -> None:
    """The figures of a takeover: append and first read, in milliseconds."""
    found = ready_after_crash(20 << 20, 690, tmp_path)
    assert 0 < found["ready_ms"] < 1000
    assert 0 < found["first_ms"] < 1000
