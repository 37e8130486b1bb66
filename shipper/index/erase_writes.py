"""How an erasure writes: the number of each record first, for the books, then what stands in its place."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from shipper.clock import Clock
from shipper.datasets import namespace_of
from shipper.elastic.answers import ItemAnswer, JsonObject
from shipper.elastic.client import ElasticClient
from shipper.errors import RequestRefused, StoreUnavailable
from shipper.index.document import ID_MAX_BYTES
from shipper.index.erased_record import erased_source
from shipper.index.erasures import erasure_index, pseudonyms_in
from shipper.index.fate import Fate, judge
from shipper.index.tombstones import TOMBSTONE

Row = tuple[JsonObject, Mapping[str, Any] | None]
"""The lines of a bulk request for one document: what is done, and its content where it has one."""

_NOT_TO_BE_WAITED_FOR: Final = (400, 403, 404)
"""No room for another index, a missing right, an index that the server does not make by itself: told in the receipt."""


@dataclass(slots=True)
class Erasing:
    """What has been done so far.

    Attributes:
        by_index: by index: `deleted`, `kept_out` (was on its way), `rewritten`, `emptied` (a mirrored dead letter),
            `gone` (somebody else was quicker) and `changed` (meanwhile); of a dry run: what would be.
        problems: one sentence for each index that could not be looked through or changed.
        looked_at: documents that were read.
    """

    by_index: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    problems: dict[str, str] = field(default_factory=dict)
    looked_at: int = 0

    def total(self) -> Counter[str]:
        """Return the counts of all indices together."""
        return sum(self.by_index.values(), Counter())


class ErasureWriter:
    """Writes, and keeps account in `done`. Methods raise `StoreUnavailable` and `RequestRefused`.

    Args:
        namespace: for the numbers of records in indices that name none.
    """

    def __init__(self, client: ElasticClient, namespace: str, clock: Clock) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock
        self.done = Erasing()

    def store_numbers(self, records: Iterable[tuple[str, str]]) -> None:
        """Store the numbers of records that are about to go; one that is stored already stays as it is.

        Args:
            records: index and event id of each.
        """
        now_us = self._clock.now_us()
        rows: list[Row] = []
        for index, event_id in records:
            if may_stay(event_id):
                target = erasure_index(namespace_of(index) or self._namespace)
                rows.append(
                    ({"create": {"_index": target, "_id": event_id}}, erased_source(event_id, now_us))
                )
        for answer in self._bulk(rows):
            if judge(answer).fate not in (Fate.INDEXED, Fate.DUPLICATE):
                raise self._trouble(answer)

    def take_places(self, records: Sequence[tuple[str, str]]) -> Counter[str]:
        """Take the places of records that are not stored yet, so that they never are; return the counts.

        Args:
            records: index and event id of each; where a record is stored already, nothing happens.
        """
        wanted = [(index, event_id) for index, event_id in records if may_stay(event_id)]
        self.store_numbers(wanted)
        rows: list[Row] = [
            ({"create": {"_index": index, "_id": event_id}}, TOMBSTONE) for index, event_id in wanted
        ]
        return self.carry_out("kept_out", rows)

    def carry_out(self, word: str, rows: Sequence[Row]) -> Counter[str]:
        """Do what the rows say, and return the counts; `word` is what it is called where it succeeds."""
        counts: Counter[str] = Counter()
        for (action, _), answer in zip(rows, self._bulk(rows), strict=True):
            ((kind, target),) = action.items()
            became = self._became(answer, word, target["_index"], is_new=kind == "create")
            if became:
                counts[became] += 1
                self.done.by_index[target["_index"]][became] += 1
        return counts

    def _became(self, answer: ItemAnswer, word: str, index: str, *, is_new: bool) -> str:
        fate = judge(answer).fate
        if fate is Fate.INDEXED:
            return word
        if answer.status == 409:
            # Of a new one: the place is taken. Else it has changed since it was read: the next look sees what it is now.
            return "" if is_new else "changed"
        if answer.status == 404 and not is_new:
            return "gone"
        if fate is Fate.RETRY and answer.status not in _NOT_TO_BE_WAITED_FOR:
            raise self._trouble(answer)
        self.done.problems[index] = f"{answer.error_type}: {answer.reason}"
        return "refused"

    def _bulk(self, rows: Sequence[Row]) -> list[ItemAnswer]:
        if not rows:
            return []
        lines = [line for row in rows for part in row if part is not None for line in (dumped(part), b"\n")]
        answers = self._client.bulk(b"".join(lines))
        if len(answers) != len(rows):
            raise StoreUnavailable(self._client.url, f"{len(answers)} answers for {len(rows)} documents")
        return answers

    def _trouble(self, answer: ItemAnswer) -> StoreUnavailable | RequestRefused:
        verdict = judge(answer)
        if verdict.fate is Fate.RETRY and answer.status != 403:
            return StoreUnavailable(self._client.url, verdict.detail)
        return RequestRefused(answer.status, verdict.detail)


def may_stay(event_id: str) -> bool:
    """Return whether an id may be kept: ours are random, but another writer's may name a person."""
    encoded = event_id.encode("utf-8", "replace")
    return 0 < len(encoded) <= ID_MAX_BYTES and not pseudonyms_in(encoded)


def dumped(value: object) -> bytes:
    """Return JSON in one line, whatever numbers are in it."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a number of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
