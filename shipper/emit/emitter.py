"""The end of every road: encode an event and append it to the spool, on the caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from shipper.clock import Clock
from shipper.ecs.constants import Constants
from shipper.ecs.encode import Encoded, Encoder, stamp_template
from shipper.ecs.event import Event
from shipper.ecs.limits import Limits
from shipper.ecs.redaction import Redaction
from shipper.emit.fused import FusedRoad
from shipper.emit.outlet import REGISTRY, QuickWriter, Writer
from shipper.emit.road import inside
from shipper.emit.sampling import Sampler
from shipper.enrich.model import Model
from shipper.observe.counters import Counters
from shipper.observe.report import Reporter
from shipper.record import new_producer_id

_ATTEMPTS: Final = 10


class Facts(NamedTuple):
    """What each document of an application carries: declared fields, namespace, caps; and what is taken out of it."""

    fields: Mapping[str, object]
    namespace: str
    limits: Limits
    version: str
    redaction: Redaction | None = None


class _Producer(NamedTuple):
    producer_id: str
    encoder: Encoder
    writer: QuickWriter


class Emitter:
    """An `Outlet` that appends to what `open_writer` opens at the first event.

    Args:
        facts: what each document carries.
        model: the model of the whole process; see `change`.
        clock: the time of events.
        has_own_time: whether `clock` is a simulated one.
        open_writer: opens a writer for a producer id, with `lock` held; may take its time, called once per
            producer.
        process_id: returns the id of this process.
        sampler: decides which events are kept; None: all.

    Attributes:
        fused: the quick way for events whose shape is known; None while no producer is open.
        lock: held while a producer is opened or taken away.
    """

    def __init__(  # noqa: PLR0913 - it is wired in one place
        self,
        facts: Facts,
        model: Model,
        *,
        clock: Clock,
        has_own_time: bool,
        open_writer: Callable[[str], QuickWriter],
        process_id: Callable[[], int],
        counters: Counters,
        reporter: Reporter,
        sampler: Sampler | None = None,
    ) -> None:
        self.has_own_time = has_own_time
        self.revision = 0
        self.lock = threading.RLock()
        self._facts = facts
        self._model = model
        self._clock = clock
        self._open_writer = open_writer
        self._process_id = process_id
        self._counters = counters
        self._reporter = reporter
        self._sampler = sampler
        self.fused: FusedRoad | None = None
        self._producer: _Producer | None = None
        self._diverted: tuple[str, int, Encoder] | None = None
        self._forks = self._forks_before = 0

    @property
    def was_forked(self) -> bool:
        """Whether a signal handler forked since the present opening began, and this is the child: all of it is the parent's."""
        return self._forks != self._forks_before

    @property
    def route(self) -> int:
        """Identity of this emitter."""
        return id(self)

    def now_us(self) -> int:
        """Return the time for events."""
        return self._clock.now_us()

    def emit(self, event: Event) -> None:
        """Encode and append one event; counts it, and the writer counts it if it drops it."""
        sampler = self._sampler
        if sampler is None:
            self.take(event)
            return
        kept = sampler.apply(event)
        if kept is not None:
            self.take(kept)
        for summary in sampler.due():
            self.take(summary)

    def summarise(self, *, is_end: bool = False) -> None:
        """Send what stands for events that the sampler dropped, where it is due; with `is_end` all of it."""
        if self._sampler is not None:
            with inside():
                for summary in self._sampler.due(is_end=is_end):
                    self.take(summary)

    def take(self, event: Event) -> None:
        """As `emit`, for an event that no sampling concerns."""
        diversion = REGISTRY.diversion
        if diversion is not None:
            encoder = self._diverted_encoder(diversion.producer_id)
            _append(diversion, encoder.encode(event, self._clock.now_us()))
            return
        counted_in = -1
        for _ in range(_ATTEMPTS):
            producer = self._producer or self._open()
            # Before it is counted: KeyboardInterrupt passes, from a `__repr__` for example, and then there is no record.
            encoded = producer.encoder.encode(event, self._clock.now_us())
            if counted_in != self._forks:
                counted_in = self._forks
                self._counters.count_emitted()
            if _append(producer.writer, encoded) or not producer.writer.is_closed:
                return
            # Another thread closed the pipeline between the two lines above, or a signal handler forked somewhere in
            # here and this is the child: the record goes to the next spool.
            self._forget(producer)
        self._counters.count_dropped("closed")
        self._reporter.report("drop.closed", "a record was dropped, closed")

    def refuse(self, reason: str, detail: str, count: int = 1) -> None:
        """Count events that never reached the spool, and tell a person."""
        self._counters.count_emitted(count)
        self._counters.count_dropped(reason, count)
        self._reporter.report(reason, detail, count)

    def report(self, sentence: str) -> None:
        """Tell a person; one limit of rate for all that our own and our clients' loggers say."""
        self._reporter.report("log", sentence)

    def encoder(self, producer_id: str) -> Encoder:
        """Return an encoder with the present facts for a producer."""
        fields = {**self._facts.fields, **self._model.fields()}
        agent = {"type": "shipper", "version": self._facts.version, "ephemeral_id": producer_id}
        constants = Constants(
            fields,
            {"agent": {**agent}, "process": {"pid": self._process_id()}},
            self._facts.namespace,
            self._facts.limits,
        )
        return Encoder(constants, self._facts.limits, self._facts.redaction)

    def change(self, *, facts: Facts | None = None, model: Model | None = None) -> None:
        """Use other facts, or another model, from the next event on, on all threads."""
        with self.lock:
            self._facts = self._facts if facts is None else facts
            self._model = self._model if model is None else model
            self.revision += 1
            if self._producer is not None:
                self._use(self._producer._replace(encoder=self.encoder(self._producer.producer_id)))

    def detach(self) -> None:
        """Let go of the present producer; the next event opens another. To be called with `lock` held."""
        self._producer = None
        self.fused = None

    def _forget(self, closed: _Producer) -> None:
        with self.lock:
            if self._producer is closed:
                self.detach()

    def reset_in_child(self) -> None:
        """In a forked child: fresh lock, and another producer at the next event."""
        self._forks += 1
        self.lock = threading.RLock()
        self._producer = None
        self.fused = None
        self._diverted = None
        self.revision += 1
        if self._sampler is not None:
            self._sampler.reset_in_child()

    def _open(self) -> _Producer:
        with self.lock:
            while self._producer is None:
                self._forks_before = self._forks
                producer_id = new_producer_id()
                writer = self._open_writer(producer_id)
                if not self.was_forked:
                    return self._use(_Producer(producer_id, self.encoder(producer_id), writer))
            return self._producer

    def _use(self, producer: _Producer) -> _Producer:
        self._producer = producer
        if self._sampler is None or not self._sampler.reads_messages:  # the quick way has only finished ones
            self.fused = FusedRoad(
                producer.encoder,
                stamp_template(producer.producer_id),
                producer.writer,
                self._clock,
                self._counters,
                route=self.route,
                has_own_time=self.has_own_time,
                sampler=self._sampler,
            )
        return producer

    def _diverted_encoder(self, producer_id: str) -> Encoder:
        known = self._diverted
        if known is None or known[:2] != (producer_id, self.revision):
            known = (producer_id, self.revision, self.encoder(producer_id))
            self._diverted = known
        return known[2]


def _append(writer: Writer, encoded: Encoded) -> bool:
    sequence = writer.append(
        encoded.prefix,
        encoded.suffix,
        timestamp_us=encoded.timestamp_us,
        level=encoded.level,
        dataset=encoded.dataset,
    )
    return sequence is not None
