"""The processes that can be killed: started as a user would, watched, killed in a known state, started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from shipper.spool.directory import READER_LOCK, writer_is_alive
from tests.chaos.evidence import evicted_by
from tests.chaos.ledger import read_state
from tests.chaos.proxy import Proxy
from tests.chaos.stage import ROOT, Stage

_TAIL_BYTES: Final = 4096
RECORDS_OF_A_SEGMENT: Final = 200
"""More than a segment of the small spool holds: what one append may evict."""


@dataclass(slots=True)
class Victim:
    """One place for a process: its present life, and when the next one begins.

    Attributes:
        held_until_s: stopped by SIGSTOP until then; 0: not stopped.
    """

    kind: str
    name: str
    process: subprocess.Popen[bytes] | None = None
    life: str = ""
    restart_at_s: float = 0.0
    held_until_s: float = 0.0

    @property
    def is_alive(self) -> bool:
        """Whether it runs, or is stopped by a signal."""
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class Deaths:
    """How often each kind of process was killed, and in which state."""

    by_state: Counter[tuple[str, str]] = field(default_factory=Counter)
    holds: Counter[tuple[str, str]] = field(default_factory=Counter)
    stops: Counter[tuple[str, str]] = field(default_factory=Counter)
    own_ends: Counter[tuple[str, str]] = field(default_factory=Counter)


class Victims:
    """All processes but the servers."""

    def __init__(
        self, stage: Stage, seed: int, ship: Proxy, index: Proxy, store: Proxy, deaths: Deaths
    ) -> None:
        self._stage = stage
        self._seed = seed
        self._ship, self._index, self._store = ship, index, store
        self.deaths = deaths
        self._numbers: Counter[str] = Counter()
        self.places: list[Victim] = []
        self.torn_evictions: dict[str, int] = {}

    def add(self, kind: str, count: int = 1) -> None:
        """Have so many of a kind from now on."""
        self.places += [Victim(kind, f"{kind}{number}") for number in range(count)]

    def tend(self) -> None:
        """Start what is due, wake what was held long enough, note what ended by itself."""
        now_s = time.monotonic()
        for place in self.places:
            if place.held_until_s and now_s >= place.held_until_s:
                self._wake(place)
            if place.process is not None and place.process.poll() is not None:
                state = read_state(self._stage.ledgers, place.life)
                self.deaths.own_ends[place.kind, end_of(place.process.returncode, state)] += 1
                self._note_evictions(place, place.process.pid)
                place.process = None
                place.restart_at_s = max(place.restart_at_s, now_s + (0.3 if place.kind == "short" else 1.0))
            if place.process is None and now_s >= place.restart_at_s:
                self._start(place)

    def _start(self, place: Victim) -> None:
        self._numbers[place.kind] += 1
        number = self._numbers[place.kind]
        place.life = f"{place.kind}-{number:04d}"
        environment = self._stage.environment_of(
            place.kind, number, self._ship.port, self._index.port, self._store.port
        )
        if place.kind == "agent":
            arguments = ["shipper", "agent", "--json", "--status-every", "0.2"]
        elif place.kind == "indexer":
            arguments = ["shipper", "index", "--quiet"]
        else:
            arguments = [
                "tests.chaos.program",
                place.kind,
                place.life,
                str(self._stage.ledgers),
                str(self._seed),
            ]
        with (self._stage.outputs / f"{place.life}.txt").open("wb") as output:
            place.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def one(self, kind: str, choice: int) -> Victim | None:
        """Return one of the living of a kind, or None."""
        living = [place for place in self.places if place.kind == kind and place.is_alive]
        return living[choice % len(living)] if living else None

    def owner_of(self, client_port: int) -> Victim | None:
        """Return whose connection this is."""
        return next((place for place in self.places if client_port in _ports(place)), None)

    def kill(self, place: Victim, away_s: float, state: str = "", *, with_children: bool = False) -> None:
        """SIGKILL; the next life begins after `away_s` seconds."""
        process = place.process
        if process is None or process.poll() is not None:
            return
        state = state or self.state_of(place)
        if with_children:
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        self.deaths.by_state[place.kind, state] += 1
        self._forget(place, away_s)

    def stop(self, place: Victim, away_s: float) -> None:
        """SIGTERM, as a service manager does, and an absence of so long."""
        if place.is_alive:
            self._wake(place)
            self.deaths.stops[place.kind, self.state_of(place)] += 1
            self._end(place, away_s)

    def _end(self, place: Victim, away_s: float, *, is_asked: bool = False) -> None:
        """SIGTERM unless it was asked already (a second one means "at once"), and SIGKILL after ten seconds."""
        process = place.process
        if process is None or process.poll() is not None:
            return
        if not is_asked:
            process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            self.deaths.by_state[place.kind, "did not end within 10 s of SIGTERM"] += 1
            process.kill()
        self._forget(place, away_s)

    def hold(self, place: Victim, length_s: float) -> None:
        """SIGSTOP: it hangs for so long."""
        if place.process is not None and place.process.poll() is None and not place.held_until_s:
            self.deaths.holds[place.kind, self.state_of(place)] += 1
            place.process.send_signal(signal.SIGSTOP)
            place.held_until_s = time.monotonic() + length_s

    def _wake(self, place: Victim) -> None:
        place.held_until_s = 0.0
        if place.process is not None:
            place.process.send_signal(signal.SIGCONT)

    def _forget(self, place: Victim, away_s: float) -> None:
        if place.process is not None:
            place.process.wait()
            self._note_evictions(place, place.process.pid)
        place.process = None
        place.held_until_s = 0.0
        place.restart_at_s = time.monotonic() + away_s

    def _note_evictions(self, place: Victim, pid: int) -> None:
        if place.kind == "small":
            evicted = evicted_by(self._stage.small_spool, pid)
            self.torn_evictions[place.life] = min(evicted, RECORDS_OF_A_SEGMENT)

    def end_all(self) -> None:
        """Ask all to end; nothing is started any more."""
        for place in self.places:
            if place.is_alive:
                self._wake(place)
                assert place.process is not None
                place.process.terminate()
        for place in self.places:
            self._end(place, 0.0, is_asked=True)
        self.places = []

    def state_of(self, place: Victim) -> str:
        """Return what a process does just now, in a word or two."""
        if place.held_until_s:
            return "hanging"
        ports = _ports(place)
        if place.kind == "indexer":
            return self._state_of_indexer(ports)
        is_sending = "Produce" in self._ship.flying(ports)
        if place.kind == "agent":
            return self._state_of_agent(place, ports, is_sending=is_sending)
        state = read_state(self._stage.ledgers, place.life)
        return "sending" if is_sending and state in ("pausing", "between calls") else state

    def _state_of_indexer(self, ports: set[int]) -> str:
        kafka, store = self._index.flying(ports), self._store.flying(ports)
        if "bulk" in store:
            return "waiting for Elasticsearch"
        if "OffsetCommit" in kafka:
            return "committing"
        if "JoinGroup" in kafka or "SyncGroup" in kafka:
            return "joining the group"
        if not ports & (self._index.client_ports() | self._store.client_ports()):
            return "starting or cut off"
        return "idle" if "Fetch" in kafka else "between steps"

    def _state_of_agent(self, place: Victim, ports: set[int], *, is_sending: bool) -> str:
        if is_sending:
            return "waiting for the broker"
        status = _last_line(self._stage.outputs / f"{place.life}.txt")
        if status is None:
            return "starting"
        if status.get("trouble") and not ports & self._ship.client_ports():
            return "cut off"
        if _holds_orphan(place):
            return "adopting: a dead process's folder in hand"
        records = status.get("records")
        waiting = records.get("waiting", 0) if isinstance(records, dict) else 0
        if waiting:
            return "with records in hand"
        return "idle"


def _ports(place: Victim) -> set[int]:
    if place.process is None:
        return set()
    try:
        return {
            one.laddr.port for one in psutil.Process(place.process.pid).net_connections("tcp4") if one.laddr
        }
    except psutil.Error:
        return set()


def _holds_orphan(place: Victim) -> bool:
    """Whether a process has the reader lease of a folder whose writer is dead."""
    if place.process is None:
        return False
    folders = set()
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{place.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = link.readlink()
                if target.name == READER_LOCK:
                    folders.add(target.parent)
    return any(folder.is_dir() and not writer_is_alive(folder) for folder in folders)


def _last_line(path: Path) -> dict[str, object] | None:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = [
                line for line in file.read().splitlines() if line.startswith(b"{") and line.endswith(b"}")
            ]
        found = json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def end_of(code: int, state: str) -> str:
    """Return how a process ended: its exit code, or minus the signal, and what it said last."""
    if code >= 0:
        return f"ended with {code}"
    return (
        f"died by its own timer while {state}"
        if -code == signal.SIGALRM
        else f"ended by {signal.Signals(-code).name}"
    )
