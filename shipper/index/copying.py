"""All documents of one index into another: bytes as they are, ids kept, in the order of their writing.

The order of writing (`_seq_no`) makes the copy resumable without a note of its own: the copy's newest document
says how far it came. It also makes what was written meanwhile the end of the same sequence. A document that was
changed since it was copied comes again, later; one that was deleted since is found by comparing ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import orjson

from shipper.elastic.client import ElasticClient
from shipper.elastic.raw import RawClient, RawDocument
from shipper.errors import ShipperError, StoreUnavailable
from shipper.index.fate import Fate, judge

_PAGE_BYTES: Final = 4 << 20
_REQUEST_BYTES: Final = 8 << 20
_PAGE_MAX: Final = 500
_ATTEMPTS: Final = 8
_START: Final = -1


@dataclass(slots=True)
class Copied:
    """What a copy has done so far.

    Attributes:
        documents: sent and stored, repeats included.
        removed: deleted from the copy because they were deleted from the original.
        refused: documents that the new mapping does not take, by id, with the server's sentence; the first hundred.
        refused_count: how many there are.
    """

    documents: int = 0
    removed: int = 0
    refused_count: int = 0
    refused: dict[str, str] = field(default_factory=dict)


class Copier:
    """Copies one index into another; not for use from several threads.

    Args:
        pause: waits before a repeat; is told how many attempts have failed.
    """

    def __init__(
        self,
        client: ElasticClient,
        raw: RawClient,
        old: str,
        new: str,
        *,
        pause: Callable[[int], None],
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._raw = raw
        self._old = old
        self._new = new
        self._pause = pause
        self._progress = progress
        self.done = Copied()
        self._reached: dict[int, int] = {}

    def copy(self) -> None:
        """Copy all that is there and not yet copied.

        Raises:
            StoreUnavailable: the server did not answer in many attempts; what is copied stays copied.
            RequestRefused: an index is not there any more.
        """
        self._client.refresh(self._old)
        shards = self._shard_count(self._old)
        if not self._reached and shards == 1:
            self._reached[0] = self._resumed()
        size = self._page_size()
        for shard in range(shards):
            while page := self._again(lambda s=shard: self._page(s, size)):  # type: ignore[misc]
                for part in _parts(page):
                    self._store(part)
                self._reached[shard] = page[-1].position

    def is_equal(self) -> bool:
        """Return whether both hold the same ids; call it when nobody writes into either."""
        for name in (self._old, self._new):
            self._client.refresh(name)
        count = self._client.count(self._old)
        if count != self._client.count(self._new):
            return False
        # Where nothing was ever changed or deleted, each operation is a document: as many are the same.
        return sum(reached + 1 for reached in self._reached.values()) == count or not any(self._missing())

    def settle(self) -> None:
        """Compare ids and put right what differs: bring what is missing, remove what is gone from the original."""
        for absent in self._missing():
            for part in _parts(absent):
                self._store(part)
        for gone in self._absent(self._new, self._old, with_source=False):
            for document in gone:
                self._client.delete(self._new, document.id)
                self.done.removed += 1
        self._client.refresh(self._new)

    def _missing(self) -> Iterator[list[RawDocument]]:
        return self._absent(self._old, self._new, with_source=True)

    def _absent(self, one: str, other: str, *, with_source: bool) -> Iterator[list[RawDocument]]:
        """Yield what `one` has and `other` has not, page by page."""
        size = self._page_size()
        for shard in range(self._shard_count(one)):
            after = _START
            while page := self._again(
                lambda s=shard, a=after: self._raw.page(one, s, a, size, with_source=with_source)  # type: ignore[misc]
            ):
                after = page[-1].position
                there = self._present(other, [document.id for document in page])
                absent = [document for document in page if document.id not in there]
                if absent:
                    yield absent

    def _present(self, index: str, ids: Sequence[str]) -> set[str]:
        answer: dict[str, Any] = self._again(
            lambda: self._client.request(
                "POST",
                f"/{quote(index, safe='')}/_mget",
                params={"_source": "false"},
                body=orjson.dumps({"ids": list(ids)}),
            )
        )
        return {row["_id"] for row in answer["docs"] if row.get("found")}

    def _page(self, shard: int, size: int) -> list[RawDocument]:
        return self._raw.page(self._old, shard, self._reached.get(shard, _START), size)

    def _store(self, documents: Sequence[RawDocument]) -> None:
        """Store a part of a page; what the server cannot take now is sent again, what it refuses is noted."""
        waiting = list(documents)
        for attempt in range(_ATTEMPTS):
            sent = waiting
            answers = self._again(lambda: self._raw.store(self._new, sent))  # noqa: B023 - called at once
            waiting, detail = [], ""
            for document, answer in zip(sent, answers, strict=True):
                verdict = judge(answer)
                if verdict.fate is Fate.RETRY:
                    waiting.append(document)
                    detail = verdict.detail
                elif verdict.fate is Fate.DEAD_LETTER:
                    self._refuse(document.id, verdict.detail)
                else:
                    self.done.documents += 1
            self._progress(self.done.documents)
            if not waiting:
                return
            self._pause(attempt)
        raise StoreUnavailable(self._client.url, detail)

    def _refuse(self, document_id: str, detail: str) -> None:
        self.done.refused_count += 1
        if len(self.done.refused) < 100:
            self.done.refused[document_id] = detail

    def _again(self, ask: Callable[[], Any]) -> Any:
        for attempt in range(_ATTEMPTS - 1):
            try:
                return ask()
            except ShipperError as error:
                if not error.retriable:
                    raise
            self._pause(attempt)
        return ask()

    def _resumed(self) -> int:
        """Return the place in the original up to which the copy is complete."""
        self._client.refresh(self._new)
        newest = self._client.search(
            self._new, {"size": 1, "sort": [{"_seq_no": "desc"}], "_source": False, "track_total_hits": False}
        )["hits"]["hits"]
        if not newest:
            return _START
        found = self._client.get(self._old, newest[0]["_id"])
        # Changed or deleted since: its place is another now, so nothing is known.
        return _START if found is None or self._has_changes() else found.seq_no

    def _has_changes(self) -> bool:
        """Whether the original ever changed or deleted a document; then places move, and resuming is not safe."""
        newest = self._client.search(
            self._old, {"size": 1, "sort": [{"_seq_no": "desc"}], "_source": False, "track_total_hits": False}
        )["hits"]["hits"]
        return not newest or int(newest[0]["sort"][0]) + 1 != self._client.count(self._old)

    def _shard_count(self, index: str) -> int:
        definition = self._client.index_definition(index)
        if definition is None:
            raise StoreUnavailable(self._client.url, f"{index} has been put in place of another meanwhile")
        return int(definition["settings"]["index"]["number_of_shards"])

    def _page_size(self) -> int:
        answer = self._client.request("GET", f"/{quote(self._old, safe='')}/_stats/docs,store")
        primaries = answer["_all"]["primaries"]
        # Stored bytes are compressed; the text is several times as long.
        average = 5 * primaries["store"]["size_in_bytes"] // max(1, primaries["docs"]["count"])
        return int(max(1, min(_PAGE_MAX, _PAGE_BYTES // max(1, average))))


def _parts(documents: Sequence[RawDocument]) -> Iterator[list[RawDocument]]:
    """Cut a page where a request would be too large."""
    part: list[RawDocument] = []
    size = 0
    for document in documents:
        if part and size + len(document.source) > _REQUEST_BYTES:
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document.source)
    if part:
        yield part
