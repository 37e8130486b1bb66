"""One contender in a fresh process: `python -m benchmarks.child '{"name": ..., ...}'` prints its figures as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Fields, MissingPeer, Place, Subject
from benchmarks.contenders import find
from benchmarks.measure import settle, summary, throughput, time_calls, time_loop
from benchmarks.record import make_records, make_texts

TEXT: str = "message"
"""Key under which a record carries a message of its own; only contenders with `message_size` look at it."""


def run(contender: Contender, place: Place, *, calls: int, threads: int, seed: int) -> dict[str, Any]:
    """Measure one contender in this process."""
    subject = contender.open(place)
    if subject.figures is not None:
        return dict(subject.figures())
    if subject.loop is not None:
        subject.loop(min(calls, 2000))
        settle()
        return summary(time_loop(subject.loop, calls))
    return _run_calls(contender, subject, calls, threads, seed)


def _run_calls(contender: Contender, subject: Subject, calls: int, threads: int, seed: int) -> dict[str, Any]:
    with_threads = contender.threads and threads > 1
    warm = max(100, calls // 10)
    each = calls // 2 if with_threads else 0
    records = _records(contender, warm + calls + each * threads, seed)
    time_calls(subject.emit, records[:warm])
    settle()
    figures: dict[str, Any] = summary(time_calls(subject.emit, records[warm : warm + calls]))
    if with_threads:
        rest = records[warm + calls :]
        figures["threads"] = throughput(subject.emit, [rest[n::threads] for n in range(threads)])
    subject.finish()
    if subject.stored is not None:
        kept = subject.stored()
        if kept != len(records):
            raise RuntimeError(f"{contender.name} kept {kept} of {len(records)} records")
        if subject.size is not None:
            figures["bytes"] = subject.size() / kept
    return figures


def _records(contender: Contender, count: int, seed: int) -> Sequence[Fields]:
    records = make_records(count, seed)
    if contender.message_size:
        for fields, text in zip(records, make_texts(count, seed, contender.message_size), strict=True):
            fields[TEXT] = text
    return records


def main() -> None:
    """Read what to do from the one argument, do it, print the answer."""
    task = json.loads(sys.argv[1])
    place = Place(Path(task["directory"]), task["kafka"])
    try:
        answer = run(
            find(task["name"]), place, calls=task["calls"], threads=task["threads"], seed=task["seed"]
        )
    except MissingPeer as error:
        answer = {"missing": str(error)}
    print(json.dumps(answer), flush=True)
    os._exit(0)  # a peer's threads may wait for a server that never answers


if __name__ == "__main__":
    main()
