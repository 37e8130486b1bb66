"""Erased persons: the list of their pseudonyms, and what must therefore not be stored again.

The list is one index, `shipper-erasures`: a document per person with the pseudonyms under all keys and a time. A record
that holds one of them and is not younger than that time is not stored, wherever it comes from: a replay, a spool that
was full, dead letters. Of such a record only its number is kept (`erasures-ml-<namespace>`), so that the books still
balance. Nobody's identity is in either: who has no key cannot tell whose pseudonym it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from shipper.clock import Clock
from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.errors import RequestRefused, StoreUnavailable
from shipper.index.moment import rfc3339
from shipper.index.search import read_all

LIST_INDEX: Final = "shipper-erasures"
LOOK_S: Final = 1.0
"""So old may the list be that an indexer goes by."""

_HEAD: Final = "head"
_FORM: Final = re.compile(r"pseudonym:[a-z0-9-]{1,32}:[0-9a-f]{32}")
_BYTES_FORM: Final = re.compile(_FORM.pattern.encode())
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ATTEMPTS: Final = 10
_DEFINITION: Final[JsonObject] = {
    "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1"}},
    "mappings": {
        "dynamic": False,
        "date_detection": False,
        "properties": {"kind": {"type": "keyword"}, "state": {"type": "keyword"}},
    },
}


def is_pseudonym(text: str) -> bool:
    """Return whether a text is a pseudonym as redaction makes them."""
    return _FORM.fullmatch(text) is not None


def pseudonyms_in(value: bytes) -> set[bytes]:
    """Return all pseudonyms that stand in a JSON text, also where somebody wrote it with escapes."""
    found = set(_BYTES_FORM.findall(value))
    if b"\\u" in value:
        try:
            found.update(_BYTES_FORM.findall(orjson.dumps(orjson.loads(value))))
        except (orjson.JSONDecodeError, orjson.JSONEncodeError):
            unescaped = re.sub(rb"\\u00([0-7][0-9a-fA-F])", lambda match: bytes([int(match[1], 16)]), value)
            found.update(_BYTES_FORM.findall(unescaped))
    return found


def erasure_id(pseudonyms: Iterable[str]) -> str:
    """Return the id of a person's erasure: the same for the same pseudonyms, and nothing that tells them."""
    return hashlib.sha256("\n".join(sorted(set(pseudonyms))).encode()).hexdigest()[:20]


def erasure_index(namespace: str) -> str:
    """Return the plain index that holds the numbers of erased records of a namespace, and nothing else of them."""
    return f"erasures-ml-{namespace}"


@dataclass(frozen=True, slots=True)
class Erased:
    """Whose records are not to be stored.

    Attributes:
        until_us: by pseudonym: event time up to which its records are erased, microseconds since the epoch.
    """

    until_us: Mapping[bytes, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.until_us)

    def among(self, values: Sequence[bytes | None], span: range) -> list[int]:
        """Return positions in `span` whose value holds a pseudonym of an erased person, of whatever time."""
        if not self.until_us:
            return []
        some = [values[position] or b"" for position in span]
        joined = b"\n".join(some)
        if b"\\u" not in joined and self.until_us.keys().isdisjoint(_BYTES_FORM.findall(joined)):
            return []
        return [
            position
            for position, value in zip(span, some, strict=True)
            if not self.until_us.keys().isdisjoint(pseudonyms_in(value))
        ]

    def covers(self, value: bytes) -> bool:
        """Return whether a record belongs to an erased person and is not younger than the erasure.

        A record whose time cannot be read counts as old: it would only become a dead letter.
        """
        return self.names(value, None) and self.names(value, event_time_us(value))

    def names(self, value: bytes, moment_us: int | None) -> bool:
        """Return whether a text of a time names an erased person; None: of whatever time."""
        found = self.until_us.keys() & pseudonyms_in(value)
        return any(moment_us is None or moment_us <= self.until_us[one] for one in found)


