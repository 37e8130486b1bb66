"""Run contenders, each in its own fresh process, interleaved in random order in each repeat."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.contender import Contender

ROOT: Final = Path(__file__).resolve().parents[1]
_TIMEOUT_S: Final = 180


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        repeats: how often each contender runs.
        calls: timed calls of each run; a tenth of it before, untimed; half of it again on each thread.
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


@dataclass(slots=True)
class Result:
    """What came of a run.

    Attributes:
        runs: figures of each repeat by contender, in the order of the repeats.
        missing: why a contender did not run.
        failed: how a contender failed.
    """

    runs: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def run_all(contenders: Sequence[Contender], plan: Plan, progress: Callable[[str], None]) -> Result:
    """Run them all; `progress` is told what runs now."""
    result = Result()
    rng = random.Random(plan.seed)
    for repeat in range(plan.repeats):
        order = [one for one in contenders if one.name not in result.missing | result.failed]
        rng.shuffle(order)
        for number, contender in enumerate(order, 1):
            progress(f"repeat {repeat + 1} of {plan.repeats}, {number} of {len(order)}: {contender.name}")
            answer = run_one(contender.name, plan, repeat)
            if "missing" in answer:
                result.missing[contender.name] = answer["missing"]
            elif "failed" in answer:
                result.failed[contender.name] = answer["failed"]
                result.runs.pop(contender.name, None)
            else:
                result.runs.setdefault(contender.name, []).append(answer)
    return result


def run_one(name: str, plan: Plan, repeat: int) -> dict[str, Any]:
    """Run one contender once; return its figures, or `missing` or `failed` with a sentence."""
    directory = Path(tempfile.mkdtemp(prefix="shipper-bench-", dir=plan.directory))
    task = {
        "name": name, "calls": plan.calls, "threads": plan.threads, "kafka": plan.kafka,
        "seed": plan.seed * 1000 + repeat, "directory": str(directory),
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child", json.dumps(task)],
            capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, cwd=directory, env=_environment(directory),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer within {_TIMEOUT_S} s"}
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    if done.returncode or not done.stdout.strip():
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"failed": lines[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _environment(directory: Path) -> dict[str, str]:
    """The caller's environment without its shipper settings, so that everybody measures the same."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    return {**kept, "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(directory)}
