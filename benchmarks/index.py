"""Kafka to Elasticsearch: our indexer and others', measured in the same run. `python benchmarks/index.py --help` says how."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.command import positive, show
from benchmarks.indexing.roads import BATCH, ROADS, Road
from benchmarks.indexing.run import Plan, run_all
from benchmarks.promises import Promise, judge
from benchmarks.result import Result
from benchmarks.table import machine_lines, verdict_rows_of
from shipper.config import load_settings

_KEPT, _BROKEN, _USAGE = 0, 1, 2
_RATE, _CPU = "documents per second", "CPU seconds per 100,000"
_LIMIT: Final = "raw-two-threads"
PROMISES: Final = (
    Promise(f"with [fast] installed: {_RATE}", "shipper", "rate", 0.9, _LIMIT, at_least=True),
    Promise(f"with [fast] installed: {_RATE}", "shipper", "rate", 3.5, "helpers.bulk", at_least=True),
    Promise(f"with [fast] installed: {_CPU}", "shipper", "cpu", 0.4, unit="s"),
    Promise(f"over kafka-python: {_CPU}", "shipper-kafka-python", "cpu", 1.2, unit="s"),
)
_HELP: Final = f"""
Each contender is a process of its own that stores the same documents in an empty index of the same template,
{BATCH:,} in a request. Ours read them from a topic of one partition (lz4, a key, five headers), check them, and commit;
the time runs from the first record handed out to the last commit. The others have their documents, or finished bulk bodies, in memory
when the time begins. CPU is that of the contender's process alone, user and system. Medians over the repeats; a ratio
is the median of those of each repeat.

  python benchmarks/index.py --kafka localhost:9092 --elasticsearch http://localhost:9200
  python benchmarks/index.py --contender shipper --contender raw-two-threads --records 200000 --bytes 690
  python benchmarks/index.py --check                 and exit with 1 beyond a promise
"""
_PAGE: Final = """# What indexing costs

Written by `benchmarks/index.py --markdown`; `make bench-index` measures anew and fails beyond a promise.

{head}

## Promises

{promises}

## Contenders

{found}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 (a promise is broken), 2 (it cannot be done like this)."""
    options = _parser().parse_args(arguments)
    unknown = sorted(set(options.contender) - {road.name for road in ROADS})
    if unknown:
        known = ", ".join(road.name for road in ROADS)
        print(f"There is no contender {unknown[0]}. There are: {known}.", file=sys.stderr)
        return _USAGE
    chosen = [road for road in ROADS if not options.contender or road.name in options.contender]
    plan = Plan(
        options.repeats, options.records, options.bytes, options.kafka, options.elasticsearch, options.seed
    )
    pairs = [(promise.ours, promise.peer) for promise in PROMISES if promise.peer]
    result = run_all(chosen, pairs, plan, lambda text: print(text, file=sys.stderr, flush=True))
    _say(chosen, result, plan, is_page=options.markdown)
    broken = [v for v in (judge(promise, result) for promise in PROMISES) if v is not None and not v.is_kept]
    return _BROKEN if options.check and (broken or result.failed) else _KEPT


def rows(chosen: Sequence[Road], result: Result) -> list[Sequence[str]]:
    """Return the table of contenders, head first."""
    table: list[Sequence[str]] = [("contender", "what it is", _RATE, _CPU, "to the limit")]
    limit = result.runs.get(_LIMIT, [])
    for road in chosen:
        runs = result.runs.get(road.name)
        if runs is None:
            continue
        rate, cpu = (statistics.median(run[figure] for run in runs) for figure in ("rate", "cpu"))
        to = [one["rate"] / other["rate"] for one, other in zip(runs, limit, strict=False)]
        ratio = f"{statistics.median(to):.2f}" if to else ""
        table.append((road.name, road.says, f"{rate:,.0f}", f"{cpu:.2f}", ratio))
    return table


def _say(chosen: Sequence[Road], result: Result, plan: Plan, *, is_page: bool) -> None:
    head = machine_lines(f"{plan.repeats} repeats, {plan.records} documents of {plan.size} bytes")
    show(verdict_rows_of(PROMISES, result), rows(chosen, result), head, _PAGE if is_page else "")
    for name, why in (result.missing | result.failed).items():
        print(f"{name} {'failed' if name in result.failed else 'skipped'}: {why}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/index.py",
        description="Kafka to Elasticsearch: our indexer and others'.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    settings = load_settings()
    servers, url = settings.kafka.bootstrap_servers, settings.elasticsearch.url
    add("--contender", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    add("--records", type=positive, default=300_000, help="documents of one run (default 300000)")
    add("--bytes", type=positive, default=690, help="of one document, about (default 690)")
    add("--repeats", type=positive, default=3, help="runs of each contender (default 3)")
    add("--kafka", default=servers, metavar="HOST:PORT", help=f"the brokers (default {servers})")
    add("--elasticsearch", default=url, metavar="URL", help=f"the cluster (default {url})")
    add("--check", action="store_true", help="exit with 1 if a promise is broken")
    add("--markdown", action="store_true", help="print the page docs/reference/indexing-costs.md")
    add("--seed", type=int, default=1, help="of the documents and of the order (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
