#!/usr/bin/env python3
"""What a detection run costs over a day of documents, on the real Elasticsearch. `benchmarks/detect_cost.py --help` says how."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.command import positive, show
from benchmarks.detecting.ground import Ground, filled, server
from benchmarks.detecting.history import FEATURES, SERVICES, VERSIONS, end_of_day
from benchmarks.detecting.measured import CommandFailed, Cost, detect, plain_aggregation, prepare, pull
from benchmarks.promises import Promise, judge
from benchmarks.result import Result
from benchmarks.table import machine_lines, verdict_rows_of

_KEPT, _BROKEN, _USAGE = 0, 1, 2
FIRST, LATER, PLAIN, PANDAS = "first run", "later run", "one aggregation", "pandas"
_MILLION: Final = 1_000_000
_MOST_FOR_PANDAS: Final = 1_000_000
_HELP: Final = """
For each size a day of documents is stored in a namespace of its own: predictions, log records, labels, evaluations. Then
`shipper detect run --once` judges it with the rules that ship: a first run that knows nothing, and a later one, one
window on. Wall time, CPU and memory are those of the whole process, its start and imports included. Beside them, in the
same repeat: one plain aggregation over the same documents, asked by a client that runs already, and once per size the
fields that the rules need pulled into pandas. Remembered answers are forgotten before each repeat. Medians over the repeats.

  benchmarks/detect_cost.py                               on an Elasticsearch that it starts, stops and deletes
  benchmarks/detect_cost.py --elasticsearch http://localhost:9200 --documents 1000000 --repeats 5
  benchmarks/detect_cost.py --documents 10000,100000,1000000,10000000 --markdown > docs/reference/detection-costs.md
"""
_PAGE: Final = """# What detection costs

Written by `benchmarks/detect_cost.py --markdown`; `make bench-detect` measures anew and fails beyond a promise.

{{head}}

