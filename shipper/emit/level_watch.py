"""The thread that carries out changes of levels: those that the control file asks for, and the ends of all.

It looks at the file's state (one system call per spool root) every `levels.watch_s` seconds, never on a logging
call. It is not the shipping thread: here Python's `logging` lock is taken, which that one must not wait for (U09).
"""

from __future__ import annotations

import getpass
import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from shipper.clock import Clock, SystemClock
from shipper.ecs.event import Event
from shipper.ecs.timestamps import iso_timestamp
from shipper.emit import level_file
from shipper.emit.level_file import Entry, check_level, check_name, spelled
from shipper.emit.levels import LEVELS, Change, Levels, Override
from shipper.emit.road import travel
from shipper.errors import ConfigurationError
from shipper.observe.report import Reporter
from shipper.own_thread import OwnThread

LOGGER: Final = "shipper.levels"
"""Logger of the records that tell of changes."""

LONGEST_S: Final = 7 * 86_400.0
"""A level that is set at run time ends at the latest after this; a lasting one belongs into the settings."""

_VERBS: Final = {"set": "set to", "reset": "back at", "expired": "back, after its time, at"}


class Watcher:
    """Applies the control files of spool roots to `levels`.

    Args:
        levels: what is changed.
        clock: the machine's: the thread waits by it.
    """

    def __init__(self, levels: Levels, clock: Clock, reporter: Reporter | None = None) -> None:
        self._levels = levels
        self._clock = clock
        self._reporter = reporter or Reporter()
        self._roots: dict[Path, set[str]] = {}
        self._seen: dict[Path, level_file.Signature | None] = {}
        self._wanted: dict[Path, tuple[Entry, ...]] = {}
        self._also: tuple[Callable[[], None], ...] = ()
        self._interval_s = 0.0
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._lock = threading.Lock()

    @property
    def is_running(self) -> bool:
        """Whether there is a thread."""
        return self._thread is not None

    def watch(self, root: Path, service: str, interval_s: float) -> None:
        """Look at a spool root from now on, for processes of `service`, every `interval_s` seconds; 0: do not."""
        if interval_s <= 0 or service in self._roots.get(root, ()):
            return
        with self._lock:
            self._roots = {**self._roots, root: {*self._roots.get(root, ()), service}}
            self._seen.pop(root, None)
            self._interval_s = min(interval_s, self._interval_s or interval_s)
            self._start()
            self._wake.set()

    def also(self, work: Callable[[], None]) -> None:
        """Have `work()` done at each turn, until `stop`; for what else must happen though nobody logs."""
        with self._lock:
            if work not in self._also:
                self._also = (*self._also, work)

    def await_end(self) -> None:
        """Have the ends of what is set now carried out."""
        with self._lock:
            self._start()
            self._wake.set()

    def stop(self) -> None:
        """Look at no file any more. What is set stays, and the thread ends once nothing set has an end."""
        with self._lock:
            self._roots, self._seen, self._wanted, self._also = {}, {}, {}, ()
            self._interval_s = 0.0
        self._wake.set()

    def turn(self) -> float | None:
        """Carry out what is due; return when to come again, in seconds, or None where nothing is left to wait for."""
        for root, services in self._roots.items():
            self._look_at(root, services)
        for change in self._levels.expire(self._clock.now_us()):
            tell(change)
        for work in self._also:
            work()
        end_us = self._levels.next_end_us()
        waits = [self._interval_s] if self._roots else []
        if end_us is not None:
            waits.append(min(max(0.0, (end_us - self._clock.now_us()) / 1e6), 60.0))
        return max(min(waits), 0.01) if waits else None

    def reset_in_child(self) -> None:
        """In a forked child: fresh locks, and a thread where the parent had one."""
        was_running = self._thread is not None
        self._levels.reset_in_child()
        self._reporter.reset_in_child()
        self._lock, self._wake, self._thread = threading.Lock(), threading.Event(), None
        if was_running:
            self._start()

    def _start(self) -> None:
        if self._thread is not None:
            return
        self._thread = OwnThread(self._run, "shipper-levels")
        try:
            self._thread.start()
        except RuntimeError as error:  # a limit, or the interpreter's end
            self._thread = None
            self._reporter.report("levels.thread", f"no thread for changes of levels ({error})")

    def _run(self) -> None:
        wake = self._wake
        while True:
            wake.clear()
            wait_s = self._turn_guarded()
            if wait_s is None:
                with self._lock:
                    if not wake.is_set():  # else somebody relies on this thread since the turn
                        self._thread = None
                        return
                continue
            self._clock.wait(wake, wait_s)

    def _turn_guarded(self) -> float | None:
        try:
            return self.turn()
        except Exception as error:  # noqa: BLE001 - top of the thread: it must outlive a bug, and say so
            self._reporter.report("levels.bug", f"levels are not watched for a moment: {error!r}")
            return 1.0

    def _look_at(self, root: Path, services: Iterable[str]) -> None:
        found = level_file.signature(root)
        if root in self._seen and self._seen[root] == found:
            return
        self._seen[root] = found
        try:
            entries = [entry for entry in level_file.read(root) if entry.service in ("", *services)]
        except (ConfigurationError, OSError) as error:
            self._reporter.report("levels.file", f"levels stay as they are: {error}")
            return
        before, self._wanted[root] = self._wanted.get(root, ()), tuple(entries)
        now_us = self._clock.now_us()
        for override, _ in entries:
            if override.until_us is not None and override.until_us > now_us:
                self._tell_if_changed(self._levels.set(override))
        names = {entry.override.logger for entry in entries}
        for override, _ in before:
            if override.logger not in names and self._levels.overrides.get(override.logger) == override:
                self._tell_if_changed(self._levels.reset(override.logger))

    def _tell_if_changed(self, change: Change | None) -> None:
        if change is not None:
            tell(change)


