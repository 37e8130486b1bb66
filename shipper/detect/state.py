"""What the job remembers between runs: one document per rule in `shipper-state-<namespace>`.

It holds the checkpoint, the tracks (verdicts) and the fitted bins. Baselines are not stored: they are asked
of Elasticsearch again each time. A state that cannot be read is rebuilt from history, and the run says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shipper.alert.store import StoredDocument
from shipper.clock import Clock
from shipper.detect.event_time.window import iso
from shipper.detect.fetching.bins import Bins, Fitted
from shipper.detect.fetching.query import Group
from shipper.detect.fetching.store import Store
from shipper.detect.judging.track import Track
from shipper.errors import StoreUnavailable
from shipper.state_index import ensure_state_index, state_index

__all__ = ["STATE_VERSION", "Loaded", "RuleState", "StateBook", "ensure_state_index", "state_index"]

STATE_VERSION: Final = 2


@dataclass(frozen=True, slots=True)
class RuleState:
    """State of one rule.

    Attributes:
        digest: of the rule as it judged last; see `Rule.digest`.
        checkpoint_us: everything before this moment has been judged; None: nothing has.
        ingested_us: when it last looked for late events; see `watermark.OVERLAP_US`.
        tracks: verdicts by group.
        fitted: bins by group and field (drift only).
        references: what a group is compared with where that is not its baseline (drift only).
    """

    digest: str = ""
    checkpoint_us: int | None = None
    ingested_us: int | None = None
    tracks: Mapping[Group, Track] = field(default_factory=dict)
    fitted: Fitted = field(default_factory=dict)
    references: Mapping[Group, tuple[int, dict[str, float]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads back."""
        return {
            "version": STATE_VERSION,
            "digest": self.digest,
            "checkpoint_us": self.checkpoint_us,
            "ingested_us": self.ingested_us,
            "tracks": [
                [list(group), track.to_json()] for group, track in sorted(self.tracks.items(), key=_key)
            ],
            "fitted": [
                [list(group), {name: list(bins) for name, bins in fields.items()}]
                for group, fields in sorted(self.fitted.items(), key=_key)
            ],
            "references": [
                [list(group), since, counts]
                for group, (since, counts) in sorted(self.references.items(), key=_key)
            ],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> RuleState:
        """Read a stored state.

        Raises:
            ValueError: it is of another version or not a state at all.
        """
        try:
            if content["version"] != STATE_VERSION:
                raise ValueError(f"version {content['version']} is not {STATE_VERSION}")
            return cls(
                digest=str(content["digest"]),
                checkpoint_us=_moment(content["checkpoint_us"]),
                ingested_us=_moment(content["ingested_us"]),
                tracks={tuple(group): Track.from_json(track) for group, track in content["tracks"]},
                fitted={
                    tuple(group): {name: _bins(bins) for name, bins in fields.items()}
                    for group, fields in content["fitted"]
                },
                references={
                    tuple(group): (int(since), {name: float(value) for name, value in counts.items()})
                    for group, since, counts in content["references"]
                },
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a state: {error!r}") from error


@dataclass(frozen=True, slots=True)
class Loaded:
    """A state as read; `problem` says why it had to be begun anew, if it had to."""

    state: RuleState
    stored: StoredDocument | None
    problem: str = ""


class StateBook:
    """States of one namespace, each written only if nobody else wrote it meanwhile."""

    def __init__(self, store: Store, namespace: str, clock: Clock) -> None:
        self._store = store
        self._index = state_index(namespace)
        self._clock = clock

    def load(self, rule_id: str) -> Loaded:
        """Return the state of a rule; an empty one where there is none or it cannot be read."""
        return self.load_all([rule_id])[0]

    def load_all(self, rule_ids: Sequence[str]) -> list[Loaded]:
        """Return the states of rules in this order, by one request; one that cannot be read spoils no other."""
        found = self._store.get_many(self._index, [_document_id(rule_id) for rule_id in rule_ids])
        return [_read(stored) for stored in found]

    def save(self, rule_id: str, state: RuleState, loaded: Loaded) -> None:
        """Store one state; see `save_all`."""
        self.save_all([(rule_id, state, loaded)])

    def save_all(self, changes: Sequence[tuple[str, RuleState, Loaded]]) -> None:
        """Store the states of rules by one request, without those that are what is stored already.

        Args:
            changes: rule id, its state, and what was loaded before.

        Raises:
            StoreUnavailable: another process wrote one since it was loaded; the others are stored.
        """
        now = iso(self._clock.now_us())
        writes = []
        for rule_id, state, loaded in changes:
            if loaded.stored is None or state != loaded.state or loaded.problem:
                source = {"kind": "rule", "name": rule_id, "updated": now, "body": state.to_json()}
                writes.append((_document_id(rule_id), source, loaded.stored))
        stored = self._store.put_many(self._index, writes) if writes else []
        for (_, source, _), is_stored in zip(writes, stored, strict=True):
            if not is_stored:
                reason = f"another detection job wrote the state of rule {source['name']} meanwhile"
                raise StoreUnavailable(self._index, reason)


def _read(stored: StoredDocument | None) -> Loaded:
    if stored is None:
        return Loaded(RuleState(), None)
    try:
        return Loaded(RuleState.from_json(stored.source["body"]), stored)
    except (KeyError, ValueError) as error:
        return Loaded(RuleState(), stored, f"its state cannot be read ({error}); it is judged anew")


def _moment(value: object) -> int | None:
    if value is not None and type(value) is not int:
        raise ValueError(f"{value!r} is no moment")
    return value


def _bins(values: Sequence[Any]) -> Bins:
    if isinstance(values, str):
        raise ValueError(f"{values!r} are no bins")  # noqa: TRY004 - what cannot be read is a ValueError here
    if all(isinstance(value, str) for value in values):
        return tuple(str(value) for value in values)
    return tuple(float(value) for value in values)


def _document_id(rule_id: str) -> str:
    return f"rule-{rule_id}"


def _key(item: tuple[Group, object]) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in item[0]]
