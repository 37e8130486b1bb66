"""One run from the first record to the balanced books."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from kafka import KafkaAdminClient

from shipper.spool.directory import sweep
from shipper.stack import EmbeddedStack
from tests.chaos import evidence
from tests.chaos.accounting import Balance, balance, drops_told
from tests.chaos.conductor import Conductor
from tests.chaos.ledger import read_ledgers, read_state
from tests.chaos.report import Outcome
from tests.chaos.schedule import make_schedule, short_schedule
from tests.chaos.stage import AGENT_LARGEST_BYTES, Stage
from tests.chaos.victims import end_of

ROUND_S: Final = 40.0
SHORT_ROUND_S: Final = 16.0
_ACTIONS_PER_ROUND: Final = 8
_DRAIN_S: Final = 240.0


def run(
    kafka: EmbeddedStack,
    elasticsearch: EmbeddedStack,
    folder: Path,
    seed: int,
    rounds: int,
    say: Callable[[str], None],
    *,
    is_short: bool = False,
) -> Outcome:
    """Play, drain, balance, replay twice, balance again; return everything that is to be told.

    Args:
        kafka, elasticsearch: who runs these; may be one.

    The folder is kept if something is wrong.
    """
    stage = Stage(folder, kafka, elasticsearch)
    length_s = SHORT_ROUND_S if is_short else rounds * ROUND_S
    actions = (
        short_schedule(seed, length_s)
        if is_short
        else make_schedule(seed, rounds, ROUND_S, _ACTIONS_PER_ROUND)
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "schedule.txt").write_text("".join(f"{action}\n" for action in actions), "utf-8")
    outcome: Outcome | None = None
    try:
        stage.prepare()
        conductor = Conductor(stage, seed, say)
        try:
            conductor.play(actions, length_s)
        finally:
            say("ending")
            conductor.end()
        problems: list[str] = list(_drain(stage, say))
        outcome = _judge(stage, conductor, seed, 1 if is_short else rounds, length_s, say)
        outcome.problems += problems
        outcome.facts["starts of a server that a kill cut off, or that failed"] = str(
            len(conductor.servers.failed_starts)
        )
        return outcome
    finally:
        stage.remove(keep=outcome is None or not outcome.is_good)


def _drain(stage: Stage, say: Callable[[str], None]) -> list[str]:
    """Ship and index what is left, as a user would: both commands with --once. Return what went wrong."""
    problems = []
    say("draining")
    for root in (stage.spool, stage.small_spool):
        answer = stage.command(
            *("agent", "--once", "--timeout", f"{_DRAIN_S:.0f}"),
            "--any-destination",  # programs were told the proxy's address
            timeout_s=_DRAIN_S + 30,
            spool_directory=root,
            kafka_max_record_bytes=AGENT_LARGEST_BYTES,
        )
        if answer.returncode:
            problems.append(f"agent --once on {root.name}: {(answer.stdout + answer.stderr)[-500:]}")
        sweep(root, left_behind_s=0)  # of folders that were being made when their process died: an hour later
        left = sorted(path.name for path in root.glob("*"))
        if left:
            problems.append(f"left in {root}: {', '.join(left)}")
    began_s = time.monotonic()
    answer = stage.command("index", "--once", "--idle", "2", timeout_s=_DRAIN_S)
    say(f"drained: {answer.stdout.strip()} ({time.monotonic() - began_s:.0f} s)")
    if answer.returncode:
        problems.append(f"index --once: {(answer.stdout + answer.stderr)[-500:]}")
    if (lag := evidence.lag(stage)) != 0:
        problems.append(f"{lag} records are left on the topic")
    return problems


def _judge(
    stage: Stage, conductor: Conductor, seed: int, rounds: int, length_s: float, say: Callable[[str], None]
) -> Outcome:
    result = _balance(stage, conductor.victims.torn_evictions)
    say(str(result))
    outcome = Outcome(
        seed, rounds, length_s, result, conductor.deaths, conductor.sprung, conductor.laid, conductor.weather
    )
    _count_children(stage, outcome)
    outcome.facts["records on the topic, doubles included"] = f"{evidence.records_on_topic(stage):,}"
    _reconcile(stage, conductor.victims.torn_evictions, outcome, say)
    for name, group in (("the same group", stage.group), ("another group", f"{stage.group}-again")):
        if group == stage.group:
            _forget_group(stage)
        answer = stage.command(
            "index", "--once", "--idle", "2", "--json", timeout_s=_DRAIN_S * 2, index_group=group
        )
        counts = json.loads(answer.stdout.splitlines()[-1]) if answer.returncode == 0 else {}
        say(f"replayed by {name}: {counts or answer.stderr[-300:]}")
        if not counts or counts["indexed"]:
            outcome.after_replays.append(f"{name}: {counts or answer.stderr[-300:]}")
        outcome.facts[f"replay of the whole topic by {name}: stored anew"] = str(
            counts.get("indexed", "failed")
        )
    again = _balance(stage, conductor.victims.torn_evictions)
    if str(again) != str(result):
        outcome.after_replays.append(f"the books changed from {result} to {again}")
    if result.missing:
        outcome.places = evidence.last_known_places(stage, result.missing)
    return outcome


def _balance(stage: Stage, torn_evictions: Mapping[str, int]) -> Balance:
    accounts = list(read_ledgers(stage.ledgers))
    return balance(accounts, evidence.stored(stage), evidence.dead_letters(stage), torn_evictions)


def _reconcile(
    stage: Stage, torn_evictions: Mapping[str, int], outcome: Outcome, say: Callable[[str], None]
) -> None:
    """Ask the command that a user would ask: it must name none as missing or doubled that is not, and tell every drop."""
    answer = stage.command("reconcile", "--json", "--at-rest", timeout_s=_DRAIN_S * 2)
    try:
        totals = json.loads(answer.stdout)["totals"]
    except (ValueError, KeyError):
        outcome.problems.append(f"reconcile: {(answer.stdout + answer.stderr)[-500:]}")
        return
    words = ", ".join(
        f"{name} {totals[name]}" for name in ("emitted", "stored", "dead_lettered", "missing", "doubled")
    )
    say(f"shipper reconcile: {totals}")
    outcome.facts["`shipper reconcile` says"] = words
    outcome.facts["dropped, as `shipper reconcile` says"] = ", ".join(
        f"{reason} {count}" for reason, count in sorted(totals["dropped"].items())
    )
    if totals["doubled"] or totals["missing"] > len(outcome.balance.missing):
        outcome.problems.append(f"reconcile names what the ledgers do not: {words}")
    accounts = list(read_ledgers(stage.ledgers))
    outcome.problems += drops_told(accounts, torn_evictions, outcome.balance.dropped, totals["dropped"])


def _count_children(stage: Stage, outcome: Outcome) -> None:
    """Add the ends of forked children, as far as their parent lived to see them."""
    for path in stage.ledgers.glob("*.children"):
        for line in path.read_text("ascii").splitlines():
            life, code = line.split()
            end = end_of(int(code), read_state(stage.ledgers, life))
            outcome.deaths.own_ends["forked child", end] += 1


def _forget_group(stage: Stage) -> None:
    """Take back the offsets of the run's group: its next member reads from the beginning."""
    client = KafkaAdminClient(bootstrap_servers=stage.kafka.bootstrap_servers)
    try:
        client.delete_groups([stage.group])
    finally:
        client.close()
