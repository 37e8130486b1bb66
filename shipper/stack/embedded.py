"""The embedded stack: one Kafka and one Elasticsearch, started, watched and stopped as one thing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shipper.clock import Clock, SystemClock
from shipper.config import StackSettings
from shipper.errors import StackError
from shipper.stack import checks
from shipper.stack.artifacts import SERVER_NAMES, TITLES, ServerName, read_lock
from shipper.stack.elasticsearch_server import ElasticsearchServer
from shipper.stack.kafka_server import KafkaServer
from shipper.stack.launch import Launch
from shipper.stack.locking import folder_lock
from shipper.stack.placement import make_folder, place, server_account
from shipper.stack.process import ProcessIdentity, find_marked, forget_socket, is_alive, memory_bytes, stop
from shipper.stack.progress import Progress, SilentProgress
from shipper.stack.provision import provide_software
from shipper.stack.server import Server, authority, contact_host
from shipper.stack.software import locate
from shipper.stack.state import StackState, read_state, state_file, write_state
from shipper.stack.status import ServerStatus, StackStatus, folder_bytes

_STOP_PATIENCE_S: Final = 45.0
_SAME: Final = {
    "host",
    "kafka_port",
    "kafka_controller_port",
    "kafka_heap_mib",
    "elasticsearch_port",
    "elasticsearch_transport_port",
    "elasticsearch_heap_mib",
}
"""Settings in which a running stack must agree with the one that is asked for."""


class EmbeddedStack:
    """A Kafka and an Elasticsearch in the folder that `settings` name.

    Nothing runs or is written until `up`. The servers outlive the object and the process that started
    them; any later `EmbeddedStack` with the same folder finds them.
    """

    def __init__(self, settings: StackSettings, *, clock: Clock | None = None) -> None:
        self.directory = settings.directory.expanduser().absolute()
        self.cache = settings.cache.expanduser().absolute()
        self.settings = settings.model_copy(update={"directory": self.directory, "cache": self.cache})
        self._clock = clock or SystemClock()
        self._lock = read_lock()
        self._placement = place(self.directory, self.cache, server_account(os.geteuid()))
        software = locate(self._lock, self._placement)
        self._servers: dict[ServerName, Server] = {
            "kafka": KafkaServer(self.settings, self._placement, software, self._clock),
            "elasticsearch": ElasticsearchServer(self.settings, self._placement, software),
        }

    @classmethod
    def attach(cls, directory: Path, *, clock: Clock | None = None) -> EmbeddedStack:
        """The stack that was started from `directory`, with the settings that it runs with.

        Raises:
            StackError: none was.
        """
        state = read_state(directory.expanduser().absolute())
        if state is None:
            raise StackError(f"No stack was started from {directory}; start one with: shipper stack up")
        return cls(state.settings, clock=clock)

    @property
    def kafka_bootstrap(self) -> str:
        """`host:port` for Kafka clients on this machine."""
        return authority(contact_host(self.settings.host), self.settings.kafka_port)

    @property
    def elasticsearch_url(self) -> str:
        """Base URL for Elasticsearch clients on this machine."""
        return f"http://{authority(contact_host(self.settings.host), self.settings.elasticsearch_port)}"

    @property
    def home(self) -> Path:
        """Where the servers keep data, configuration and logs; differs from `directory` only for root."""
        return self._placement.home

    @property
    def software(self) -> Path:
        """Where the unpacked servers lie; shared by stacks."""
        return self._placement.software

    def log(self, server: ServerName) -> Path:
        """The log file of one server."""
        return self._servers[server].folder.log

    def up(self, progress: Progress | None = None) -> bool:
        """Start what does not run, fetching it first if need be, and wait until both servers answer.

        Returns:
            Whether anything was started; False if everything ran already.

        Raises:
            StackError: one of its kinds says what is in the way; what was started is stopped again.
            ConfigurationError: a setting cannot work.
        """
        checks.check_python()
        checks.check_distinct_ports(self.settings)
        checks.check_folder_names(self.home, self.software)
        with self._exclusive():
            return self._bring_up(SERVER_NAMES, progress or SilentProgress())

    def start_server(self, server: ServerName, progress: Progress | None = None) -> bool:
        """Like `up` for one server."""
        with self._exclusive():
            return self._bring_up((server,), progress or SilentProgress())

    def down(self) -> bool:
        """Stop both servers; their data stay. Returns whether any ran.

        Raises:
            StackError: a process belongs to another user or cannot be stopped.
        """
        if not self.directory.exists() and not any(self._processes(server) for server in SERVER_NAMES):
            return False  # never used: leave no folder behind
        with self._exclusive():
            return self._stop(SERVER_NAMES, _STOP_PATIENCE_S)

    def stop_server(self, server: ServerName, *, kill: bool = False) -> bool:
        """Stop one server, by SIGKILL if `kill`; returns whether it ran."""
        with self._exclusive():
            return self._stop((server,), 0 if kill else _STOP_PATIENCE_S)

    def restart_kafka(self, kill: bool = False) -> None:
        """Stop Kafka (by SIGKILL if `kill`), start it and wait until it answers."""
        self._restart("kafka", kill)

    def restart_elasticsearch(self, kill: bool = False) -> None:
        """Stop Elasticsearch (by SIGKILL if `kill`), start it and wait until it answers."""
        self._restart("elasticsearch", kill)

    def wipe(self) -> None:
        """Delete the servers' data, logs and configuration, not the cache.

        Raises:
            StackError: a server still runs.
        """
        with self._exclusive():
            if any(self._processes(server) for server in SERVER_NAMES):
                raise StackError("The stack still runs; stop it first with: shipper stack down")
            for one in self._servers.values():
                if one.folder.root.exists():
                    shutil.rmtree(one.folder.root)
            state_file(self.directory).unlink(missing_ok=True)
            if self.home != self.directory and self.home.exists():
                self.home.rmdir()

    def status(self) -> StackStatus:
        """What runs now; asks each server a real question and changes nothing."""
        return StackStatus(
            directory=str(self.directory),
            home=str(self.home),
            cache=str(self.cache),
            servers=tuple(self._status_of(server) for server in SERVER_NAMES),
        )

    def _status_of(self, server: ServerName) -> ServerStatus:
        one = self._servers[server]
        processes = self._processes(server)
        ready = one.ready_process() if processes else None
        main = ready or (processes[0] if processes else None)
        return ServerStatus(
            name=server,
            version=self._lock.version(server),
            phase="running" if ready else "not answering" if processes else "stopped",
            address=self.kafka_bootstrap if server == "kafka" else self.elasticsearch_url,
            pid=main.pid if main else None,
            started_s=main.started_s if main else None,
            memory_bytes=sum(memory_bytes(process) for process in processes),
            data_bytes=folder_bytes(one.folder.data),
            data=str(one.folder.data),
            log=str(one.folder.log),
        )

    def _restart(self, server: ServerName, kill: bool) -> None:
        with self._exclusive():
            self._stop((server,), 0 if kill else _STOP_PATIENCE_S)
            self._bring_up((server,), SilentProgress())

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        # Made here and not by the lock, so that the servers' account can pass whatever the umask is.
        make_folder(self.directory, self._placement)
        patience_s = self.settings.start_timeout_s + _STOP_PATIENCE_S
        with folder_lock(self.directory, clock=self._clock, patience_s=patience_s):
            yield

    def _bring_up(self, wanted: Iterable[ServerName], progress: Progress) -> bool:
        servers = {server: self._servers[server] for server in wanted}
        alive = [server for server in SERVER_NAMES if self._processes(server)]
        state = read_state(self.directory)
        if alive and state is not None:
            self._require_same_settings(state.settings)
        for server in alive:
            if not self._servers[server].folder.data.exists():
                raise StackError(
                    f"{TITLES[server]} runs, but its folder {self._servers[server].folder.root} was deleted; "
                    "stop it with: shipper stack down"
                )
        idle = [server for server in servers if server not in alive]
        if idle:
            checks.check_ports(self.settings, idle)
            checks.check_memory(self.settings, idle)
            checks.check_disk(self.home, checks.DATA_RESERVE_BYTES, "SHIPPER_STACK_DIRECTORY")
            provide_software(self._lock, self.settings, self._placement, progress, self._clock)
        remembered = state.processes if state else {}
        processes = {n: p for n, p in remembered.items() if n in alive}
        for server in remembered.keys() - processes.keys():
            forget_socket(remembered[server].pid)
        new_state = StackState(self.settings, self.home, processes)

        def remember(server: ServerName, process: ProcessIdentity) -> None:
            nonlocal new_state
            new_state = new_state.with_process(server, process)
            write_state(self.directory, new_state)

        titles = {server: f"{TITLES[server]} {self._lock.version(server)}" for server in servers}
        launch = Launch(servers, titles, self._placement.account, progress, self._clock)
        launch.run(idle, self.settings.start_timeout_s, remember)
        return bool(idle)

    def _stop(self, servers: Iterable[ServerName], patience_s: float) -> bool:
        state = read_state(self.directory)
        processes = [process for server in servers for process in self._processes(server)]
        stop(processes, clock=self._clock, patience_s=patience_s)
        if state is not None:
            for server in servers:
                state = state.without(server)
            write_state(self.directory, state)
        return bool(processes)

    def _processes(self, server: ServerName) -> list[ProcessIdentity]:
        """Living processes of the server: by their mark, and the one of the state file if it is alive."""
        found = find_marked(self._servers[server].folder.root)
        state = read_state(self.directory)
        known = state.processes.get(server) if state else None
        if known is not None and is_alive(known) and known.pid not in {process.pid for process in found}:
            found.append(known)
        return found

    def _require_same_settings(self, running: StackSettings) -> None:
        ours, theirs = (s.model_dump(include=_SAME) for s in (self.settings, running))
        if ours != theirs:
            names = ", ".join(f"{key} = {theirs[key]}" for key in sorted(ours) if ours[key] != theirs[key])
            raise StackError(
                f"A stack runs already from {self.directory} with other settings ({names}); stop it first with "
                "shipper stack down, or choose another folder with SHIPPER_STACK_DIRECTORY."
            )
