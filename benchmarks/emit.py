"""What a logging call costs: ours and others', measured in the same run. `python benchmarks/emit.py --help` says how."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.command import positive
from benchmarks.contender import Contender
from benchmarks.contenders import CONTENDERS
from benchmarks.page import page
from benchmarks.promises import PROMISES, REFERENCES, judge
from benchmarks.result import Result
from benchmarks.run import Plan, run_all
from benchmarks.table import machine, plain, process_rows, rows, verdict_rows

_KEPT, _BROKEN, _USAGE = 0, 1, 2
_HELP: Final = """
Each contender runs in a fresh process of its own and logs the same inference record (ten features, about
650 bytes as JSON). In each repeat, in another random order, it meets its peer: the two take turns of some
hundred calls. The table shows medians over the repeats; a ratio is the median of those of each meeting,
with its spread.

  python benchmarks/emit.py                       every contender
  python benchmarks/emit.py shipper structlog     these two
  python benchmarks/emit.py 'shipper*' --repeats 9
  python benchmarks/emit.py --check               and exit with 1 beyond a promise

Peers beyond structlog and python-json-logger come with: pip install '.[bench]'
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 (a promise is broken), 2 (it cannot be done like this)."""
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(f"{one.name:28} {one.says}" for one in CONTENDERS))
        return _KEPT
    chosen, problem = choose(options.names)
    if problem:
        print(problem, file=sys.stderr)
        return _USAGE
    plan = Plan(
        options.repeats, options.calls, options.threads, options.kafka, options.directory, options.seed
    )
    result = run_all(chosen, plan, lambda text: print(text, file=sys.stderr, flush=True))
    _say(chosen, result, plan, options)
    if result.failed and options.check:
        return _BROKEN
    return check(result, is_whole=not options.names) if options.check else _KEPT


def choose(names: Sequence[str]) -> tuple[list[Contender], str]:
    """Return the contenders of these names or patterns, with the peers that they are measured by; or a problem."""
    if not names:
        return list(CONTENDERS), ""
    known = [one.name for one in CONTENDERS]
    wanted: set[str] = set()
    for name in names:
        found = fnmatch.filter(known, name)
        if not found:
            return [], f"There is no contender {name}. --list shows all {len(known)}."
        wanted.update(found)
    wanted |= {one.peer for one in CONTENDERS if one.name in wanted and one.peer}
    return [one for one in CONTENDERS if one.name in wanted], ""


def check(result: Result, *, is_whole: bool) -> int:
    """Return the exit status for the promises that this run can judge.

    Args:
        result: the run.
        is_whole: whether all contenders were asked for; then each reference must have run.
    """
    absent = sorted(REFERENCES - result.runs.keys()) if is_whole else []
    if absent:
        print(f"The promises cannot be checked without {', '.join(absent)}.", file=sys.stderr)
        return _USAGE
    verdicts = [verdict for promise in PROMISES if (verdict := judge(promise, result)) is not None]
    if not verdicts:
        print("None of the chosen contenders has a promise.", file=sys.stderr)
        return _USAGE
    broken = [verdict for verdict in verdicts if not verdict.is_kept]
    for verdict in broken:
        promise = verdict.promise
        print(f"Broken: {promise.says}: {verdict.value:.2f}, promised {promise.bound}.", file=sys.stderr)
    print(f"{len(verdicts) - len(broken)} of {len(verdicts)} promises kept.", file=sys.stderr)
    return _BROKEN if broken else _KEPT


def _say(chosen: Sequence[Contender], result: Result, plan: Plan, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(_as_data(result, plan), indent=1))
    elif options.markdown:
        print(page(chosen, result, plan))
    else:
        tables = [rows(chosen, result, plan), process_rows(chosen, result)]
        if options.check:
            tables.append(verdict_rows(result))
        print("\n\n".join(plain(table) for table in tables if len(table) > 1))
        print("\n" + "\n".join(machine(plan)))
    for name, why in (result.missing | result.failed).items():
        how = "failed" if name in result.failed else "skipped"
        print(f"{name} {how}: {why}", file=sys.stderr)


def _as_data(result: Result, plan: Plan) -> dict[str, object]:
    verdicts = [verdict for promise in PROMISES if (verdict := judge(promise, result)) is not None]
    return {
        "plan": {**asdict(plan), "directory": str(plan.directory or "")},
        "machine": machine(plan),
        "runs": result.runs,
        "missing": result.missing,
        "failed": result.failed,
        "promises": [{**asdict(verdict), "is_kept": verdict.is_kept} for verdict in verdicts],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/emit.py",
        description="What a logging call costs: ours and others'.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "names", nargs="*", help="contenders, or patterns such as 'shipper*'; none: all. Their peers run, too"
    )
    add("--list", action="store_true", help="show the names and end")
    add("--check", action="store_true", help="show the promises; exit with 1 if one is broken")
    add("--json", action="store_true", help="print all figures of all repeats as JSON")
    add("--markdown", action="store_true", help="print the page docs/reference/costs.md")
    add("--repeats", type=positive, default=5, help="runs of each contender (default 5)")
    add("--calls", type=positive, default=20_000, help="timed calls of each run (default 20000)")
    add("--threads", type=positive, default=4, help="threads for the throughput (default 4)")
    add("--kafka", default="", metavar="HOST:PORT", help="a broker, for the contenders that need one")
    add("--directory", type=Path, help="where to write (default: the temporary folder)")
    add("--seed", type=int, default=1, help="of the records and of the order (default 1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