NOBODY: Final = Erased()


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person's erasure, as the list has it.

    Attributes:
        id: follows from the pseudonyms.
        pseudonyms: under the present key and all former ones.
        until_us: see `Erased`.
        state: `running` until a run came to its end.
        counts: what all runs together have done.
    """

    id: str
    pseudonyms: tuple[str, ...]
    until_us: int
    requested: str
    by: str
    state: str = "running"
    counts: Mapping[str, int] = field(default_factory=dict)


class ErasureList:
    """Reads and writes the list. Methods raise `StoreUnavailable` and `RequestRefused`."""

    def __init__(self, client: ElasticClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def entries(self) -> list[Erasure]:
        """Return all erasures; none where there is no list."""
        if self._client.index_definition(LIST_INDEX) is None:
            return []
        self._client.refresh(LIST_INDEX)
        return list(_entries(self._client))

    def register(self, pseudonyms: Iterable[str], by: str) -> Erasure:
        """Put a person on the list, or find the entry that is there, now up to the present; indexers follow at once."""
        self._make()
        wanted = tuple(sorted(set(pseudonyms)))
        name = erasure_id(wanted)
        now_us = self._clock.now_us()
        fresh = Erasure(name, wanted, now_us, rfc3339(now_us), by)
        if not self._client.create(LIST_INDEX, name, _source(fresh), refresh=True):
            self.change(name, until_us=now_us, state="running")
        self._announce()
        return self._read(name)

    def change(
        self, name: str, *, until_us: int = 0, state: str = "", counts: Mapping[str, int] | None = None
    ) -> None:
        """Raise the time, set the state, add to the counts; several runs at once lose nothing of each other's."""
        for _ in range(_ATTEMPTS):
            stored = self._client.get(LIST_INDEX, name)
            if stored is None:
                raise RequestRefused(404, f"the erasure {name} is not on the list any more")
            source = dict(stored.source)
            is_later = until_us > int(source["until_us"])
            source["until_us"] = max(until_us, int(source["until_us"]))
            source["state"] = state or source["state"]
            sums = dict(source.get("counts", {}))
            for word, count in (counts or {}).items():
                sums[word] = sums.get(word, 0) + count
            source["counts"] = sums
            try:
                self._client.put(LIST_INDEX, name, source, unless_changed_since=stored, refresh=is_later)
            except RequestRefused as error:
                if error.status != 409:
                    raise
                continue
            if is_later:
                self._announce()
            return
        raise StoreUnavailable(self._client.url, "the list of erasures changed with every attempt")

    def _read(self, name: str) -> Erasure:
        stored = self._client.get(LIST_INDEX, name)
        if stored is None:
            raise RequestRefused(404, f"the erasure {name} is not on the list any more")
        return _erasure(name, stored.source)

    def _make(self) -> None:
        if self._client.index_definition(LIST_INDEX) is not None:
            return
        try:
            self._client.create_index(LIST_INDEX, _DEFINITION)
        except RequestRefused as error:
            if error.status != 400:  # else somebody was quicker
                raise

    def _announce(self) -> None:
        """Tell those who keep a copy of the list that it has changed."""
        self._client.put(LIST_INDEX, _HEAD, {"kind": "head", "changed_us": self._clock.now_us()})


class ErasureWatch:
    """The list as an indexer goes by: asked for at most so often, and read again only where it has changed.

    For one thread.
    """

    def __init__(self, client: ElasticClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._looked_s = float("-inf")
        self._seen: tuple[int, int] | None = None
        self._erased = NOBODY

    def erased(self) -> Erased:
        """Return whose records are not to be stored, as of `LOOK_S` seconds ago at the earliest.

        Raises:
            StoreUnavailable, RequestRefused: the list cannot be read, so nothing may be stored now.
        """
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_s < LOOK_S:
            return self._erased
        head = self._client.get(LIST_INDEX, _HEAD)
        seen = None if head is None else (head.primary_term, head.seq_no)
        if seen != self._seen:
            self._erased = NOBODY if head is None else erased_of(_entries(self._client))
            self._seen = seen
        self._looked_s = now_s
        return self._erased


def erased_of(erasures: Iterable[Erasure]) -> Erased:
    """Return the look-up of a list."""
    until_us: dict[bytes, int] = {}
    for erasure in erasures:
        for one in erasure.pseudonyms:
            key = one.encode()
            until_us[key] = max(erasure.until_us, until_us.get(key, 0))
    return Erased(until_us)


def _entries(client: ElasticClient) -> Iterator[Erasure]:
    query = {"term": {"kind": "erasure"}}
    for hit in read_all(client, LIST_INDEX, query, sort=[{"_shard_doc": "asc"}]):
        yield _erasure(hit["_id"], hit["_source"])


def _source(erasure: Erasure) -> JsonObject:
    return {
        "kind": "erasure",
        "pseudonyms": list(erasure.pseudonyms),
        "until_us": erasure.until_us,
        "requested": erasure.requested,
        "by": erasure.by,
        "state": erasure.state,
        "counts": dict(erasure.counts),
    }


def _erasure(name: str, source: Mapping[str, Any]) -> Erasure:
    return Erasure(
        name,
        tuple(source["pseudonyms"]),
        int(source["until_us"]),
        source["requested"],
        source["by"],
        source["state"],
        dict(source.get("counts", {})),
    )


def event_time_us(value: bytes) -> int | None:
    """Return a record's own time, microseconds since the epoch; None where it cannot be read."""
    try:
        moment = datetime.fromisoformat(orjson.loads(value)["@timestamp"])
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, KeyError, TypeError):
        return None
