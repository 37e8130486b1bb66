"""The harness of `benchmarks/emit.py`: its record, its figures, its verdicts, and one small run of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from benchmarks.contender import Kind
from benchmarks.contenders import CONTENDERS
from benchmarks.emit import check, choose, main
from benchmarks.measure import percentile, summary, throughput, time_calls
from benchmarks.promises import PROMISES, REFERENCES, Promise, judge
from benchmarks.record import MESSAGE, Fields, make_records, make_texts
from benchmarks.result import Result
from benchmarks.run import Plan
from benchmarks.table import markdown, plain, rows, verdict_rows

ROOT = Path(__file__).resolve().parents[3]


def met(ours: str, peer: str, pairs: list[tuple[float, float]], figure: str = "p50") -> Result:
    """Return what came of meetings with these figures."""
    result = Result()
    for own, other in pairs:
        result.note([ours, peer], [{figure: own}, {figure: other}])
    return result


def test_record_is_what_is_promised() -> None:
    """One inference with ten features, about 650 bytes as JSON; ids and floats differ, equal seeds give equal records."""
    records = make_records(200, seed=1)
    sizes = [len(orjson.dumps({"event": MESSAGE, "level": "info", **fields})) for fields in records]
    assert 600 < sum(sizes) / len(sizes) < 700
    assert all(sum(name.startswith("ml.features.numeric.") for name in fields) == 10 for fields in records)
    assert len({fields["ml.prediction.id"] for fields in records}) == 200
    assert records == make_records(200, seed=1)
    assert records != make_records(200, seed=2)
    assert all(4_000 < len(text) < 4_200 for text in make_texts(5, 1, 4_096))


def test_percentiles_are_of_nearest_rank() -> None:
    """p50 of 1..1000 is 500, p99.9 is 999, the whole is 1000; a single value is all of them."""
    values = [float(number) for number in range(1, 1001)]
    assert [percentile(values, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500, 990, 999, 1000]
    assert percentile([7.0], 0.5) == percentile([7.0], 0.999) == 7
    assert summary([3000, 1000, 2000])["p50"] == 2


def test_each_record_is_logged_once() -> None:
    """Timing and throughput give each record to the contender once, from several threads together."""
    seen: list[Fields] = []
    records = make_records(40, seed=1)
    assert len(time_calls(seen.append, records[:20])) == 20
    assert throughput(seen.append, [records[20:30], records[30:]]) > 0
    assert sorted(map(id, seen)) == sorted(map(id, records))


@pytest.mark.parametrize(
    ("pairs", "kept", "value"),
    [([(6, 10)] * 3, True, 0.6), ([(7, 10)] * 3, False, 0.7), ([(50, 10), (6, 10), (5, 10)], True, 0.6), ([(6.5, 10)], True, 0.65)],
)  # fmt: skip
def test_verdict_is_of_the_median_ratio(pairs: list[tuple[float, float]], kept: bool, value: float) -> None:
    """A promise is judged by the median of the ratios of each meeting; the limit itself is kept."""
    verdict = judge(Promise("x", "ours", "p50", 0.65, "peer"), met("ours", "peer", pairs))
    assert verdict is not None
    assert (verdict.is_kept, round(verdict.value, 9)) == (kept, value)


def test_at_least_and_plain_limits() -> None:
    """A throughput must be at least its limit; a figure without a peer stands for itself."""
    faster = judge(Promise("x", "a", "threads", 2, "b", at_least=True), met("a", "b", [(30, 10)], "threads"))
    slower = judge(Promise("x", "a", "threads", 2, "b", at_least=True), met("a", "b", [(19, 10)], "threads"))
    assert faster is not None
    assert faster.is_kept
    assert slower is not None
    assert not slower.is_kept
    alone = Result()
    alone.note(["import"], [{"import_ms": 61.0}])
    verdict = judge(Promise("x", "import", "import_ms", 60, unit="ms"), alone)
    assert verdict is not None
    assert not verdict.is_kept


def test_promises_are_those_that_were_made() -> None:
    """U13: what emit may cost is published as ratios; each promise has a contender that measures it against its own peer."""
    by_name = {one.name: one for one in CONTENDERS}
    for promise in PROMISES:
        contender = by_name[promise.ours]
        assert contender.is_ours
        assert contender.peer == promise.peer, promise.says
        assert promise.figure != "threads" or contender.threads
        assert (promise.peer == "") == (contender.kind is Kind.PROCESS)
    limits = {(promise.ours, promise.figure): promise.limit for promise in PROMISES}
    assert limits["shipper-unredacted", "p50"] == 0.65
    assert limits["shipper", "p50"] == limits["shipper", "p999"] == 1.0
    assert limits["shipper", "threads"] == 2.0
    assert limits["shipper-handler", "p50"] == 0.6
    assert limits["shipper-disabled", "p50"] == 1.1
    assert {limits[one.name, figure] for one in CONTENDERS if one.peer == "shipper-healthy" and one.name not in _UNPROMISED
            for figure in ("p50", "p99")} == {1.2}  # fmt: skip
    assert (limits["import", "import_ms"], limits["memory", "rss_mb"]) == (60, 30)


_UNPROMISED = {"shipper-slow", "shipper-kafka"}
"""Measured for comparison only; the latter needs a broker."""


def test_names_are_unique_and_patterns_bring_their_peers() -> None:
    """Contenders are chosen by name or pattern, and come with the peers that their ratios refer to."""
    names = [one.name for one in CONTENDERS]
    assert len(names) == len(set(names))
    assert {one.name for one in choose(["shipper"])[0]} == {"shipper", "structlog"}
    assert {one.name for one in choose(["shipper-disabled*"])[0]} >= {
        "structlog-disabled",
        "shipper-disabled-bound",
    }
    assert choose(["nobody"]) == ([], f"There is no contender nobody. --list shows all {len(names)}.")
    assert len(choose([])[0]) == len(names)


def test_check_ends_as_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    """0: kept; 1: broken, and which; 2: nothing to judge, or a reference did not run."""
    assert check(met("shipper", "structlog", [(9, 10)]), is_whole=False) == 0
    assert check(met("shipper", "structlog", [(11, 10)]), is_whole=False) == 1
    assert "default redaction: p50: 1.10, promised ≤ 1 ×" in capsys.readouterr().err
    assert check(Result(), is_whole=False) == 2
    assert check(met("shipper", "structlog", [(9, 10)]), is_whole=True) == 2
    assert "structlog-bound" in capsys.readouterr().err
    assert "structlog" in REFERENCES


def test_tables_show_what_was_measured() -> None:
    """Both forms of the table hold each figure; a promise without figures says that it was not measured."""
    result = met("shipper", "structlog", [(9, 10)])
    table = rows(CONTENDERS, result, Plan())
    assert table[1][0] == "shipper"
    assert "0.90 (0.90–0.90)" in plain(table)
    verdicts = markdown(verdict_rows(result))
    assert "| ≤ 1 × | 0.90 (0.90–0.90) | kept |" in verdicts
    assert "not measured" in verdicts


def test_list_shows_every_contender(capsys: pytest.CaptureFixture[str]) -> None:
    """`--list` names all of them; an unknown name is one sentence and exit status 2."""
    assert main(["--list"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == [one.name for one in CONTENDERS]
    assert main(["nobody"]) == 2


@pytest.mark.slow
def test_small_run_as_a_program() -> None:
    """As a program: each contender in its own process, progress on standard error, figures as JSON."""
    command = [
        sys.executable,
        str(ROOT / "benchmarks" / "emit.py"),
        "shipper",
        "shipper-disabled-bound",
        "shipper-handler",
    ]
    options = ["--repeats", "1", "--calls", "200", "--threads", "2", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True, timeout=120)
    answer = json.loads(done.stdout)
    assert set(answer["runs"]) == {
        "shipper", "structlog", "shipper-disabled-bound", "structlog-disabled-bound", "shipper-handler", "python-json-logger",
    }  # fmt: skip
    (figures,) = answer["runs"]["shipper"]
    assert 0 < figures["p50"] <= figures["p99"] <= figures["p999"]
    assert figures["threads"] > 0
    assert figures["bytes"] > 650
    assert not answer["failed"]
    assert "shipper and structlog" in done.stderr
    assert {one["promise"]["ours"] for one in answer["promises"]} == {
        "shipper",
        "shipper-disabled-bound",
        "shipper-handler",
    }
