"""Heartbeats of `shipper agent` and `shipper index`: that they live, and their counters, where people look for logs.

An agent tells them the records' own way, by a spool of its own; an indexer stores them itself, for it need not be able
to write to Kafka.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from shipper.clock import Clock, SystemClock
from shipper.errors import ShipperError
from shipper.observe.counters import Snapshot
from shipper.observe.health import HealthReport
from shipper.observe.heartbeat import Heart, Pulse

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.index.indexer import Indexer
    from shipper.ship.agent import Agent

_LOOK_S: Final = 1.0
"""How often a heart looks whether it is time."""


@contextmanager
def agent_heartbeats(agent: Agent, settings: Settings) -> Iterator[None]:
    """Tell of an agent while the block runs, and once more at its end; nothing with `health.heartbeat_s` = 0."""
    if settings.health.heartbeat_s <= 0:
        yield
        return
    from shipper.enrich.git import GitFacts
    from shipper.pipeline import Pipeline

    own = settings.model_copy(
        update={
            "service": settings.service.model_copy(update={"name": "shipper-agent"}),
            "health": settings.health.model_copy(update={"heartbeat_s": 0.0}),
            "ship": settings.ship.model_copy(update={"mode": "agent"}),
            "sampling": type(settings.sampling)(),
        }
    )
    pipeline = Pipeline(own, None, None, GitFacts())
    vital = _AgentVital(agent)
    heart = Heart(
        settings.health.heartbeat_s, SystemClock(), vital, pipeline.tell, lambda: {"shipper.role": "agent"}
    )
    try:
        with _beating(heart):
            yield
    finally:
        pipeline.close(0.0)


@contextmanager
def index_heartbeats(indexer: Indexer, settings: Settings, troubles: Troubles) -> Iterator[None]:
    """Tell of an indexer while the block runs, and once more at its end; nothing with `health.heartbeat_s` = 0."""
    if settings.health.heartbeat_s <= 0:
        yield
        return
    clock = SystemClock()
    vital = IndexVital(indexer, clock, troubles)
    interval_s = settings.health.heartbeat_s
    heart = Heart(interval_s, clock, vital, _stores(settings, clock), vital.about)
    with _beating(heart):
        yield


class Troubles:
    """Passes sentences on to a person, and remembers the last one."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self.last = ""

    def __call__(self, sentence: str) -> None:
        """Pass on and remember."""
        self.last = sentence
        self._report(sentence)


class IndexVital:
    """An indexer's numbers under the names that all heartbeats have.

    Emitted is what was taken from Kafka, delivered what is in Elasticsearch or must not be there, waiting what is in hand.
    """

    def __init__(self, indexer: Indexer, clock: Clock, troubles: Troubles) -> None:
        self._indexer = indexer
        self._clock = clock
        self._troubles = troubles
        self._delivered = 0
        self._delivered_at_s: float | None = None

    def counts(self) -> Snapshot:
        """What became of each record taken."""
        counts = self._indexer.counts()
        delivered = counts.indexed + counts.duplicates + counts.erased
        if delivered > self._delivered:
            self._delivered, self._delivered_at_s = delivered, self._clock.monotonic_s()
            self._troubles.last = ""
        return Snapshot(
            emitted=counts.consumed,
            delivered=delivered,
            dead_lettered=counts.dead_lettered,
            waiting=counts.in_hand,
            retries=counts.retries,
        )

    def health(self) -> HealthReport:
        """When something was stored last, and what it last complained of since."""
        since = self._delivered_at_s
        age_s = None if since is None else self._clock.monotonic_s() - since
        return HealthReport(None, None, age_s, self._troubles.last)

    def spool_bytes(self) -> int:
        """It has no spool, and beats all the same."""
        return 0

    def about(self) -> Mapping[str, object]:
        """What only an indexer counts."""
        counts = self._indexer.counts()
        return {
            "shipper.role": "indexer",
            "shipper.index.duplicates": counts.duplicates,
            "shipper.index.erased": counts.erased,
        }


class _AgentVital:
    """An agent's numbers; its own spool folder is one of those that it ships."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    def counts(self) -> Snapshot:
        """What became of each record read from the spools."""
        return self._agent.status().counts

    def health(self) -> HealthReport:
        """How far behind it is."""
        return self._agent.status().health

    def spool_bytes(self) -> int:
        """Return 0: each producer tells of its own folder."""
        return 0


@contextmanager
def _beating(heart: Heart) -> Iterator[None]:
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_LOOK_S):
            heart.beat()

    thread = threading.Thread(target=beat, name="shipper-heartbeats", daemon=True)
    heart.begin()
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        heart.end()


def _stores(settings: Settings, clock: Clock) -> Callable[[Pulse], None]:
    from shipper.assets import asset
    from shipper.elastic.client import connect
    from shipper.index.templates import packaged_templates, require_installed
    from shipper.observe.own_heartbeat import store_heartbeat

    templates = packaged_templates(asset("es_templates"))

    def store(pulse: Pulse) -> None:
        level = "warning" if pulse.is_news else "info"
        try:
            with connect(settings.elasticsearch) as client:
                # A server that came back empty would guess the mapping of the index.
                require_installed(client, templates)
                store_heartbeat(
                    client,
                    settings.namespace,
                    clock.now_us(),
                    pulse.fields,
                    message=pulse.message,
                    level=level,
                )
        except ShipperError:
            return  # the indexer itself says what is wrong; the next heartbeat tells the same totals

    return store
