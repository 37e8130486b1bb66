"""Take persons' records out of every index: found by their pseudonyms, wherever in a document these stand.

A pseudonym may stand in any field, in one that is not indexed, in the text of an exception, in the evidence of an
alert. So every document is read and its whole text looked at; a search alone would miss what is not indexed
(`is_quick`). The minimal server knows no delete-by-query: what was found is deleted by its id.

- A log record is deleted. Before that its number alone is stored (`erased_record.py`), so that the books balance.
- An alert and the state of detection are about a system, not about a person: only the pseudonym in them is replaced.
- A mirrored dead letter keeps that there was one, as after `shipper dlq purge`.
- The list of erasures and the audit trail are left alone: they hold no record of anybody.

Everything may be repeated, by several at once, and after the death of any of them.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from shipper.index.erasures import LIST_INDEX, Erased, erasure_index, event_time_us, pseudonyms_in
from shipper.index.fate import Fate, judge
from shipper.index.mirror import purged_source
from shipper.index.moment import rfc3339
from shipper.index.search import read_all

INDICES: Final = ("logs-*", "alerts-*", "dead-letters-*", "shipper-*")
"""Indices in which records of persons may be; further ones can be named."""

PASSES_MAX: Final = 5
_PAGE: Final = 500
_LEFT_ALONE: Final = (LIST_INDEX, "logs-ml.audit-", "erasures-ml-")
_REWRITTEN: Final = ("alerts-ml-", "logs-ml.alert-", "shipper-state-")
_MIRROR: Final = "dead-letters-ml-"
_OVERLAP_US: Final = 120 * 1_000_000
"""A record may have been on its way to the server for so long."""


@dataclass(frozen=True, slots=True)
class ErasePlan:
    """What is to be done.

    Attributes:
        erased: whose records, and up to which time.
        indices: patterns of further indices.
        is_quick: find by the index alone, which misses what is not indexed.
        is_dry: count only.
    """

    erased: Erased
    indices: tuple[str, ...] = ()
    is_quick: bool = False
    is_dry: bool = True


@dataclass(slots=True)
class Erasing:
    """What has been done so far.

    Attributes:
        by_index: by index: `deleted`, `rewritten`, `emptied` (a mirrored dead letter) and `gone` (somebody else was
            quicker); of a dry run: what would be.
        problems: one sentence for each index that could not be looked through or changed.
        looked_at: documents that were read.
    """

    by_index: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    problems: dict[str, str] = field(default_factory=dict)
    looked_at: int = 0

    def total(self) -> Counter[str]:
        """Return the counts of all indices together."""
        return sum(self.by_index.values(), Counter())


class Eraser:
    """Works through the indices of one server. Methods raise `StoreUnavailable`.

    Args:
        on_found: told, before anything of a page is erased, the youngest event time on it (microseconds).
        on_page: told after each page what was done on it.
    """

    def __init__(
        self,
        client: ElasticClient,
        namespace: str,
        clock: Clock,
        plan: ErasePlan,
        on_found: Callable[[int], None] = lambda _newest_us: None,
        on_page: Callable[[Counter[str]], None] = lambda _counts: None,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._clock = clock
        self._plan = plan
        self._on_found = on_found
        self._on_page = on_page
        self._mark = f"[erased:{secrets.token_hex(4)}]"
        self.done = Erasing()

    def run_pass(self, ingested_from_us: int | None = None) -> int:
        """Look through all indices once; return how many documents were found.

        Args:
            ingested_from_us: of log records only those that arrived since; microseconds since the epoch.
        """
        found = 0
        for index in self._indices():
            try:
                found += self._look_through(index, ingested_from_us)
            except RequestRefused as error:
                # One index that is closed or blocked must not keep the others from being erased.
                if error.status != 404:  # else it has been deleted meanwhile
                    self.done.problems[index] = str(error)
        return found

    def _indices(self) -> Iterator[str]:
        patterns = ",".join((*INDICES, *self._plan.indices))
        # Hidden is, for example, the copy of a migration that has not ended.
        readable = self._client.indices(patterns, states="open,hidden")
        for index in self._client.indices(patterns, states="open,closed,hidden"):
            if index.startswith(_LEFT_ALONE):
                continue
            if index in readable:
                yield index
            else:  # a search would pass it over without a word
                self.done.problems[index] = "the index is closed and was not read"

    def _look_through(self, index: str, ingested_from_us: int | None) -> int:
        self._client.refresh(index)
        found = 0
        page: list[JsonObject] = []
        for number, hit in enumerate(self._hits(index, ingested_from_us), 1):
            self.done.looked_at += 1
            if self._plan.erased.covers(_text(hit["_source"])):
                page.append(hit)
            if number % _PAGE == 0:
                found += self._erase(index, page)
                page = []
        return found + self._erase(index, page)

    def _hits(self, index: str, ingested_from_us: int | None) -> Iterator[JsonObject]:
        filters: list[JsonObject] = []
        if ingested_from_us is not None and index.startswith("logs-"):
            since = rfc3339(ingested_from_us - _OVERLAP_US)
            filters.append({"range": {"event.ingested": {"gte": since}}})
        if self._plan.is_quick:
            names = [one.decode() for one in self._plan.erased.until_us]
            told = [
                {"multi_match": {"query": name, "fields": ["*"], "type": "phrase", "lenient": True}}
                for name in names
            ]
            filters.append({"bool": {"should": told}})
        return read_all(
            self._client,
            index,
            {"bool": {"filter": filters}} if filters else {"match_all": {}},
            sort=[{"_shard_doc": "asc"}],
            page_size=_PAGE,
            seq_no_primary_term=True,
        )

    def _erase(self, index: str, hits: Sequence[JsonObject]) -> int:
        """Erase what was found on a page; return how many these are."""
        if hits:
            word, rows = self._rows(index, hits)
            if self._plan.is_dry:
                counts = Counter({word: len(hits)})
            else:
                self._on_found(max(event_time_us(_text(hit["_source"])) or 0 for hit in hits))
                self._store_numbers(index, hits if word == "deleted" else ())
                counts = self._carry_out(index, word, rows)
            self.done.by_index[index].update(counts)
            self._on_page(counts)
        else:
            self._on_page(Counter())
        return len(hits)

    def _rows(
        self, index: str, hits: Sequence[JsonObject]
    ) -> tuple[str, list[tuple[JsonObject, JsonObject | None]]]:
        """Return what is done with documents of this index, and the lines that do it."""
        if index.startswith(_MIRROR):
            return "emptied", [(_anew(hit), purged_source(hit["_source"])) for hit in hits]
        if index.startswith(_REWRITTEN):
            return "rewritten", [(_anew(hit), self._without_names(hit["_source"])) for hit in hits]
        return "deleted", [({"delete": {"_index": hit["_index"], "_id": hit["_id"]}}, None) for hit in hits]

    def _without_names(self, source: Mapping[str, Any]) -> JsonObject:
        text = _text(source)
        for one in self._plan.erased.until_us:
            text = text.replace(one, self._mark.encode())
        rewritten: JsonObject = json.loads(text)
        return rewritten

    def _store_numbers(self, index: str, hits: Sequence[JsonObject]) -> None:
        """Store the numbers of records that are about to go; one that is stored already stays as it is."""
        target = erasure_index(namespace_of(index) or self._namespace)
        now_us = self._clock.now_us()
        rows: list[tuple[JsonObject, JsonObject | None]] = []
        for hit in hits:
            event = hit["_source"].get("event")
            event_id = event.get("id") if isinstance(event, dict) else None
            if isinstance(event_id, str) and _may_stay(event_id):
                line = {"create": {"_index": target, "_id": event_id}}
                rows.append((line, erased_source(event_id, now_us)))
        for answer in self._bulk(rows):
            if judge(answer).fate not in (Fate.INDEXED, Fate.DUPLICATE):
                raise _trouble(self._client, answer)

    def _carry_out(
        self, index: str, word: str, rows: Sequence[tuple[JsonObject, JsonObject | None]]
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        for answer in self._bulk(rows):
            if answer.status in (404, 409):
                # Gone already, or changed since it was read: the next pass sees what it is now.
                counts["gone" if answer.status == 404 else "changed"] += 1
            elif judge(answer).fate is Fate.INDEXED:
                counts[word] += 1
            elif judge(answer).fate is Fate.RETRY and answer.status != 403:
                raise _trouble(self._client, answer)
            else:
                counts["refused"] += 1
                self.done.problems[index] = f"{answer.error_type}: {answer.reason}"
        return counts

    def _bulk(self, rows: Sequence[tuple[JsonObject, JsonObject | None]]) -> list[ItemAnswer]:
        if not rows:
            return []
        lines = [line for row in rows for part in row if part is not None for line in (_dumped(part), b"\n")]
        answers = self._client.bulk(b"".join(lines))
        if len(answers) != len(rows):
            raise StoreUnavailable(self._client.url, f"{len(answers)} answers for {len(rows)} documents")
        return answers


def _may_stay(event_id: str) -> bool:
    encoded = event_id.encode("utf-8", "replace")
    return 0 < len(encoded) <= ID_MAX_BYTES and not pseudonyms_in(encoded)


def _anew(hit: JsonObject) -> JsonObject:
    """Return the line that writes a document anew where it has not changed since it was read."""
    condition = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
    return {"index": {"_index": hit["_index"], "_id": hit["_id"], **condition}}


def _trouble(client: ElasticClient, answer: ItemAnswer) -> StoreUnavailable | RequestRefused:
    verdict = judge(answer)
    if verdict.fate is Fate.RETRY and answer.status != 403:
        return StoreUnavailable(client.url, verdict.detail)
    return RequestRefused(answer.status, verdict.detail)


def _text(source: object) -> bytes:
    return _dumped(source)


def _dumped(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # a number of more than 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )
