"""The application side put together: settings to emitter, spool and shipping thread. The only place that does.

A pipeline opens nothing until its first record. Equal settings share one, different ones do not. The one
fork hook of the package is here: a child gets fresh locks, a producer id, a spool folder and (at its first
record) a thread of its own, and leaves the parent's records to the parent.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

import shipper
from shipper.clock import Clock, SystemClock
from shipper.ecs.encode import stamp_template
from shipper.ecs.event import Event
from shipper.ecs.limits import Limits
from shipper.emit import reentry
from shipper.emit.emitter import Emitter, Facts
from shipper.emit.level_watch import WATCHER
from shipper.emit.outlet import QuickWriter
from shipper.emit.road import inside
from shipper.emit.sampling import make_sampler
from shipper.enrich.git import GitFacts
from shipper.enrich.model import Model
from shipper.enrich.redact import Redactor
from shipper.enrich.service import host_fields, process_fields, service_fields
from shipper.integrations.support import report_unsupported
from shipper.observe.counters import Counters, Snapshot
from shipper.observe.drops import Drops
from shipper.observe.health import Health, HealthReport
from shipper.observe.heartbeat import LOGGER, Heart, Pulse
from shipper.observe.report import Reporter
from shipper.redaction import redactor
from shipper.ship.shipped_spool import ShippedSpool
from shipper.ship.worker import ShipWorker
from shipper.shipping import Destination, make_worker, own_destination
from shipper.spool.policy import DropReason, SpoolPolicy
from shipper.spool.survey import folder_bytes
from shipper.spool.writer import SpoolWriter

if TYPE_CHECKING:
    from shipper.config import Settings

_SYSTEM: Final = SystemClock()
_SHARE_OF_RECORD: Final = 0.95
"""Part of the broker's limit that a document may take; the rest is for headers and the request around it."""


class HasForkState(Protocol):
    """Holds locks, threads or files that a forked child must not use."""

    def reset_in_child(self) -> None:
        """Forget them."""


RESET_IN_CHILD: Final[WeakSet[HasForkState]] = WeakSet()
"""What the fork hook resets; weak, because a hook can never be taken back."""

_INHERITED: Final[list[object]] = []


