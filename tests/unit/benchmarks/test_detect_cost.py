"""The benchmark of detection's cost: the day that is judged, what is promised, how it is told."""

from __future__ import annotations

import json
from collections import Counter

from benchmarks.detect_cost import FIRST, LATER, PANDAS, PLAIN, Plan, named, promises, rows
from benchmarks.detecting.history import History, end_of_day
from benchmarks.promises import judge
from benchmarks.result import Result
from shipper.datasets import index_name
from shipper.detect.event_time.window import DAY_US, HOUR_US, parse_iso

END_US = 1_790_000_003_600_000_000 // 1000 // HOUR_US * HOUR_US


def test_the_day_is_whole_and_in_its_indices() -> None:
    """As many documents as asked for, each with its own id, inside the day, in the index of its time, as the rules read them."""
    ids: set[str] = set()
    datasets: Counter[str] = Counter()
    for body, count in History(1_200, END_US, "test", seed=3).bodies():
        lines = body.splitlines()
        assert len(lines) == 2 * count
        for action, line in zip(lines[::2], lines[1::2], strict=True):
            about, document = json.loads(action)["create"], json.loads(line)
            moment, dataset = parse_iso(document["@timestamp"]), document["event"]["dataset"]
            assert END_US - DAY_US <= moment < END_US
            assert parse_iso(document["event"]["ingested"]) > moment
            assert about["_index"] == index_name(dataset, "test", moment)
            assert about["_id"] == document["event"]["id"]
            if dataset == "ml.feedback":
                assert parse_iso(document["ml"]["prediction"]["time"]) < moment
            ids.add(about["_id"])
            datasets[dataset] += 1
    assert datasets.pop("ml.evaluation") == 48
    assert sum(datasets.values()) == 1_200
    assert len(ids) == 1_248
    assert datasets["ml.inference"] > datasets["ml.app"] > datasets["ml.feedback"] > 100


def test_the_day_ends_where_all_windows_end() -> None:
    """The last full hour: windows of every length end there."""
    assert end_of_day(END_US + 59 * 60 * 10**6) == END_US


def costs(wall: float, rss: float = 100.0) -> dict[str, float]:
    """Figures of one process."""
    return {"wall": wall, "cpu": 1.0, "server": 1.0, "rss": rss}


def test_a_run_that_is_too_slow_or_too_large_breaks_a_promise() -> None:
    """3 s over a million documents, 200 MB at any size; slower machines are told by the ratio to pandas."""
    million = 1_000_000
    result = Result()
    for what, wall, rss in (
        (FIRST, 2.9, 150.0),
        (LATER, 3.1, 201.0),
        (PANDAS, 20.0, 500.0),
        (PLAIN, 0.2, 0.0),
    ):
        result.runs[named(what, million)] = [costs(wall, rss)]
    result.meetings[named(FIRST, million), named(PANDAS, million)] = [(costs(2.9), costs(20.0))]
    verdicts = [judge(promise, result) for promise in promises([million])]
    assert [one.is_kept for one in verdicts if one is not None] == [True, False, True, True, False]
    plan = Plan((million,), 1, "", 1, has_pandas=True)
    head, *table = rows(plan, result, {million: {"windows": 5_000, "groups": 20}})
    assert [row[1] for row in table] == [PLAIN, FIRST, LATER, PANDAS]
    assert table[1][head.index("windows")] == "5,000"


def test_what_more_documents_may_cost() -> None:
    """Between the smallest and the largest day the process may take twice the time, not a hundred times."""
    found = promises([10_000, 10_000_000])
    assert found[-1].peer == named(FIRST, 10_000)
    assert (found[-1].ours, found[-1].limit) == (named(FIRST, 10_000_000), 2)
    assert not [one for one in found if one.unit == "s"], "seconds are promised for a million"
