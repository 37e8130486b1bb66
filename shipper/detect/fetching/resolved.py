"""Errors that somebody has declared resolved: who, when, and in which version. One document per fingerprint.

Every act is kept, so a window of the past is judged by what was resolved then, however often it is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

from shipper.alert.store import DocumentStore, JsonObject
from shipper.detect.fetching.store import Query
from shipper.detect.state import state_index
from shipper.errors import ConfigurationError, RequestRefused, StoreUnavailable

KIND: Final = "resolved"
MOST: Final = 500
"""Resolved errors that are watched for; of more, those acted on last."""

_ATTEMPTS: Final = 5
_PART: Final = re.compile(r"\d+|[a-z]+")

What = Literal["resolve", "reopen"]


@dataclass(frozen=True, slots=True)
class Act:
    """One act on an error; `at_us` in microseconds, `version` may be empty."""

    what: What
    at_us: int
    by: str
    version: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class ResolvedError:
    """An error that was acted on.

    Attributes:
        fingerprint: `error.id`, or that of the message's form.
        error: type of the exception, or the form of the message.
        is_exception: whether its records have the fingerprint as `error.id`.
        acts: the oldest first.
    """

    fingerprint: str
    error: str
    is_exception: bool
    acts: tuple[Act, ...]

    @property
    def is_resolved(self) -> bool:
        """Whether the last act resolved it."""
        return bool(self.acts) and self.acts[-1].what == "resolve"

    def spans(self) -> Iterable[tuple[Act, int | None]]:
        """Yield each resolution with the moment up to which it held; None: it still does."""
        for act, following in zip_longest(self.acts, self.acts[1:]):
            if act.what == "resolve":
                yield act, following.at_us if following is not None else None

    def to_json(self) -> JsonObject:
        """Return what `from_json` reads back."""
        acts = [
            {"what": one.what, "at_us": one.at_us, "by": one.by, "version": one.version, "why": one.why}
            for one in self.acts
        ]
        return {"error": self.error, "is_exception": self.is_exception, "acts": acts}

    @classmethod
    def from_json(cls, fingerprint: str, content: Mapping[str, Any]) -> ResolvedError:
        """Read a stored one; KeyError or TypeError where it is none."""
        acts = tuple(Act(**one) for one in content["acts"])
        return cls(fingerprint, str(content["error"]), bool(content["is_exception"]), acts)


class ResolvedBook:
    """The resolved errors of one namespace."""

    def __init__(self, store: DocumentStore, namespace: str) -> None:
        self._store = store
        self._namespace = namespace
        self._index = state_index(namespace)

    def all(self) -> list[ResolvedError]:
        """Return every error that was acted on, the last one first."""
        ((index, body),) = resolved_queries(self._namespace)
        return read_resolved(self._store.search(index, body))

    def act(self, error: ResolvedError, act: Act) -> ResolvedError:
        """Store one more act and return the error as it stands.

        Raises:
            ConfigurationError: it is so already.
            StoreUnavailable: others acted on it all the time.
        """
        document_id = f"{KIND}-{error.fingerprint}"
        for _ in range(_ATTEMPTS):
            stored = self._store.get(self._index, document_id)
            known = error
            if stored is not None:
                known = ResolvedError.from_json(error.fingerprint, stored.source["body"])
            if act.what == "reopen" and not known.is_resolved:
                raise ConfigurationError(f"Error {error.fingerprint} is not marked as resolved.")
            after = ResolvedError(known.fingerprint, known.error, known.is_exception, (*known.acts, act))
            source = {
                "kind": KIND,
                "name": error.fingerprint,
                "updated": act.at_us // 1000,
                "body": after.to_json(),
            }
            if stored is None:
                if self._store.create(self._index, document_id, source, refresh=True):
                    return after
                continue
            try:
                self._store.put(self._index, document_id, source, unless_changed_since=stored, refresh=True)
            except RequestRefused as refused:
                if refused.status != 409:
                    raise
            else:
                return after
        raise StoreUnavailable(self._index, "the error was changed with every attempt; try again")


def resolved_queries(namespace: str) -> list[Query]:
    """Return the search for all resolved errors."""
    body = {"size": MOST, "query": {"term": {"kind": KIND}}, "sort": [{"updated": "desc"}, {"name": "asc"}]}
    return [(state_index(namespace), body)]


def read_resolved(answer: JsonObject) -> list[ResolvedError]:
    """Return what the answer to `resolved_queries` says."""
    found = []
    for hit in answer.get("hits", {}).get("hits", ()):
        # One that a later version wrote otherwise must not stop the others from being watched.
        with suppress(KeyError, TypeError, AttributeError):
            found.append(ResolvedError.from_json(hit["_source"]["name"], hit["_source"]["body"]))
    return found


def is_older(version: str, than: str) -> bool:
    """Whether a version comes before another: number by number, words by the alphabet; a leading `v` is none.

    Names without an order, such as hashes, cannot be told apart in time by anybody.
    """
    return _order(version) < _order(than)


def _order(version: str) -> list[tuple[bool, int, str]]:
    parts = _PART.findall(version.lower())
    parts = parts[1:] if parts[:1] == ["v"] else parts
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]