class Pipeline:
    """From the logging call to the destination, for one set of settings. Made by `configure()`.

    Attributes:
        settings: what it was made from.
    """

    def __init__(
        self, settings: Settings, clock: Clock | None, destination: Destination | None, git: GitFacts
    ) -> None:
        self.settings = settings
        self._policy = SpoolPolicy(**settings.spool.model_dump(exclude={"directory"}))
        self._redactor = redactor(settings.redact)
        self._facts = _facts(settings, git, self._redactor)
        self._clock = clock
        self._destination = destination
        self._counters = Counters({} if self._redactor is None else self._redactor.counts)
        self._reporter = Reporter()
        self._drops = Drops(self._counters, self._reporter)
        self._health = Health(_SYSTEM)
        self._spool: SpoolWriter | None = None
        self._worker: ShipWorker | None = None
        self._is_closed = False
        self._heart = Heart(settings.health.heartbeat_s, _SYSTEM, self, self.tell)
        self.emitter = Emitter(
            self._facts,
            Model(**settings.model.model_dump()),
            clock=clock or _SYSTEM,
            has_own_time=clock is not None,
            open_writer=self._open,
            process_id=os.getpid,
            counters=self._counters,
            reporter=self._reporter,
            sampler=make_sampler(settings.sampling.model_dump(), _SYSTEM, self._counters),
        )
        RESET_IN_CHILD.add(self)  # last: a child that was forked before this line never meets a half-made one

    def matches(self, settings: Settings, clock: Clock | None, destination: Destination | None) -> bool:
        """Tell whether these settings describe this pipeline."""
        return self.settings == settings and self._clock is clock and self._destination is destination

    def reopen(self) -> None:
        """Let the next record open everything again."""
        self._is_closed = False

    def counts(self) -> Snapshot:
        """Return what became of each record, now."""
        with inside():
            return self._counters.snapshot()

    def health(self) -> HealthReport:
        """Return how far behind shipping is, and why."""
        return self._health.report()

    def spool_bytes(self) -> int | None:
        """Return the size of the spool folder; None before the first record."""
        directory = self.spool_directory
        return None if directory is None else folder_bytes(directory)

    def tell(self, pulse: Pulse) -> None:
        """Make a record of a heartbeat; never raises."""
        level = logging.WARNING if pulse.is_news else logging.INFO
        event = Event(level, pulse.message, LOGGER, dict(pulse.fields.items()))
        try:
            with inside():
                self.emitter.take(event)
        except Exception as error:  # noqa: BLE001 - called where the application ends, among others
            self.emitter.refuse("emit_failed", f"a heartbeat failed ({type(error).__name__})")

    @property
    def spool_directory(self) -> Path | None:
        """The folder of this process's spool; None before the first record."""
        spool = self._spool
        return None if spool is None else spool.directory

    def bind_model(self, model: Model) -> None:
        """Make `model` the model of the whole process, on all threads, from the next event on."""
        with inside():
            self.emitter.change(model=model)

    def set_git_facts(self, git: GitFacts) -> None:
        """Replace the git facts from the next event on."""
        self._facts = _facts(self.settings, git, self._redactor)
        with inside():
            self.emitter.change(facts=self._facts)

    def flush(self, timeout_s: float | None = None) -> int:
        """Wait until all that was logged before has reached its destination.

        Args:
            timeout_s: longest wait in seconds; None: `ship.close_timeout_s`.

        Returns:
            How many records are left in the spool. With `ship.mode = agent` all of them are, and nothing waits.
        """
        timeout_s = self.settings.ship.close_timeout_s if timeout_s is None else timeout_s
        spool, worker = self._spool, self._worker
        self.emitter.summarise(is_end=True)
        with inside():
            if worker is None:
                return 0 if spool is None else spool.last_sequence
            return worker.flush(_SYSTEM.monotonic_s() + timeout_s)

    def close(self, timeout_s: float | None = None) -> int:
        """Ship what is possible within `timeout_s`, then let go of files and connections; idempotent.

        Starts no thread. What is left stays in the spool for the next start or another process. A record
        that is logged after it still goes to disk, into a folder that the next start ships.

        Args:
            timeout_s: budget of the whole, in seconds; None: `ship.close_timeout_s`.

        Returns:
            How many records are left in the spool.
        """
        timeout_s = self.settings.ship.close_timeout_s if timeout_s is None else timeout_s
        deadline_s = _SYSTEM.monotonic_s() + timeout_s
        self.emitter.summarise(is_end=True)
        self._heart.end()
        with inside():
            with self.emitter.lock:
                self._is_closed = True
                self.emitter.detach()
                spool, self._spool = self._spool, None
                worker, self._worker = self._worker, None
            if spool is not None:
                spool.close()
            left = worker.stop(deadline_s) if worker is not None else 0
            if worker is None and spool is not None:
                left = spool.last_sequence
            self._drops.flush()
            self._reporter.flush()
            return left

    def _open(self, producer_id: str) -> QuickWriter:
        """Open the spool (and with mode = thread make the worker) for a new producer."""
        settings = self.settings
        is_shipping = settings.ship.mode == "thread"
        spool = SpoolWriter.open(
            settings.spool.directory,
            self._policy,
            producer_id=producer_id,
            stamp=stamp_template(producer_id),
            clock=_SYSTEM,
            service=str(self._facts.fields.get("service.name", "")),
            namespace=settings.namespace,
            destination=own_destination(settings, self._destination) if is_shipping else "",
            shipped_by=settings.ship.mode,
            on_drop=self._note_drop,
            announce=self._announce,
        )
        self._heart.begin()
        if not self._is_closed:
            self.watch_levels()
            report_unsupported(settings.ship.mode, self._reporter)
        if not is_shipping or self._is_closed:
            return spool
        worker = make_worker(spool, settings, self._counters, self._health, self._reporter, self._destination)
        if not spool.is_closed:  # else a signal handler forked in here, and this is the child
            self._worker = worker
        return ShippedSpool(spool, worker)

    def _announce(self, spool: SpoolWriter) -> None:
        self._spool = spool
        if self.emitter.was_forked:
            spool.abandon_in_child()

    def watch_levels(self) -> None:
        """Let `shipper level set` reach this process from now on; idempotent."""
        service = str(self._facts.fields.get("service.name", ""))
        WATCHER.watch(self.settings.spool.directory, service, self.settings.levels.watch_s)
        WATCHER.also(self.emitter.summarise)
        WATCHER.also(self._heart.beat)

    def _note_drop(self, reason: str, count: int) -> None:
        if reason != DropReason.CLOSED:  # else the emitter takes the record to the next spool, or counts it
            self._drops.note(reason, count, self._spool.trouble if self._spool is not None else "")

    def reset_in_child(self) -> None:
        """In a forked child: fresh locks, nothing of the parent's; see the module."""
        spool, worker = self._spool, self._worker
        self._counters.reset_in_child()
        self._reporter.reset_in_child()
        self._drops = Drops(self._counters, self._reporter)
        self.emitter.reset_in_child()
        self._heart.reset_in_child()
        self._spool = self._worker = None
        self._health = Health(_SYSTEM)
        if worker is not None:
            _INHERITED.append(worker)  # kept from the garbage collector: its destructors may wait for locks
            worker.abandon_in_child()
        if spool is not None:
            spool.abandon_in_child()


def _facts(settings: Settings, git: GitFacts, redaction: Redactor | None) -> Facts:
    service = settings.service
    fields = {
        **service_fields(service.name, service.version, service.environment),
        **host_fields(),
        **process_fields(),
        **git.fields(),
    }
    largest = int(settings.kafka.max_record_bytes * _SHARE_OF_RECORD)
    record_bytes = min(Limits().record_bytes, largest)
    limits = Limits(record_bytes=record_bytes, locals_frames=settings.redact.locals_frames)
    return Facts(fields, settings.namespace, limits, shipper.__version__, redaction)


def _reset_in_child() -> None:
    reentry.after_fork_in_child()
    for one in list(RESET_IN_CHILD):
        one.reset_in_child()


os.register_at_fork(after_in_child=_reset_in_child)
os.register_at_fork(after_in_child=WATCHER.reset_in_child)  # last: it starts a thread, which may log
