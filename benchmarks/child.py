"""One contender in a fresh process, driven by lines on standard input: `python -m benchmarks.child '{"name": ...}'`.

It answers one line of JSON to each: `{"ready": true}` when it is warm, then to `{"calls": n}` and `{"shared": n}`
(n calls by several threads) when they are done, and to `{"end": true}` its figures. Between two of them it is
stopped, so that it takes nothing from the contender whose turn it is.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.contender import Contender, Fields, MissingPeer, Place, Subject
from benchmarks.contenders import find
from benchmarks.measure import settle, summary, throughput, time_calls, time_loop
from benchmarks.record import make_records, make_texts

_LOOP_WARM = 2000


class Measurement:
    """A contender under measurement.

    Args:
        contender: which.
        subject: it, ready.
        task: how much will be asked for: `warm`, `calls`, `shared`, `threads`, `seed`.
    """

    def __init__(self, contender: Contender, subject: Subject, task: dict[str, Any]) -> None:
        self._contender = contender
        self._subject = subject
        self._threads: int = task["threads"]
        self._taken: list[float] = []
        self._rates: list[float] = []
        self._records: list[Fields] = []
        self._next = 0
        if subject.loop is not None:
            subject.loop(_LOOP_WARM)
        elif subject.figures is None:
            self._records = _records(contender, task["warm"] + task["calls"] + task["shared"], task["seed"])
            time_calls(subject.emit, self._take(task["warm"]))
        settle()

    def calls(self, count: int) -> None:
        """Time `count` calls, one after the other."""
        if self._subject.loop is not None:
            self._taken += time_loop(self._subject.loop, count)
        elif self._subject.figures is None:
            self._taken += time_calls(self._subject.emit, self._take(count))

    def shared(self, count: int) -> None:
        """Time `count` calls by several threads."""
        records = self._take(count)
        shares = [records[number :: self._threads] for number in range(self._threads)]
        self._rates.append(throughput(self._subject.emit, shares))

    def end(self) -> dict[str, float]:
        """Let everything arrive, count it, and return the figures.

        Raises:
            RuntimeError: not all that was logged is there.
        """
        subject = self._subject
        if subject.figures is not None:
            return dict(subject.figures())
        figures = summary(self._taken)
        if self._rates:
            figures["threads"] = statistics.median(self._rates)
        subject.finish()
        if subject.stored is not None:
            kept = subject.stored()
            if kept != self._next:
                raise RuntimeError(f"{self._contender.name} kept {kept} of {self._next} records")
            if subject.size is not None:
                figures["bytes"] = subject.size() / kept
        return figures

    def _take(self, count: int) -> Sequence[Fields]:
        begin, self._next = self._next, min(self._next + count, len(self._records))
        return self._records[begin : self._next]


def _records(contender: Contender, count: int, seed: int) -> list[Fields]:
    records = make_records(count, seed)
    if contender.message_size:
        for fields, text in zip(records, make_texts(count, seed, contender.message_size), strict=True):
            fields["message"] = text
    return records


def _say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def main() -> None:
    """Do what standard input says until it says end, or ends."""
    task = json.loads(sys.argv[1])
    contender = find(task["name"])
    try:
        subject = contender.open(Place(Path(task["directory"]), task["kafka"]))
    except MissingPeer as error:
        _say({"missing": str(error)})
        return
    measurement = Measurement(contender, subject, task)
    _say({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        if "end" in order:
            _say(measurement.end())
            break
        if "calls" in order:
            measurement.calls(order["calls"])
        else:
            measurement.shared(order["shared"])
        _say({})


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # a peer's threads may wait for a server that never answers
