#!/usr/bin/env python3
"""Which log lines are the same message: ours and Drain3 beside the true templates of public log sets.

    benchmarks/grouping.py --data ../shared/data/loghub
    benchmarks/grouping.py --data DIR --set HDFS --set Spark --json --check

Every set is `<name>/<name>_2k.log_structured.csv` with the columns Content and EventId. One configuration for all of
them, the one that the job uses; Drain3 has its own defaults. Only the text of a line is looked at.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.table import plain
from shipper.detect.templates.forms import form_of, text_of
from shipper.detect.templates.mining import mined

LEAST_ACCURACY, LEAST_F = 0.87, 0.80
OURS = "shipper"
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "loghub"

Groups = Callable[[Sequence[str]], list[str]]


class Unusable(Exception):
    """What was given cannot be read; the message says what."""


@dataclass(frozen=True, slots=True)
class Scored:
    """How well a contender groups one set.

    Attributes:
        accuracy: share of lines whose group holds exactly the lines of their true group, 0 to 1.
        f: harmonic mean of the share of found groups that are true ones and of true groups that were found.
        lines_per_second: as measured here. Shapes that were seen are remembered, so that a set of few shapes, and
            whatever comes second, looks fast.
    """

    contender: str
    set: str
    accuracy: float
    f: float
    true_groups: int
    found_groups: int
    lines_per_second: float


def ours(lines: Sequence[str]) -> list[str]:
    """Return the template of every line as the job forms it: masked, then mined."""
    forms = [form_of(line) for line in lines]
    templates = mined(forms)
    return [text_of(templates[form]) for form in forms]


def masked_only(lines: Sequence[str]) -> list[str]:
    """Return the form of every line: what the stateless half of it is worth."""
    return [text_of(form_of(line)) for line in lines]


def drain3() -> Groups | None:
    """Return Drain3 with its defaults, or None where it is not installed."""
    try:
        drain = importlib.import_module("drain3")
        configuration = importlib.import_module("drain3.template_miner_config")
    except ImportError:
        return None

    def groups(lines: Sequence[str]) -> list[str]:
        miner = drain.TemplateMiner(config=configuration.TemplateMinerConfig())
        return [str(miner.add_log_message(line)["cluster_id"]) for line in lines]

    return groups


def grouping(truth: Sequence[str], found: Sequence[str]) -> tuple[float, float]:
    """Return grouping accuracy and F of group accuracy; see `Scored`."""
    true_groups = set(_members(truth))
    right = [group for group in _members(found) if group in true_groups]
    precision, recall = len(right) / len(_members(found)), len(right) / len(true_groups)
    f = 2 * precision * recall / (precision + recall) if right else 0.0
    return sum(map(len, right)) / len(truth), f


def _members(names: Sequence[str]) -> list[frozenset[int]]:
    members: dict[str, set[int]] = defaultdict(set)
    for line, name in enumerate(names):
        members[name].add(line)
    return [frozenset(group) for group in members.values()]


def read_set(path: Path) -> tuple[list[str], list[str]]:
    """Return lines and true groups.

    Raises:
        Unusable: the file is not a table with Content and EventId.
    """
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            rows = [(row["Content"], row["EventId"]) for row in csv.DictReader(file)]
    except (OSError, csv.Error, KeyError) as error:
        raise Unusable(f"{path} is not a table with the columns Content and EventId: {error}.") from error
    if not rows:
        raise Unusable(f"{path} has no lines.")
    return [content for content, _ in rows], [event for _, event in rows]


def scored(contender: str, groups: Groups, path: Path) -> Scored:
    """Let one contender group one set."""
    lines, truth = read_set(path)
    start = time.perf_counter()
    found = groups(lines)
    rate = len(lines) / (time.perf_counter() - start)
    accuracy, f = grouping(truth, found)
    return Scored(contender, path.parent.name, accuracy, f, len(set(truth)), len(set(found)), rate)


def means(results: Sequence[Scored]) -> dict[str, tuple[float, float]]:
    """Return mean accuracy and mean F over the sets by contender."""
    by_name: dict[str, list[Scored]] = defaultdict(list)
    for one in results:
        by_name[one.contender].append(one)
    return {
        name: (sum(one.accuracy for one in some) / len(some), sum(one.f for one in some) / len(some))
        for name, some in by_name.items()
    }


def _table(results: Sequence[Scored]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("set", "contender", "accuracy", "F of groups", "true", "found", "lines/s")
    ]
    rows += [
        (
            one.set,
            one.contender,
            f"{one.accuracy:.3f}",
            f"{one.f:.3f}",
            str(one.true_groups),
            str(one.found_groups),
            f"{one.lines_per_second:.0f}",
        )
        for one in results
    ]
    return rows + [
        ("mean", name, f"{accuracy:.3f}", f"{f:.3f}", "", "", "")
        for name, (accuracy, f) in means(results).items()
    ]


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    named = os.environ.get("SHIPPER_BENCH_DATA")
    default = Path(named) / "loghub" if named else DATA
    parser.add_argument(
        "--data", type=Path, default=default, metavar="DIR", help="folder of the sets (default: %(default)s)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="NAME", help="only this one; repeat")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--check", action="store_true", help="exit 1 if a mean is missed")
    return parser.parse_args(words)


def _paths(folder: Path, wanted: Sequence[str]) -> list[Path]:
    paths = sorted(folder.glob("*/*_structured.csv"))
    unknown = set(wanted) - {path.parent.name for path in paths}
    if unknown:
        known = ", ".join(path.parent.name for path in paths)
        raise Unusable(f"There is no set {', '.join(sorted(unknown))}; there are {known}.")
    if not paths:
        raise Unusable(f"There is no set at {folder}/<name>/<name>_2k.log_structured.csv.")
    return [path for path in paths if not wanted or path.parent.name in wanted]


def _run(paths: Sequence[Path], contenders: Mapping[str, Groups]) -> list[Scored]:
    results = []
    for place, path in enumerate(paths, 1):
        print(f"set {place} of {len(paths)}, {path.parent.name}", file=sys.stderr)
        results += [scored(name, groups, path) for name, groups in contenders.items()]
    return results


def main(words: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 1 where a mean is missed with --check, 2 where the data cannot be read."""
    arguments = _arguments(words)
    contenders: dict[str, Groups] = {OURS: ours, f"{OURS}, masks only": masked_only}
    peer = drain3()
    if peer is not None:
        contenders["Drain3"] = peer
    else:
        print("Drain3 is left out: it is not installed (pip install drain3).", file=sys.stderr)
    if not arguments.data.is_dir():
        print(f"Skipped: there is no folder {arguments.data}; name one with --data.", file=sys.stderr)
        return 2 if arguments.check else 0
    try:
        paths = _paths(arguments.data, arguments.set)
        results = _run(paths, contenders)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    accuracy, f = means(results)[OURS]
    is_reached = accuracy >= LEAST_ACCURACY and f >= LEAST_F
    if arguments.json:
        print(json.dumps({"sets": [asdict(one) for one in results], "means": means(results)}, indent=2))
    else:
        print(plain(_table(results)))
        word = "reached" if is_reached else "missed"
        print(f"\nMean accuracy {accuracy:.3f} of {LEAST_ACCURACY}, mean F {f:.3f} of {LEAST_F}: {word}.")
    return 1 if arguments.check and not is_reached else 0


if __name__ == "__main__":
    sys.exit(main())
