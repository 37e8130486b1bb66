"""Disk to Kafka: our agent and others', measured in the same run. `python benchmarks/ship.py --help` says how."""

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
from benchmarks.promises import Promise, judge
from benchmarks.result import Result
from benchmarks.shipping.crash import ready_after_crash
from benchmarks.shipping.roads import ROADS, Road
from benchmarks.shipping.run import Plan, run_all
from benchmarks.table import machine_lines, verdict_rows_of
from shipper.config import load_settings

_KEPT, _BROKEN, _USAGE = 0, 1, 2
_RATE, _CPU = "records per second", "CPU seconds per million"
PROMISES: Final = (
    Promise(f"with [fast] installed: {_RATE}", "agent", "rate", 0.8, "kcat", at_least=True),
    Promise(f"with [fast] installed: {_RATE}", "agent", "rate", 2.0, "rsyslog", at_least=True),
    Promise(f"with [fast] installed: {_CPU}", "agent", "cpu", 1.5, "kcat"),
    Promise(f"over kafka-python: {_RATE}", "agent-kafka-python", "rate", 1.0, "kafka-python", at_least=True),
    Promise(f"over confluent-kafka: {_RATE}", "agent-confluent-kafka", "rate", 0.8, "kcat", at_least=True),
    Promise(f"over confluent-kafka: {_CPU}", "agent-confluent-kafka", "cpu", 1.5, "kcat"),
    Promise("a spool after a crash: ready to append", "crash", "ready_ms", 1000, unit="ms"),
    Promise("a spool after a crash: first record read", "crash", "first_ms", 1000, unit="ms"),
)
_HELP: Final = """
Each contender is a process of its own that brings the same records from disk to a topic of one partition, with
acks=all, lz4, a key and five headers, and is timed from its start to its end (rsyslog: until all are on the topic).
CPU is what the kernel says of the process, user and system. Medians over the repeats; a ratio is the median of those
of each repeat.

  python benchmarks/ship.py --kafka localhost:9092
  python benchmarks/ship.py --contender agent --contender kcat --records 200000 --bytes 690
  python benchmarks/ship.py --check                 and exit with 1 beyond a promise

kcat, rsyslog and rsyslog-kafka come from the distribution; a program that is missing is skipped.
"""
_PAGE: Final = """# What shipping costs

Written by `benchmarks/ship.py --markdown`; `make bench-ship` measures anew and fails beyond a promise.

{head}

## Promises

{promises}

## Contenders

{found}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 (a promise is broken), 2 (it cannot be done like this)."""
    options = _parser().parse_args(arguments)
    by_name = {road.name: road for road in ROADS}
    unknown = sorted(set(options.contender) - by_name.keys())
    if unknown:
        print(f"There is no contender {unknown[0]}. There are: {', '.join(by_name)}.", file=sys.stderr)
        return _USAGE
    chosen = [road for road in ROADS if not options.contender or road.name in options.contender]
    plan = Plan(
        options.repeats, options.records, options.bytes, options.kafka, options.directory, options.seed
    )
    pairs = [(promise.ours, promise.peer) for promise in PROMISES if promise.peer]

    def progress(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    result = run_all(chosen, pairs, plan, progress)
    if not options.contender and options.crash_bytes:
        progress(f"a spool of {options.crash_bytes >> 20} MiB whose writer is killed")
        result.note(["crash"], [ready_after_crash(options.crash_bytes, plan.size, plan.directory)])
    _say(chosen, result, plan, is_page=options.markdown)
    broken = [v for v in (judge(promise, result) for promise in PROMISES) if v is not None and not v.is_kept]
    return _BROKEN if options.check and (broken or result.failed) else _KEPT


def rows(chosen: Sequence[Road], result: Result) -> list[Sequence[str]]:
    """Return the table of contenders, head first."""
    table: list[Sequence[str]] = [
        ("contender", "what it is", "records/s", "CPU-s per million", "to kcat", "CPU to kcat")
    ]
    for road in chosen:
        runs = result.runs.get(road.name)
        if runs is None:
            continue
        rate, cpu = (statistics.median(run[figure] for run in runs) for figure in ("rate", "cpu"))
        kcat = result.runs.get("kcat", [])
        to = [
            f"{statistics.median(a[figure] / b[figure] for a, b in zip(runs, kcat, strict=False)):.2f}"
            if kcat
            else ""
            for figure in ("rate", "cpu")
        ]
        table.append((road.name, road.says, f"{rate:,.0f}", f"{cpu:.2f}", *to))
    return table


def _say(chosen: Sequence[Road], result: Result, plan: Plan, *, is_page: bool) -> None:
    head = machine_lines(f"{plan.repeats} repeats, {plan.records} records of {plan.size} bytes")
    show(verdict_rows_of(PROMISES, result), rows(chosen, result), head, _PAGE if is_page else "")
    for name, why in (result.missing | result.failed).items():
        print(f"{name} {'failed' if name in result.failed else 'skipped'}: {why}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/ship.py",
        description="Disk to Kafka: our agent and others'.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    servers = load_settings().kafka.bootstrap_servers
    add("--contender", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    add("--records", type=positive, default=1_000_000, help="records of one run (default 1000000)")
    add("--bytes", type=positive, default=690, help="of one record, about (default 690)")
    add("--repeats", type=positive, default=3, help="runs of each contender (default 3)")
    add("--kafka", default=servers, metavar="HOST:PORT", help=f"the brokers (default {servers})")
    add("--check", action="store_true", help="exit with 1 if a promise is broken")
    add("--markdown", action="store_true", help="print the page docs/reference/shipping-costs.md")
    add("--directory", type=Path, help="where the records stand (default: the temporary folder)")
    add(
        "--crash-bytes",
        type=int,
        default=1 << 30,
        help="of the spool after a crash; 0: left out (default 1 GiB)",
    )
    add("--seed", type=int, default=1, help="of the records and of the order (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
