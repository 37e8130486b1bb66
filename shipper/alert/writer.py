"""Writing alerts: each change of state told first, then the state itself, conditional on what was read.

A crash between the two leaves a told change that the next run tells again under the same id, which changes
nothing; the other order could lose it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from shipper.alert.alert import Alert, State
from shipper.alert.document import from_document, to_document, to_transition, transition_id
from shipper.alert.lifecycle import Change, acknowledged, silenced
from shipper.alert.store import DocumentStore, JsonObject, StoredDocument
from shipper.clock import Clock
from shipper.datasets import alert_index, index_name
from shipper.errors import ConfigurationError, RequestRefused, StoreUnavailable

_ATTEMPTS: Final = 5
_MOST: Final = 10_000


class AlertBook:
    """The alerts of one namespace."""

    def __init__(self, store: DocumentStore, namespace: str, clock: Clock) -> None:
        self._store = store
        self._namespace = namespace
        self._clock = clock
        self._index = alert_index(namespace)

    def of_rule(self, rule_id: str) -> list[Alert]:
        """Return all alerts of a rule by start, the oldest first."""
        return self._found({"term": {"rule.id": rule_id}})

    def of_rules(self, asked: Sequence[tuple[str, int]]) -> list[list[Alert]]:
        """Return, for each rule, its alerts that last or ended at or after a moment; all by one request.

        Args:
            asked: rule id and moment in microseconds.
        """
        searches: list[tuple[str, dict[str, Any]]] = []
        for rule_id, since_us in asked:
            lasting = {"bool": {"must_not": [{"exists": {"field": "event.end"}}]}}
            recent = {"range": {"event.end": {"gte": since_us // 1000, "format": "epoch_millis"}}}
            relevant = {"bool": {"should": [lasting, recent], "minimum_should_match": 1}}
            searches.append(
                (self._index, _sorted({"bool": {"filter": [{"term": {"rule.id": rule_id}}, relevant]}}))
            )
        answers = self._store.msearch(searches) if searches else []
        return [_alerts(answer) for answer in answers]

    def all(self, states: tuple[State, ...] = (State.OPEN, State.ACKNOWLEDGED)) -> list[Alert]:
        """Return all alerts in these states, the oldest first."""
        return self._found({"terms": {"alert.state": [state.value for state in states]}})

    def one(self, prefix: str) -> Alert:
        """Return the alert whose id starts so.

        Raises:
            ConfigurationError: there is none, or more than one.
        """
        found = self._found({"prefix": {"alert.id": prefix}})
        if len(found) != 1:
            said = (
                "No alert has an id that starts" if not found else f"{len(found)} alerts have ids that start"
            )
            raise ConfigurationError(f"{said} with {prefix}; see `shipper alerts list --all`.")
        return found[0]

    def write(self, change: Change) -> None:
        """Store a change; a change that is stored already changes nothing.

        Raises:
            StoreUnavailable: another writer changed the alert meanwhile; judging again settles it.
        """
        self._tell(change)
        after, document = change.after, to_document(change.after)
        if change.before is None and self._store.create(self._index, after.id, document, refresh=True):
            return
        stored = self._store.get(self._index, after.id)
        if stored is None:
            self._store.create(self._index, after.id, document, refresh=True)
            return
        current = from_document(stored.source)
        if current == after:
            return
        expected = change.before.revision if change.before is not None else 0
        if current.revision != expected:
            raise StoreUnavailable(self._index, f"alert {after.id} was changed by somebody else meanwhile")
        self._put(after.id, document, stored)

    def acknowledge(self, prefix: str, note: str) -> Alert:
        """Mark an alert as seen by a person and return it; the detection job keeps that mark."""
        return self._act(prefix, lambda alert: acknowledged(alert, note, self._clock.now_us()))

    def silence(self, prefix: str, until_us: int | None) -> Alert:
        """Have an alert silent until a moment, or (None) heard again, and return it."""
        return self._act(prefix, lambda alert: silenced(alert, until_us, self._clock.now_us()))

    def _act(self, prefix: str, change_of: Callable[[Alert], Change | None]) -> Alert:
        for _ in range(_ATTEMPTS):
            change = change_of(self.one(prefix))
            if change is None:
                return self.one(prefix)
            try:
                self.write(change)
            except StoreUnavailable:
                continue
            return change.after
        raise StoreUnavailable(self._index, "the alert changed with every attempt; try again")

    def _tell(self, change: Change) -> None:
        if not change.is_transition:
            return
        previous = change.before.state if change.before is not None else None
        document = to_transition(
            change.after,
            previous,
            change.at_us,
            ingested_us=self._clock.now_us(),
            namespace=self._namespace,
        )
        index = index_name("ml.alert", self._namespace, change.at_us)
        self._store.create(index, transition_id(change.after), document)

    def _put(self, alert_id: str, document: Mapping[str, Any], stored: StoredDocument) -> None:
        try:
            self._store.put(self._index, alert_id, document, unless_changed_since=stored, refresh=True)
        except RequestRefused as error:
            if error.status != 409:
                raise
            reason = f"alert {alert_id} was changed by somebody else meanwhile"
            raise StoreUnavailable(self._index, reason) from error

    def _found(self, query: Mapping[str, Any]) -> list[Alert]:
        return _alerts(self._store.search(self._index, _sorted(query)))


def _sorted(query: Mapping[str, Any]) -> dict[str, Any]:
    return {"size": _MOST, "query": query, "sort": [{"@timestamp": "asc"}, {"alert.id": "asc"}]}


def _alerts(answer: JsonObject) -> list[Alert]:
    return [from_document(hit["_source"]) for hit in answer["hits"]["hits"]]
