"""An alert: what a person is told. Frozen; every change is a new value with a higher revision."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from shipper.alert.finding import Fact, Measured, RuleFacts

_NOTHING: Mapping[str, Fact] = MappingProxyType({})


class State(Enum):
    """Where an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RECOVERED = "recovered"

    @property
    def is_active(self) -> bool:
        """Whether the cause lasts, as far as is known."""
        return self is not State.RECOVERED


@dataclass(frozen=True, slots=True)
class Suspect:
    """What may be the cause.

    Attributes:
        kind: version, commit, feature or segment.
        value: which one; a segment is `field=value`.
        reason: why, in a few words.
    """

    kind: str
    value: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What ran where it happened: facts that all of the events share; empty where they differ."""

    service_name: str = ""
    model_name: str = ""
    model_version: str = ""
    git_commit: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What helps to find the cause; gathered once, when the alert opens."""

    samples: tuple[str, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    context: Context = Context()
    facts: Mapping[str, Fact] = field(default_factory=lambda: _NOTHING)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """The current state of one alert.

    Attributes:
        id: see `alert_id`.
        group: what it is about, by field; absent values are left out.
        start_us: start of the first anomalous window; frozen at the first judgement.
        detected_us: end of the window that brought certainty.
        ended_us: since when it is ordinary again; None while it lasts.
        windows: number of anomalous windows so far.
        revision: how often the judgement changed, from 1.
        measured: what the last anomalous window showed.
        note: what the person wrote who acknowledged it.
        reason: why it is in this state where that is not plain, for example `withdrawn`.
        silenced_until_us: until when nobody wants to hear of it; None: it was not silenced.
    """

    id: str
    rule: RuleFacts
    group: Mapping[str, str]
    state: State
    start_us: int
    detected_us: int
    windows: int
    measured: Measured
    evidence: Evidence = Evidence()
    ended_us: int | None = None
    revision: int = 1
    note: str = ""
    reason: str = ""
    silenced_until_us: int | None = None

    def is_silenced(self, now_us: int) -> bool:
        """Whether nobody wants to hear of it now."""
        return self.silenced_until_us is not None and now_us < self.silenced_until_us

    @property
    def commit(self) -> str:
        """The commit that is the first suspect, or else the one that all events share; empty if none."""
        named = (suspect.value for suspect in self.evidence.suspects if suspect.kind == "commit")
        return next(named, self.evidence.context.git_commit)

    @property
    def incident(self) -> str:
        """Equal for alerts that have the same first suspect among commits; empty without one."""
        named = (suspect.value for suspect in self.evidence.suspects if suspect.kind == "commit")
        commit = next(named, "")
        return hashlib.sha256(f"commit {commit}".encode()).hexdigest()[:16] if commit else ""


def alert_id(rule_id: str, group: Mapping[str, str | None], start_us: int) -> str:
    """Return the deterministic id: the same rule, group and start are the same alert, whoever judges."""
    known = {name: value for name, value in group.items() if value is not None}
    identity = json.dumps([rule_id, sorted(known.items()), start_us], ensure_ascii=False)
    return hashlib.sha256(identity.encode()).hexdigest()[:32]
