"""One `_bulk` request: creates by id, one verdict per document, and no document spoils another's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from shipper.elastic.answers import ItemAnswer
from shipper.errors import RequestRefused, StoreUnavailable
from shipper.index.document import Document
from shipper.index.fate import Fate, Verdict, judge

_SPLIT_STATUSES = {400: "request", 413: "too_large"}
"""Statuses of a whole request that are one document's doing, and the reason for that document."""


class BulkStore(Protocol):
    """What is needed of Elasticsearch here."""

    @property
    def url(self) -> str:
        """Its address, for messages."""

    def bulk(self, body: bytes) -> list[ItemAnswer]:
        """Send a finished bulk body; one answer per item, in order."""


def create_documents(store: BulkStore, documents: Sequence[Document], ingested: bytes) -> list[Verdict]:
    """Store documents that are not there yet; return one verdict each, in order.

    A request that is refused as a whole (too large, unreadable) is halved until the one document that
    is the cause stands alone.

    Args:
        ingested: time of sending, RFC 3339.

    Raises:
        StoreUnavailable: nothing is known of any of them; the same call may be repeated.
        RequestRefused: nobody's document is at fault (credentials, a wrong address).
    """
    body = b"".join(piece for document in documents for piece in document.bulk_lines(ingested))
    try:
        answers = store.bulk(body)
    except RequestRefused as error:
        reason = _SPLIT_STATUSES.get(error.status)
        if reason is None:
            raise
        if len(documents) == 1:
            return [Verdict(Fate.DEAD_LETTER, reason, str(error))]
        half = len(documents) // 2
        return [
            *create_documents(store, documents[:half], ingested),
            *create_documents(store, documents[half:], ingested),
        ]
    if len(answers) != len(documents):
        raise StoreUnavailable(store.url, f"{len(answers)} answers for {len(documents)} documents")
    return [judge(answer) for answer in answers]


def requests_by_size(documents: Sequence[Document], max_bytes: int) -> Iterator[Sequence[Document]]:
    """Cut a sequence into runs whose bodies stay under `max_bytes`; a larger document goes alone."""
    start = size = 0
    for position, document in enumerate(documents):
        if position > start and size + document.size_bytes > max_bytes:
            yield documents[start:position]
            start, size = position, 0
        size += document.size_bytes
    if start < len(documents):
        yield documents[start:]
