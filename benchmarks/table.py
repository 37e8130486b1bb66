"""A run as text: for a terminal, and as the page of the documentation."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from benchmarks.contender import Contender, Kind
from benchmarks.promises import PROMISES, Promise, Verdict, judge
from benchmarks.result import Result
from benchmarks.run import Plan

Row = Sequence[str]

_HEAD: Final = (
    "contender",
    "what it does",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "4 threads, k/s",
    "bytes",
    "p50 ratio",
    "to",
)
_PEERS: Final = (
    "structlog", "orjson", "python-json-logger", "picologging", "loguru", "ecs-logging", "python-logstash-async",
    "opentelemetry-sdk", "confluent-kafka", "kafka-python",
)  # fmt: skip


def rows(contenders: Iterable[Contender], result: Result, plan: Plan) -> list[Row]:
    """Return the table of contenders, its head first: medians over the repeats."""
    head = tuple(cell.replace("4 threads", f"{plan.threads} threads") for cell in _HEAD)
    return [
        head,
        *(_row(one, result) for one in contenders if one.name in result.runs and one.kind != Kind.PROCESS),
    ]


def _row(contender: Contender, result: Result) -> Row:
    runs = result.runs[contender.name]

    def figure(name: str, scale: float = 1, digits: int = 1) -> str:
        values = [run[name] for run in runs if name in run]
        return f"{statistics.median(values) / scale:.{digits}f}" if values else ""

    found = result.ratios(contender.name, "p50", contender.peer)
    digits = 3 if contender.kind == Kind.LOOP else 1
    return (
        contender.name, contender.says, figure("p50", digits=digits), figure("p99", digits=digits),
        figure("p999", digits=digits), figure("threads", 1000), figure("bytes", digits=0),
        f"{statistics.median(found):.2f} ({min(found):.2f}–{max(found):.2f})" if found else "",
        contender.peer if found else "",
    )  # fmt: skip


def process_rows(contenders: Iterable[Contender], result: Result) -> list[Row]:
    """Return the figures of whole processes, head first."""
    found: list[Row] = [("what", "figure", "median")]
    for one in contenders:
        if one.kind == Kind.PROCESS and one.name in result.runs:
            runs = result.runs[one.name]
            found += [
                (one.says, _FIGURES.get(name, name), f"{statistics.median(run[name] for run in runs):.1f}")
                for name in runs[0]
            ]
    found += [
        (f"text of a message, {how}", "extra µs per KB", f"{cost:.2f}") for how, cost in text_costs(result)
    ]
    return found


_FIGURES: Final = {
    "import_ms": "ms",
    "first_ms": "ms to the first record in the spool",
    "rss_mb": "MB resident, the spool's mapped pages included",
    "anonymous_mb": "MB of the process's own",
}


def text_costs(result: Result) -> list[tuple[str, float]]:
    """Return the microseconds that each KB (1,024 characters) of a message adds, by how it is treated."""
    found = []
    for how, long, short in (
        ("redaction on", "shipper-text", "shipper-note"),
        ("redaction off", "shipper-text-unredacted", "shipper-note-unredacted"),
        ("structlog", "structlog-text", "structlog-note"),
    ):
        pairs = zip(result.runs.get(long, ()), result.runs.get(short, ()), strict=False)
        costs = [(a["p50"] - b["p50"]) / 4 for a, b in pairs]
        if costs:
            found.append((how, statistics.median(costs)))
    return found


def verdict_rows(result: Result) -> list[Row]:
    """Return the table of promises, head first; a promise without figures says so."""
    return verdict_rows_of(PROMISES, result)


def verdict_rows_of(promises: Iterable[Promise], result: Result) -> list[Row]:
    """Return the table of these promises, head first."""
    found: list[Row] = [("promise", "of", "to", "limit", "measured", "verdict")]
    for promise in promises:
        verdict = judge(promise, result)
        measured = (
            "" if verdict is None else f"{verdict.value:.2f} ({verdict.lowest:.2f}–{verdict.highest:.2f})"
        )
        found.append((promise.says, promise.ours, promise.peer, promise.bound, measured, _word(verdict)))
    return found


def _word(verdict: Verdict | None) -> str:
    if verdict is None:
        return "not measured"
    return "kept" if verdict.is_kept else "BROKEN"


def plain(table: Sequence[Row]) -> str:
    """Return a table with aligned columns."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if _is_figure(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in table
    ]
    return "\n".join([lines[0], "-" * max(len(line) for line in lines), *lines[1:]])


def _is_figure(cell: str) -> bool:
    return cell.replace(".", "").replace("-", "").isdigit()


def markdown(table: Sequence[Row]) -> str:
    """Return a table as Markdown."""
    head, *body = ("| " + " | ".join(cell or " " for cell in row) + " |" for row in table)
    return "\n".join([head, "|" + "---|" * len(table[0]), *body])


def machine(plan: Plan) -> list[str]:
    """Return what the figures depend on, a line each; nothing that names the machine."""
    return machine_lines(f"{plan.repeats} repeats, {plan.calls} timed calls in each, {plan.threads} threads")


def machine_lines(measured: str) -> list[str]:
    """Return the machine, how much was `measured` on it, and the versions of the peers."""
    versions = [f"{name} {found}" for name in _PEERS if (found := _version(name))]
    load = ", ".join(f"{part:.1f}" for part in os.getloadavg())
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores ({_processor()})"
    return [f"{python}, {system}, load {load}", measured, ", ".join(versions)]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
