"""Plays a schedule: programs, agent and indexers run, and things happen to them and to the servers."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from shipper.stack.artifacts import SERVER_NAMES, ServerName
from tests.chaos.proxy import Moment, Proxy
from tests.chaos.schedule import Action, Deed
from tests.chaos.servers import Servers
from tests.chaos.stage import Stage
from tests.chaos.victims import Deaths, Victim, Victims
from tests.chaos.wires import HttpWire, KafkaWire

_TURN_S: Final = 0.03
_TRAP_WAIT_S: Final = 45.0
PROGRAMS: Final = ("steady", "clock", "small", "forks", "short")


class Conductor:
    """One run, up to the moment when everything is told to end.

    Attributes:
        done: what was done, in words, with the time.
        sprung: traps by name, with how often they went off; `laid` how often they were set.
    """

    def __init__(self, stage: Stage, seed: int, say: Callable[[str], None]) -> None:
        self._stage = stage
        self._say = say
        self._random = random.Random(seed + 1)
        self._lock = threading.Lock()
        self._traps: list[tuple[str, str, str, str]] = []
        self.deaths = Deaths()
        self.sprung: Counter[str] = Counter()
        self.laid: Counter[str] = Counter()
        self.weather: Counter[str] = Counter()
        kafka_port = int(stage.kafka.bootstrap_servers.rpartition(":")[2])
        store_port = int(stage.elasticsearch.url.rpartition(":")[2])
        self.proxies = {
            hop: Proxy(hop, kafka_port, lambda own: KafkaWire(kafka_port, own), self._watch)
            for hop in ("ship", "index")
        }
        self.proxies["store"] = Proxy("store", store_port, lambda _own: HttpWire(), self._watch)
        self.victims = Victims(
            stage, seed, self.proxies["ship"], self.proxies["index"], self.proxies["store"], self.deaths
        )
        self.servers = Servers(stage.stacks, self.proxies, self.deaths, say)

    def play(self, actions: Sequence[Action], length_s: float, programs: Sequence[str] = PROGRAMS) -> None:
        """Run everything for so long."""
        for proxy in self.proxies.values():
            proxy.start()
        self.servers.start()
        for kind in programs:
            self.victims.add(kind)
        self.victims.add("agent", 2)
        self.victims.add("indexer", 2)
        began_s = time.monotonic()
        left = list(actions)
        while (now_s := time.monotonic() - began_s) < length_s or (
            self._traps and now_s < length_s + _TRAP_WAIT_S
        ):
            while left and left[0].at_s <= now_s:
                self._do(left.pop(0))
            self.victims.tend()
            self.servers.tend()
            threading.Event().wait(_TURN_S)

    def end(self) -> None:
        """Fair weather, all servers up; producers, agent and indexers are asked to end."""
        self._traps = []
        for proxy in self.proxies.values():
            proxy.set_weather("fair", 0)
        self.servers.close()
        self.victims.end_all()
        for proxy in self.proxies.values():
            proxy.close()

    def _do(self, action: Action) -> None:
        self._say(str(action))
        if action.deed == "weather":
            self.weather[f"{action.target}: {action.detail}"] += 1
            self.proxies[action.target].set_weather(action.detail, action.length_s)
        elif action.deed == "trap":
            self.laid[f"{action.target} {action.detail}"] += 1
            request, moment, victim = action.detail.split(":")
            self._traps.append((action.target, request, moment, victim))
        elif action.deed == "kill_all":
            self._kill_all(action.length_s)
        elif action.target in SERVER_NAMES:
            name: ServerName = "kafka" if action.target == "kafka" else "elasticsearch"
            self._do_to_server(action.deed, name, action.length_s)
        else:
            place = self.victims.one(action.target, self._random.randrange(100))
            if place is not None:
                self._do_to_client(action.deed, place, action.length_s)

    def _do_to_server(self, deed: Deed, name: ServerName, length_s: float) -> None:
        if deed == "kill":
            self.servers.kill(name, length_s)
        elif deed == "hang":
            self.servers.hold(name, length_s)
        else:
            self.servers.stop(name, length_s)

    def _do_to_client(self, deed: Deed, place: Victim, length_s: float) -> None:
        if deed == "kill":
            self.victims.kill(place, length_s)
        elif deed == "hang":
            self.victims.hold(place, length_s)
        else:
            self.victims.stop(place, length_s)

    def _kill_all(self, away_s: float) -> None:
        """As if the machine had stopped; but what the operating system had not written yet is written later."""
        for name in SERVER_NAMES:
            self.servers.kill(name, away_s)
        for place in self.victims.places:
            self.victims.kill(place, away_s, with_children=True)

    def _watch(self, hop: str, request: str, moment: Moment, client_port: int) -> None:
        """Called in a proxy's thread at each step of each request: spring the trap that fits."""
        with self._lock:
            trap = next((one for one in self._traps if one[:3] == (hop, request, moment)), None)
            if trap is None:
                return
            self._traps.remove(trap)
        name = f"{hop} {request}:{moment}:{trap[3]}"
        state = f"{request} {moment}"
        if trap[3] == "client":
            place = self.victims.owner_of(client_port)
            if place is None or place.kind not in ("agent", "indexer", "small", "forks"):
                self._traps.append(trap)  # a forked child, or one that ended: wait for the next
                return
            self.victims.kill(place, self._random.uniform(0.0, 2.0), state)
        else:
            server: ServerName = "kafka" if trap[3] == "kafka" else "elasticsearch"
            self.servers.kill(server, self._random.uniform(0.0, 3.0), state)
        self.sprung[name] += 1
        self._say(f"           sprung: {name}")
