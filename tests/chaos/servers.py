"""The two servers: kept up as a service manager would, killed, hung and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from shipper.errors import StackError
from shipper.stack import EmbeddedStack
from shipper.stack.artifacts import SERVER_NAMES, ServerName
from shipper.stack.process import find_marked
from tests.chaos.proxy import Proxy
from tests.chaos.victims import Deaths

Stacks = Mapping[ServerName, EmbeddedStack]
"""Who runs each server. A stack starts one server at a time: with one for each, neither waits for the other."""

_LOOK_S: Final = 0.5
_HOPS: Final[dict[ServerName, tuple[str, ...]]] = {"kafka": ("ship", "index"), "elasticsearch": ("store",)}


class Servers:
    """Brings back what is down, in a thread each."""

    def __init__(
        self, stacks: Stacks, proxies: dict[str, Proxy], deaths: Deaths, say: Callable[[str], None]
    ) -> None:
        self._say = say
        self._stacks = stacks
        self._proxies = proxies
        self._deaths = deaths
        self._away_until_s: dict[ServerName, float] = dict.fromkeys(SERVER_NAMES, 0.0)
        self._held_until_s: dict[ServerName, float] = dict.fromkeys(SERVER_NAMES, 0.0)
        self._is_ready: dict[ServerName, bool] = dict.fromkeys(SERVER_NAMES, True)
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep, args=(name,), name=f"keep-{name}", daemon=True)
            for name in SERVER_NAMES
        ]
        self.failed_starts: list[str] = []
        self._pids: dict[ServerName, list[int]] = {name: self._find(name) for name in SERVER_NAMES}

    def start(self) -> None:
        """Begin to look after them."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Wake and bring up everything, then let go."""
        for name in SERVER_NAMES:
            self._wake(name)
            self._away_until_s[name] = 0.0
        self._end.set()
        for name, thread in zip(SERVER_NAMES, self._threads, strict=True):
            thread.join(300)
            self._stacks[name].start_server(name)

    def tend(self) -> None:
        """Wake what was held long enough."""
        for name in SERVER_NAMES:
            if self._held_until_s[name] and time.monotonic() >= self._held_until_s[name]:
                self._wake(name)

    def kill(self, name: ServerName, away_s: float, state: str = "") -> None:
        """SIGKILL for the server and its launcher."""
        state = state or self.state_of(name)
        pids = self._pids[name] or self._find(name)
        if not pids:
            return
        self._deaths.by_state[name, state] += 1
        self._is_ready[name] = False
        self._away_until_s[name] = time.monotonic() + away_s
        self._signal(pids, signal.SIGKILL)
        self._pids[name] = []

    def stop(self, name: ServerName, away_s: float) -> None:
        """SIGTERM, and an outage of so long."""
        self._wake(name)
        self._deaths.stops[name, self.state_of(name)] += 1
        self._away_until_s[name] = time.monotonic() + away_s
        self._is_ready[name] = False
        self._signal(self._pids[name] or self._find(name), signal.SIGTERM)
        self._pids[name] = []

    def hold(self, name: ServerName, length_s: float) -> None:
        """SIGSTOP: it hangs for so long; connections stay open, nothing is answered."""
        if self._held_until_s[name] or not self._pids[name]:
            return
        self._deaths.holds[name, self.state_of(name)] += 1
        self._held_until_s[name] = time.monotonic() + length_s
        self._signal(self._pids[name], signal.SIGSTOP)

    def _wake(self, name: ServerName) -> None:
        self._held_until_s[name] = 0.0
        self._signal(self._pids[name] or self._find(name), signal.SIGCONT)

    def state_of(self, name: ServerName) -> str:
        """Return what a server does just now."""
        if self._held_until_s[name]:
            return "hanging"
        if not self._is_ready[name]:
            return "starting"
        flying = {kind for hop in _HOPS[name] for kind in self._proxies[hop].flying()}
        for kind, state in (
            ("Produce", "with a batch in flight"),
            ("OffsetCommit", "with a commit in flight"),
            ("JoinGroup", "in a rebalance"),
            ("bulk", "in the middle of a bulk"),
        ):
            if kind in flying:
                return state
        return "idle"

    def _keep(self, name: ServerName) -> None:
        while not self._end.wait(_LOOK_S):
            if self._pids[name] and not any(psutil.pid_exists(pid) for pid in self._pids[name]):
                self._pids[name] = []  # it ended by itself, which is a fault of its own
                self.failed_starts.append(f"{name} ended by itself")
            if self._pids[name] or time.monotonic() < self._away_until_s[name]:
                continue
            began_s = time.monotonic()
            try:
                self._stacks[name].stop_server(name)  # one that is still ending is in the way of the next
                self._stacks[name].start_server(name)
            except StackError as error:
                self.failed_starts.append(str(error).splitlines()[0][:200])
                self._say(f"           {name} did not start: {self.failed_starts[-1]}")
                continue
            self._pids[name] = self._find(name)
            self._is_ready[name] = bool(self._pids[name])
            self._say(f"           {name} is up again, started in {time.monotonic() - began_s:.1f} s")

    def _find(self, name: ServerName) -> list[int]:
        root: Path = self._stacks[name].home / name
        return [process.pid for process in find_marked(root)]

    def _signal(self, pids: list[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
