"""Run contenders against their peers: turn and turn about within a repeat, in random order in each.

What else runs on a machine slows it down for seconds at a time. So a contender and its peer are alive at the same
time, each in a process of its own, and take turns of some hundred calls; whoever waits is stopped. A ratio is that
of the two in one such meeting.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.contender import Contender, Kind
from benchmarks.process import ContenderFailed, ContenderMissing, ContenderProcess
from benchmarks.result import Figures, Result

_TURNS: Final = 20
_SHARED_TURNS: Final = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        repeats: how often each contender runs.
        calls: timed calls of each run; a tenth of it before, untimed; twice it shared by the threads.
        threads: how many threads share the logger in the second part; 1: no second part.
        kafka: address of a broker, or "".
        directory: where contenders write; the same file system for all.
        seed: of the records and of the order.
    """

    repeats: int = 5
    calls: int = 20_000
    threads: int = 4
    kafka: str = ""
    directory: Path | None = None
    seed: int = 1


def run_all(contenders: Sequence[Contender], plan: Plan, progress: Callable[[str], None]) -> Result:
    """Run them all; `progress` is told what runs now. Ctrl-C ends it with what there is."""
    result = Result()
    try:
        for number, (repeat, group) in enumerate(_meetings(contenders, plan, result), 1):
            names = [one.name for one in group]
            progress(f"repeat {repeat + 1} of {plan.repeats}, meeting {number}: {' and '.join(names)}")
            try:
                result.note(names, meet(group, plan, repeat))
            except ContenderMissing as error:
                result.missing[error.name] = str(error)
            except ContenderFailed as error:
                result.failed[error.name] = str(error)
    except KeyboardInterrupt:
        progress("interrupted; this is what there is")
    return result


def _meetings(
    contenders: Sequence[Contender], plan: Plan, result: Result
) -> Iterator[tuple[int, list[Contender]]]:
    """Give who meets whom in each repeat; a contender without a peer, or whose peer is absent, runs alone."""
    by_name = {one.name: one for one in contenders}
    rng = random.Random(plan.seed)
    for repeat in range(plan.repeats):
        order = list(contenders)
        rng.shuffle(order)
        for contender in order:
            if contender.name in result.missing or contender.name in result.failed:
                continue
            peer = by_name.get(contender.peer)
            absent = peer is None or peer.name in result.missing or peer.name in result.failed
            yield repeat, [contender] if absent or peer is None else [contender, peer]


def meet(group: Sequence[Contender], plan: Plan, repeat: int) -> list[Figures]:
    """Run one contender, or two turn and turn about; return their figures in the same order.

    Raises:
        ContenderMissing: one cannot run here.
        ContenderFailed: one fails.
    """
    turn = max(1, plan.calls // _TURNS)
    has_threads = plan.threads > 1 and all(one.threads and one.kind == Kind.CALL for one in group)
    shared = max(plan.threads, plan.calls * 2 // _SHARED_TURNS) if has_threads else 0
    with ExitStack() as stack:
        processes = [stack.enter_context(closing(_start(one, plan, repeat, turn, shared))) for one in group]
        for number in range(_TURNS + 1):
            for process in _in_turn(processes, number):
                process.ask(calls=turn)
        for number in range(_SHARED_TURNS if shared else 0):
            for process in _in_turn(processes, number):
                process.ask(shared=shared)
        return [process.ask(end=1) for process in processes]


def _in_turn(processes: Sequence[ContenderProcess], number: int) -> Sequence[ContenderProcess]:
    """Nobody is always first."""
    return processes if number % 2 else processes[::-1]


def _start(contender: Contender, plan: Plan, repeat: int, turn: int, shared: int) -> ContenderProcess:
    task: dict[str, Any] = {
        "name": contender.name, "kafka": plan.kafka, "threads": plan.threads, "seed": plan.seed * 1000 + repeat,
        "warm": max(100, plan.calls // 10), "calls": turn * (_TURNS + 1), "shared": shared * _SHARED_TURNS,
    }  # fmt: skip
    return ContenderProcess(task, plan.directory)
