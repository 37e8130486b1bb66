"""Take persons' records out of every index: found by their pseudonyms, wherever in a document these stand.

A pseudonym may stand in any field, in one that is not indexed, in the text of an exception, in the evidence of an
alert. So every document is read and its whole text looked at; a search alone would miss what is not indexed
(`is_quick`). The minimal server knows no delete-by-query: what was found is replaced by its id.

- Of a log record nothing is left but a taken place (`tombstones.py`), so that no replay stores it again. Before that
  its number alone is stored (`erased_record.py`), so that the books balance.
- An alert and the state of detection are about a system, not about a person: only the pseudonym in them is replaced.
- A mirrored dead letter keeps that there was one, as after `shipper dlq purge`.
- The list of erasures and the audit trail are left alone: they hold no record of anybody.

Everything may be repeated, by several at once, and after the death of any of them.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.errors import RequestRefused
from shipper.index.erase_writes import ErasureWriter, Row, dumped, may_stay
from shipper.index.erasures import LIST_INDEX, NOBODY, Erased, event_time_us
from shipper.index.mirror import purged_source
from shipper.index.moment import rfc3339
from shipper.index.search import read_all
from shipper.index.tombstones import TOMBSTONE, keeps_places

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
        indices: patterns of further indices.
        is_quick: find by the index alone, which misses what is not indexed.
        is_dry: count only.
    """

    indices: tuple[str, ...] = ()
    is_quick: bool = False
    is_dry: bool = True


class Eraser:
    """Works through the indices of one server. Methods raise `StoreUnavailable`.

    Args:
        on_found: told, before anything of a page is erased, the youngest event time on it (microseconds).
        on_page: told after each page what was done on it.
    """

    def __init__(
        self,
        client: ElasticClient,
        writer: ErasureWriter,
        plan: ErasePlan,
        on_found: Callable[[int], None] = lambda _newest_us: None,
        on_page: Callable[[Counter[str]], None] = lambda _counts: None,
    ) -> None:
        self._client = client
        self._writer = writer
        self._plan = plan
        self._erased = NOBODY
        self._on_found = on_found
        self._on_page = on_page
        self._mark = f"[erased:{secrets.token_hex(4)}]"
        self.done = writer.done

    def run_pass(self, erased: Erased, ingested_from_us: int | None = None) -> int:
        """Look through all indices once; return how many documents were found.

        Args:
            erased: whose records, and up to which time.
            ingested_from_us: of log records only those that arrived since; microseconds since the epoch.
        """
        self._erased = erased
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
            if self._erased.covers(dumped(hit["_source"])):
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
            names = [one.decode() for one in self._erased.until_us]
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
        counts: Counter[str] = Counter()
        if hits:
            word, rows = self._rows(index, hits)
            if self._plan.is_dry:
                counts[word] = len(hits)
                self.done.by_index[index].update(counts)
            else:
                self._on_found(max(event_time_us(dumped(hit["_source"])) or 0 for hit in hits))
                if word == "deleted":
                    self._writer.store_numbers(
                        (index, event_id) for hit in hits if (event_id := _event_id(hit))
                    )
                counts = self._writer.carry_out(word, rows)
        self._on_page(counts)
        return len(hits)

    def _rows(self, index: str, hits: Sequence[JsonObject]) -> tuple[str, list[Row]]:
        """Return what is done with documents of this index, and the lines that do it."""
        if index.startswith(_MIRROR):
            return "emptied", [(_anew(hit), purged_source(hit["_source"])) for hit in hits]
        if index.startswith(_REWRITTEN):
            return "rewritten", [(_anew(hit), self._without_names(hit["_source"])) for hit in hits]
        keeps = keeps_places(index)
        return "deleted", [_emptied(hit) if keeps and may_stay(hit["_id"]) else _deleted(hit) for hit in hits]

    def _without_names(self, source: Mapping[str, Any]) -> JsonObject:
        text = dumped(source)
        for one in self._erased.until_us:
            text = text.replace(one, self._mark.encode())
        rewritten: JsonObject = json.loads(text)
        return rewritten


def _event_id(hit: JsonObject) -> str:
    event = hit["_source"].get("event")
    found = event.get("id") if isinstance(event, dict) else None
    return found if isinstance(found, str) else ""


def _emptied(hit: JsonObject) -> Row:
    return _anew(hit), TOMBSTONE


def _deleted(hit: JsonObject) -> Row:
    return {"delete": {"_index": hit["_index"], "_id": hit["_id"]}}, None


def _anew(hit: JsonObject) -> JsonObject:
    """Return the line that writes a document anew where it has not changed since it was read."""
    condition = {"if_seq_no": hit["_seq_no"], "if_primary_term": hit["_primary_term"]}
    return {"index": {"_index": hit["_index"], "_id": hit["_id"], **condition}}