A day of predictions ({numeric} numeric and 2 categorical features), log records and labels of {services} services and {versions} versions
of a model, judged by the rules that ship. Seconds and megabytes are those of the whole process `shipper detect run
--once`, from its start to its end; `server` is the processor time of Elasticsearch meanwhile. The later run comes one
window after the first and asks for all baselines anew: only verdicts and bins are remembered. `pandas` is the same
client pulling the fields that the rules need into a data frame, and nothing more. Why it is so:
[how detection decides](../explanation/detection.md#what-it-costs).

## Promises

{{promises}}

## Cost by number of documents

{{found}}
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: sizes, how often each, the server, and the seed of the documents."""

    sizes: tuple[int, ...]
    repeats: int
    url: str
    seed: int
    has_pandas: bool


def named(what: str, documents: int) -> str:
    """Return the name of a measured thing at a size."""
    return f"{what}, {documents:,} documents"


def promises(sizes: Sequence[int]) -> tuple[Promise, ...]:
    """Return what is promised of runs over so many documents, smallest first."""
    found = []
    for size in sizes:
        first, later = named(FIRST, size), named(LATER, size)
        if size == _MILLION:
            found += [Promise(f"{what}: wall time", what, "wall", 3, unit="s") for what in (first, later)]
            found.append(
                Promise(
                    f"{first}, to pulling them into pandas: wall time",
                    first,
                    "wall",
                    0.25,
                    named(PANDAS, size),
                )
            )
        found += [Promise(f"{what}: memory", what, "rss", 200, unit="MB") for what in (first, later)]
    if len(sizes) > 1:
        least, most = named(FIRST, sizes[0]), named(FIRST, sizes[-1])
        found.append(Promise("process time, most to fewest documents", most, "cpu", 2, least))
    return tuple(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 (a promise is broken), 2 (it cannot be measured)."""
    options = _parser().parse_args(arguments)
    plan = Plan(
        options.documents, options.repeats, options.elasticsearch, options.seed, not options.no_pandas
    )
    result, shapes = Result(), {}
    try:
        with server(plan.url, _say) as url:
            for size in plan.sizes:
                shapes[size] = _of_size(result, plan, url, size)
    except CommandFailed as error:
        print(f"The command that is measured failed: {error}", file=sys.stderr)
        return _USAGE
    least, most = named(FIRST, plan.sizes[0]), named(FIRST, plan.sizes[-1])
    result.meetings[most, least] = list(zip(result.runs[most], result.runs[least], strict=True))
    promised = promises(plan.sizes)
    if options.json:
        print(json.dumps({"runs": result.runs, "shapes": shapes}))
    else:
        head = machine_lines(f"{plan.repeats} repeats at each size")
        numbers = {"numeric": len(FEATURES), "services": len(SERVICES), "versions": len(VERSIONS)}
        page = _PAGE.format(**numbers) if options.markdown else ""
        show(verdict_rows_of(promised, result), rows(plan, result, shapes), head[:2], page)
    broken = [v for v in (judge(promise, result) for promise in promised) if v is not None and not v.is_kept]
    return _BROKEN if options.check and broken else _KEPT


def _of_size(result: Result, plan: Plan, url: str, size: int) -> dict[str, int]:
    """Measure one size; return how many windows the first run judged, of all groups, and how many groups."""
    shape: dict[str, int] = {}
    now_us = time.time_ns() // 1000
    with filled(url, size, end_of_day(now_us), plan.seed, _say) as ground:
        pulled = None
        prepare(ground)
        for repeat in range(plan.repeats):
            _say(f"{size:,} documents: repeat {repeat + 1} of {plan.repeats}")
            costs = dict(_once(ground, shape))
            if pulled is None and plan.has_pandas and size <= _MOST_FOR_PANDAS:
                _say(f"{size:,} documents: pulling them into pandas")
                pulled = pull(ground)
            _note(result, size, costs, pulled)
    return shape


def _once(ground: Ground, shape: dict[str, int]) -> Iterator[tuple[str, Cost]]:
    """Measure everything once, turn about, from a state that knows nothing."""
    ground.forget()
    before = plain_aggregation(ground)
    first, report = detect(ground, is_later=False)
    shape["windows"] = sum(rule["windows"] for rule in report["rules"])
    shape["groups"] = sum(rule["groups"] for rule in report["rules"])
    after = plain_aggregation(ground)
    later, _ = detect(ground, is_later=True)
    yield PLAIN, min(before, after, key=lambda cost: cost.wall_s)
    yield FIRST, first
    yield LATER, later


def _note(result: Result, size: int, costs: dict[str, Cost], pulled: Cost | None) -> None:
    for what, cost in costs.items():
        result.runs.setdefault(named(what, size), []).append(cost.figures())
    for what in (FIRST, LATER):
        others = [(PLAIN, costs[PLAIN]), *([(PANDAS, pulled)] if pulled is not None else [])]
        for peer, cost in others:
            pair = (named(what, size), named(peer, size))
            result.meetings.setdefault(pair, []).append((costs[what].figures(), cost.figures()))
    if pulled is not None:
        result.runs[named(PANDAS, size)] = [pulled.figures()]


def rows(plan: Plan, result: Result, shapes: dict[int, dict[str, int]]) -> list[Sequence[str]]:
    """Return the table by size and by what was measured, head first."""
    table: list[Sequence[str]] = [
        ("documents", "what", "windows", "groups", "wall s", "to one aggregation", "process CPU s", "server CPU s", "MB")
    ]  # fmt: skip
    for size in plan.sizes:
        for what in (PLAIN, FIRST, LATER, PANDAS):
            runs = result.runs.get(named(what, size))
            if runs is None:
                continue
            middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            ratios = result.ratios(named(what, size), "wall", named(PLAIN, size))
            shape = shapes[size] if what == FIRST else {}
            table.append((
                f"{size:,}", what, *(f"{shape[name]:,}" if shape else "" for name in ("windows", "groups")),
                f"{middle['wall']:.2f}", f"{statistics.median(ratios):.1f}" if ratios else "",
                f"{middle['cpu']:.2f}", f"{middle['server']:.2f}", f"{middle['rss']:.0f}" if middle["rss"] else "",
            ))  # fmt: skip
    return table


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(sorted({positive(part) for part in text.split(",")}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/detect_cost.py",
        description="What a detection run costs over a day of documents.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--documents", type=_sizes, default=(10_000, 100_000, 1_000_000), metavar="N,N,...",
        help="sizes of the day (default 10000,100000,1000000)")  # fmt: skip
    add("--repeats", type=positive, default=3, help="runs at each size (default 3)")
    add("--elasticsearch", default="", metavar="URL", help="the cluster (default: one is started)")
    add("--no-pandas", action="store_true", help="do not pull the documents into pandas")
    add("--check", action="store_true", help="exit with 1 if a promise is broken")
    add("--markdown", action="store_true", help="print the page docs/reference/detection-costs.md")
    add("--json", action="store_true", help="print all figures as JSON")
    add("--seed", type=int, default=1, help="of the documents (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
