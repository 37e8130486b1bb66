"""Where events go whose settings are not usable: nowhere, and a person is told why."""

from __future__ import annotations

from typing import Final

from shipper.clock import SystemClock
from shipper.ecs.constants import Constants
from shipper.ecs.document import Tree
from shipper.ecs.encode import Encoder
from shipper.ecs.event import Event
from shipper.ecs.limits import Limits
from shipper.observe.report import Reporter
from shipper.redaction import default_redactor

_SYSTEM: Final = SystemClock()


class NoOutlet:
    """Answers for settings that are not usable: each event is refused, and a person is told why."""

    fused = None
    has_own_time = False
    revision = 0

    def __init__(self, problem: str) -> None:
        self._problem = problem
        self._reporter = Reporter()

    @property
    def route(self) -> int:
        """Identity."""
        return id(self)

    def now_us(self) -> int:
        """Return the machine's time."""
        return _SYSTEM.now_us()

    def encoder(self, producer_id: str) -> Encoder:
        """Return an encoder that knows nothing of the application."""
        # A formatter must put out something: the document without the facts that settings would have given.
        self._reporter.report("configuration", self._problem)
        identity: dict[str, Tree] = {"agent": {"type": "shipper", "ephemeral_id": producer_id}}
        return Encoder(Constants({}, identity, "default", Limits()), Limits(), default_redactor())

    def emit(self, event: Event) -> None:
        """Refuse one event."""
        self.refuse("configuration", f"a record of {event.logger} was dropped")

    def refuse(self, reason: str, detail: str, count: int = 1) -> None:
        """Tell a person that events were dropped."""
        self._reporter.report(reason, f"{detail}. {self._problem}", count)

    def report(self, sentence: str) -> None:
        """Tell a person."""
        self._reporter.report("log", sentence)
