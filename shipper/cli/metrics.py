"""`--metrics` of `shipper agent`, `shipper index` and `shipper detect schedule`: where their numbers come from when somebody looks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from shipper.clock import Clock, SystemClock
from shipper.errors import ShipperError

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from shipper.config import Settings
    from shipper.detect.pulse import DetectStatus
    from shipper.index.indexer import Indexer
    from shipper.index.letter_watch import OpenLetters
    from shipper.ship.agent import Agent

_T = TypeVar("_T")
_ASKED_EVERY_S = 15.0


class Remembered(Generic[_T]):
    """The answer of a server, asked for at most every 15 s however often somebody looks; None where it fails."""

    def __init__(self, ask: Callable[[], _T], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_s = float("-inf")
        self._answer: _T | None = None

    def __call__(self) -> _T | None:
        """Return the answer, or None."""
        with self._lock:
            if self._clock.monotonic_s() - self._asked_s >= _ASKED_EVERY_S:
                self._answer = None
                with suppress(ShipperError):
                    self._answer = self._ask()
                self._asked_s = self._clock.monotonic_s()
            return self._answer


@contextmanager
def agent_metrics_served(address: str, agent: Agent, settings: Settings) -> Iterator[None]:
    """Serve an agent's numbers while the block runs; nothing without an address. Raises ConfigurationError."""
    if not address:
        yield
        return
    from shipper.integrations.prometheus import agent_metrics, served
    from shipper.spool.survey import survey

    clock = SystemClock()

    def metrics() -> Iterator[Metric]:
        try:
            folders = list(survey(settings.spool.directory, only_first=True))
        except OSError:  # the agent itself says what is wrong with the root
            folders = []
        oldest_us = min((one.oldest_us for one in folders if one.oldest_us is not None), default=None)
        age_s = 0.0 if oldest_us is None else max(0.0, (clock.now_us() - oldest_us) / 1e6)
        yield from agent_metrics(agent.status(), sum(one.size_bytes for one in folders), age_s)

    with served(address, metrics):
        yield


@contextmanager
def index_metrics_served(address: str, indexer: Indexer, settings: Settings) -> Iterator[None]:
    """Serve an indexer's numbers while the block runs; nothing without an address. Raises ConfigurationError."""
    if not address:
        yield
        return
    from shipper.elastic.client import connect
    from shipper.index.letter_watch import open_letters
    from shipper.integrations.prometheus import indexer_metrics, served
    from shipper.kafka.admin import Admin

    clock = SystemClock()

    def ask_lag() -> int:
        with Admin(settings.kafka, client_id="shipper-metrics") as admin:
            return admin.lag(settings.index.group, settings.kafka.topic)

    def ask_letters() -> OpenLetters:
        with connect(settings.elasticsearch) as client:
            return open_letters(client, settings.namespace)

    lag, letters = Remembered(ask_lag, clock), Remembered(ask_letters, clock)
    with served(address, lambda: indexer_metrics(indexer.counts(), lag(), letters(), clock.now_us())):
        yield


@contextmanager
def detect_metrics_served(address: str, status: DetectStatus) -> Iterator[None]:
    """Serve a detection job's numbers while the block runs; nothing without an address. Raises ConfigurationError."""
    if not address:
        yield
        return
    from shipper.integrations.prometheus import detect_metrics, served

    clock = SystemClock()
    with served(address, lambda: detect_metrics(status, clock.now_us())):
        yield
