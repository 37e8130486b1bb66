"""The measuring itself: the same few lines for every contender, nothing subtracted for anybody."""

from __future__ import annotations

import gc
import statistics
import threading
from collections.abc import Callable, Sequence
from time import perf_counter_ns

from benchmarks.record import Fields

_BATCH = 1000


def time_calls(emit: Callable[[Fields], object], records: Sequence[Fields]) -> list[int]:
    """Return the nanoseconds of each call."""
    clock = perf_counter_ns
    taken: list[int] = [0] * len(records)
    for number, fields in enumerate(records):
        begin = clock()
        emit(fields)
        taken[number] = clock() - begin
    return taken


def time_loop(loop: Callable[[int], object], calls: int) -> list[float]:
    """Return the nanoseconds per call of each of several batches."""
    clock = perf_counter_ns
    taken = []
    for _ in range(max(5, calls // _BATCH)):
        begin = clock()
        loop(_BATCH)
        taken.append((clock() - begin) / _BATCH)
    return taken


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of sorted values; `share` in (0, 1]."""
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def summary(taken: Sequence[float]) -> dict[str, float]:
    """Return p50, p99, p99.9 and the mean in microseconds."""
    ordered = sorted(taken)
    return {
        "p50": percentile(ordered, 0.5) / 1000,
        "p99": percentile(ordered, 0.99) / 1000,
        "p999": percentile(ordered, 0.999) / 1000,
        "mean": statistics.fmean(ordered) / 1000,
    }


def throughput(emit: Callable[[Fields], object], shares: Sequence[Sequence[Fields]]) -> float:
    """Return records per second of as many threads as there are shares, all starting together."""
    start = threading.Barrier(len(shares) + 1)

    def work(share: Sequence[Fields]) -> None:
        start.wait()
        for fields in share:
            emit(fields)

    threads = [threading.Thread(target=work, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    start.wait()
    begin = perf_counter_ns()
    for thread in threads:
        thread.join()
    return sum(len(share) for share in shares) / ((perf_counter_ns() - begin) / 1e9)


def settle() -> None:
    """Give each contender the same state: no garbage, and the records made so far out of the collector's way.

    The collector itself stays on, as it is in a service: the objects that a call leaves behind are its cost.
    """
    gc.collect()
    gc.freeze()