def tell(change: Change) -> None:
    """Log a change as a record: who set what, until when."""
    override = change.override
    name, now = override.logger or "root", str(spelled(change.now))
    until = iso_timestamp(override.until_us) if override.until_us is not None else ""
    message = f"level of {name} is {_VERBS[change.action]} {now}"
    if change.action == "set":
        message += f" until {until}" if until else ""
        message += f" by {override.by}" if override.by else ""
    fields: dict[object, object] = {
        "event.dataset": "ml.audit",
        "event.kind": "event",
        "event.action": f"level-{change.action}",
        "event.category": "configuration",
        "event.type": "change",
        "labels.level_logger": name,
        "labels.level_now": now,
        "labels.level_before": str(spelled(change.former)),
        "labels.level_until": until or None,
        "labels.level_by": override.by or None,
        "labels.level_source": override.source,
        "shipper.act.by": override.by or None,
        "shipper.act.filter": f"{name}={now}",
        "shipper.act.why": override.why or None,
    }
    event = Event(logging.INFO, message, LOGGER, fields)
    travel({}, LOGGER, lambda _outlet: event)


def set_level(logger: str, level: str | int, *, for_s: float | None = None) -> None:
    """Take events of a logger, and of those below it, from `level` on; the change is logged.

    Counts at once, in this process, for structlog loggers and for loggers of `logging` (see
    `shipper.emit.levels` for which level wins). Called again for the same name, it replaces the former call.

    Args:
        logger: dotted name; `root`: all loggers.
        level: debug, info, warning, error, critical, or a number from 0 to 100.
        for_s: ends after so many seconds, at the most 7 days; None: with the process, or with `reset_level`.

    Raises:
        ConfigurationError: the name, level or time is not usable.
    """
    if for_s is not None and not 0 < for_s <= LONGEST_S:
        raise ConfigurationError(f"A level is set for more than 0 and at most {LONGEST_S:.0f} seconds.")
    until_us = None if for_s is None else _SYSTEM.now_us() + round(for_s * 1e6)
    override = Override(check_name(logger), check_level(level), until_us, f"pid {os.getpid()}", "call")
    try:
        change = LEVELS.set(override)
    except ValueError as error:
        raise ConfigurationError(f"The level is not set: {error}.") from None
    if until_us is not None:
        WATCHER.await_end()
    if change is not None:
        tell(change)


def reset_level(logger: str) -> bool:
    """Take back what was set at run time for exactly this logger; returns whether something was."""
    change = LEVELS.reset(check_name(logger))
    if change is not None:
        tell(change)
    return change is not None


def user_name() -> str:
    """Return the name of the user who runs this process, or the number where it has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return str(os.getuid())


_SYSTEM: Final = SystemClock()
WATCHER: Final = Watcher(LEVELS, _SYSTEM)
"""The watcher of this process; its thread starts when there is something to watch."""
