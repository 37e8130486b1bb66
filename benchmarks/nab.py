"""The Numenta Anomaly Benchmark with the detector of the job. `python benchmarks/nab.py --help` says how."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.nab_streams.corpus import Stream, Unusable, read_streams, read_windows
from benchmarks.nab_streams.ours import COMMITTED, anomaly_scores
from benchmarks.nab_streams.peers import available, told_once
from benchmarks.nab_streams.scoring import PROFILES, Judged, Result, best, judged, score_at
from benchmarks.table import markdown, plain
from shipper.detect.fetching.table import Floats

_KEPT, _BROKEN, _USAGE = 0, 1, 2
REACH: Final = 65.0
"""Least standard score that `--check` asks for."""
_HELP: Final = f"""
Reads DIR/<folder>/<stream>.csv (timestamp,value), or DIR/data/<folder>/..., and the labelled windows of FILE (JSON,
stream: list of pairs of timestamps). Scores every row by itself and those before it, all streams with the one
configuration that the job's rules of kind `series` have by default, and writes <folder>/<stream>.csv with
timestamp,anomaly_score under --out. {COMMITTED} is the committed default threshold.

  python benchmarks/nab.py --data ../shared/data/nab --windows ../shared/data/nab/windows.json --out /tmp/nab
  python benchmarks/nab.py ... --peers       others' detectors in the same run
  python benchmarks/nab.py ... --check       exit with 1 below {REACH:.0f}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 1 (below the reach), 2 (it cannot be done like this)."""
    options = _options(arguments)
    try:
        windows = read_windows(options.windows)
        streams = read_streams(options.data)
        ours = _run("shipper", anomaly_scores, streams)
        _write(options.out, streams, ours)
    except (Unusable, OSError) as error:
        print(error, file=sys.stderr)
        return _USAGE
    labelled = [stream for stream in streams if stream.name in windows]
    for stream in streams:
        if stream.name not in windows:
            print(f"{stream.name} has no entry in the windows and is not scored.", file=sys.stderr)
    if not labelled:
        print("No stream has an entry in the windows: nothing to score.", file=sys.stderr)
        return _USAGE
    found = {"shipper": ours} | (_peers(labelled) if options.peers else {})
    show = markdown if options.markdown else plain
    rows, folders = _table(labelled, windows, found), _folders(labelled, windows, ours)
    print(f"{show(rows)}\n\n{show(folders)}")
    reached = best(_judged(labelled, windows, ours), PROFILES["standard"]).score
    return _BROKEN if options.check and not reached >= REACH else _KEPT


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "benchmarks/nab.py", epilog=_HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the streams")
    parser.add_argument("--windows", type=Path, required=True, metavar="FILE", help="the labelled windows")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the scores are written")
    parser.add_argument("--peers", action="store_true", help="run the peers that are installed as well")
    parser.add_argument("--check", action="store_true", help=f"fail below {REACH:.0f}")
    parser.add_argument("--markdown", action="store_true", help="tables as Markdown")
    return parser.parse_args(arguments)


def _run(name: str, detector: Callable[[Stream], Floats], streams: Sequence[Stream]) -> dict[str, Floats]:
    scores = {}
    for place, stream in enumerate(streams, 1):
        print(f"{name}: {place} of {len(streams)}, {stream.name}", file=sys.stderr)
        scores[stream.name] = detector(stream)
    return scores


def _peers(streams: Sequence[Stream]) -> dict[str, dict[str, Floats]]:
    found = {}
    for name, peer in available().items():
        if isinstance(peer, str):
            print(f"{name} is left out: {peer}.", file=sys.stderr)
        else:
            found[name] = _run(name, peer, streams)
    return found


def _write(folder: Path, streams: Sequence[Stream], scores: Mapping[str, Floats]) -> None:
    for stream in streams:
        path = folder / stream.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("timestamp", "anomaly_score"))
            writer.writerows(
                (stamp, f"{score:.6g}")
                for stamp, score in zip(stream.stamps, scores[stream.name], strict=True)
            )


def _judged(
    streams: Sequence[Stream], windows: Mapping[str, list[tuple[int, int]]], scores: Mapping[str, Floats]
) -> list[Judged]:
    return [judged(stream, scores[stream.name], windows[stream.name]) for stream in streams]


def _table(
    streams: Sequence[Stream],
    windows: Mapping[str, list[tuple[int, int]]],
    found: Mapping[str, Mapping[str, Floats]],
) -> list[list[str]]:
    rows = [["detector", "threshold", *PROFILES, "windows found", "alarms outside"]]
    for name, scores in found.items():
        corpus = _judged(streams, windows, scores)
        chosen = [best(corpus, profile) for profile in PROFILES.values()]
        rows.append([name, "as NAB chooses", *_numbers(chosen[0], [one.score for one in chosen])])
        if name != "shipper":
            rows.append([f"{name}, told once", "as NAB chooses", *_told_once(streams, windows, scores)])
        else:
            fixed = [score_at(corpus, profile, COMMITTED) for profile in PROFILES.values()]
            rows.append([name, "committed", *_numbers(fixed[0], [one.score for one in fixed])])
    return rows


def _told_once(
    streams: Sequence[Stream], windows: Mapping[str, list[tuple[int, int]]], scores: Mapping[str, Floats]
) -> list[str]:
    """Give a peer what ours has, quiet rows after an alarm, at the best of its thresholds for each profile."""
    pooled = np.concatenate([scores[stream.name] for stream in streams])
    levels = np.unique(np.quantile(pooled, 1 - np.logspace(-1, -4, 25)))
    corpora = [_judged(streams, windows, told_once(scores, float(level))) for level in levels]
    tried = [[score_at(corpus, profile, 1.0) for corpus in corpora] for profile in PROFILES.values()]
    chosen = [max(results, key=lambda one: one.score) for results in tried]
    return _numbers(chosen[0], [one.score for one in chosen])


def _folders(
    streams: Sequence[Stream], windows: Mapping[str, list[tuple[int, int]]], scores: Mapping[str, Floats]
) -> list[list[str]]:
    rows = [["folder, at the committed threshold", "standard", "windows found", "alarms outside"]]
    for folder in sorted({stream.name.partition("/")[0] for stream in streams}):
        inside = [stream for stream in streams if stream.name.partition("/")[0] == folder]
        result = score_at(_judged(inside, windows, scores), PROFILES["standard"], COMMITTED)
        rows.append([folder, *_numbers(result, [result.score])])
    return rows


def _numbers(result: Result, scores: Sequence[float]) -> list[str]:
    told = ["" if score != score else f"{score:.1f}" for score in scores]  # noqa: PLR0124 - NaN: no windows
    return [*told, f"{result.found} of {result.windows}", str(result.false_alarms)]


if __name__ == "__main__":
    sys.exit(main())
