"""The producer programs: they log as applications do, keep a ledger, and die in their own ways.

python -m tests.chaos.program ROLE LIFE FOLDER SEED

The roles are described at their functions. SHIPPER_* in the environment says where records go. `die_within` ends a
process by a timer of the kernel, at any instruction and without a handler: to the process it is a `kill -9`.
"""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.chaos.ledger import Ledger, StateFile, message_of

_BURST: Final = 25
_PAUSE_S: Final = 0.25


def die_within(seconds: float) -> None:
    """End this process after so long, wherever it is then."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, max(1e-6, seconds))


class Program:
    """One process and what it knows of itself."""

    def __init__(self, role: str, life: str, folder: Path, seed: int) -> None:
        self.role = role
        self.life = life
        self.folder = folder
        self.random = random.Random(f"{seed}/{life}")
        self.state = StateFile(folder, life)
        self.stop = threading.Event()

    def configure(self) -> None:
        """Make the pipeline, as an application does when it starts."""
        self.state.set("configuring")
        import shipper
        from shipper.emit import ShipperHandler

        clock = JumpingClock(self.random) if self.role == "clock" else None
        shipper.configure(service=f"chaos-{self.role}", clock=clock)
        logging.getLogger().addHandler(ShipperHandler())
        self.state.set("configured")

    def voice(self, thread: str) -> Callable[[], None]:
        """Return what logs one record, by structlog or `logging`, and then writes the ledger."""
        import shipper

        ledger = Ledger(self.folder, f"{self.life}.{thread}")
        structured, plain = shipper.get_logger("chaos.structlog"), logging.getLogger("chaos.logging")
        pipeline = shipper.configure(service=f"chaos-{self.role}") if self.role == "small" else None

        def say() -> None:
            token = ledger.next_token()
            message = message_of(token)
            self.state.set("logging")
            if ledger.number % 2:
                structured.warning(message, chaos=token)
            else:
                plain.warning(message, extra={"chaos": token})
            if pipeline is None:
                ledger.returned()
            else:
                counts = pipeline.counts()
                evicted = counts.dropped.get("evicted", 0)
                refused = sum(counts.dropped.values()) - evicted
                ledger.returned(refused, evicted, max(0, counts.emitted - ledger.number))
            self.state.set("between calls")

        return say

    def perhaps_die(self, one_in: int, within_s: float) -> None:
        """Now and then, end at a random instruction of what comes next."""
        if self.random.randrange(one_in) == 0:
            die_within(self.random.uniform(0.0, within_s))

    def rest(self, seconds: float) -> None:
        """Pause between bursts."""
        self.state.set("pausing")
        self.stop.wait(seconds)


class JumpingClock:
    """Event times that jump: mostly now, at times minutes ahead, days back, or months back (a dead letter)."""

    def __init__(self, source: random.Random) -> None:
        self._random = source
        self._offset_us = 0

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        if self._random.random() < 0.05:
            self._offset_us = (
                self._random.choice((0, 0, 0, 50 * 60, -3600, -2 * 86_400, -200 * 86_400)) * 1_000_000
            )
        return time.time_ns() // 1000 + self._offset_us

    def monotonic_s(self) -> float:
        """Not asked of it."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Not asked of it."""
        return event.wait(timeout_s)


def steady(program: Program) -> None:
    """Three threads log in bursts, on both roads, until told to end."""

    def run(thread: str) -> None:
        say = program.voice(thread)
        while not program.stop.is_set():
            if thread == "main":
                program.perhaps_die(100, 0.02)
            for _ in range(_BURST):
                say()
            program.rest(_PAUSE_S * 3)

    others = [threading.Thread(target=run, args=(f"t{n}",)) for n in range(2)]
    for thread in others:
        thread.start()
    run("main")
    for thread in others:
        thread.join()


def clock(program: Program) -> None:
    """One thread whose event times jump."""
    say = program.voice("main")
    while not program.stop.is_set():
        for _ in range(_BURST):
            say()
        program.rest(_PAUSE_S * 2)


def small(program: Program) -> None:
    """One thread that logs more than its spool holds while Kafka is away: what does not fit is dropped, and counted."""
    say = program.voice("main")
    while not program.stop.is_set():
        program.perhaps_die(100, 0.05)
        for _ in range(_BURST * 4):
            say()
        program.rest(_PAUSE_S * 2)


def forks(program: Program) -> None:
    """A process with two threads that forks while both log; children log as well, and end in four ways."""
    say = program.voice("main")
    beside = threading.Thread(target=_beside, args=(program,), daemon=True)
    beside.start()
    children: dict[int, str] = {}
    count = 0
    while not program.stop.is_set():
        for _ in range(_BURST // 2):
            say()
        count += 1
        program.state.set("forking")
        life = f"{program.life}c{count}"
        program.perhaps_die(60, 0.004)  # the timer is not inherited: the child lives on
        child = os.fork()
        if child == 0:
            _child(program, life)
        children[child] = life
        program.rest(_PAUSE_S * 4)
        _bury(program, children, os.WNOHANG)
    _bury(program, children, 0)


def _bury(program: Program, children: dict[int, str], options: int) -> None:
    """Take note of how children ended."""
    with (program.folder / f"{program.life}.children").open("a") as file:
        for child, life in list(children.items()):
            pid, status = os.waitpid(child, options)
            if pid:
                file.write(f"{life} {os.waitstatus_to_exitcode(status)}\n")
                del children[child]


def _beside(program: Program) -> None:
    say = program.voice("beside")
    while not program.stop.is_set():
        for _ in range(_BURST // 5):
            say()
        program.stop.wait(_PAUSE_S / 5)


def _child(parent: Program, life: str) -> None:
    """Log some records and end: well, by `_exit`, by a signal, or at any instruction. Never returns."""
    how = parent.random.choice(("exit", "_exit", "term", "any", "any"))
    if how == "any":
        die_within(parent.random.uniform(0.0, 0.03))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    program = Program(parent.role, life, parent.folder, 0)
    try:
        say = program.voice("main")
        for _ in range(program.random.randrange(60)):
            say()
    finally:
        _end(program, how)


def short(program: Program) -> None:
    """A script that logs a few records and ends at once."""
    say = program.voice("main")
    for _ in range(program.random.choice((0, 1, 1, 5, 40, 120))):
        say()
    _end(program, program.random.choice(("exit", "exit", "_exit", "term", "error")))


def _end(program: Program, how: str) -> None:
    program.state.set("ending")
    if how == "_exit":
        os._exit(0)
    if how == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    if how == "error":
        raise RuntimeError("chaos: an application's own error")
    if how == "exit" and "c" in program.life.rpartition("-")[2]:
        import shipper

        shipper.close()  # a forked child that ends by its own means
        os._exit(0)
    if how != "any":
        sys.exit(0)
    threading.Event().wait(5)  # the timer ends it
    os._exit(0)


ROLES: Final[dict[str, Callable[[Program], None]]] = {
    "steady": steady, "clock": clock, "small": small, "forks": forks, "short": short,
}  # fmt: skip


def main(role: str, life: str, folder: str, seed: int) -> None:
    """Run one program."""
    program = Program(role, life, Path(folder), seed)
    if role == "short" and program.random.random() < 0.4:
        die_within(
            program.random.uniform(0.0, program.random.choice((0.3, 0.8, 2.0)))
        )  # while it imports, configures, logs or ends
    if role != "short":
        signal.signal(signal.SIGTERM, lambda *_: program.stop.set())
    program.configure()
    ROLES[role](program)
    program.state.set("ending")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
