"""One `_bulk` request: creates by id, one verdict per document, and no document spoils another's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from shipper.elastic.answers import ItemAnswer
from shipper.errors import RequestRefused
from shipper.index.document import Document
from shipper.index.fate import STORED, Fate, Verdict, judge

SPLIT_STATUSES: Final = {400: "request", 413: "too_large"}
"""Statuses of a whole request that are one document's doing, and the reason for that document."""


class BulkStore(Protocol):
    """What is needed of Elasticsearch here."""

    @property
    def url(self) -> str:
        """Its address, for messages."""

    def create(self, body: bytes, count: int) -> Sequence[ItemAnswer] | None:
        """Send a finished bulk body of `count` create actions; one answer per item, or None if all were stored."""


def verdicts(answers: Sequence[ItemAnswer] | None, count: int) -> list[Verdict]:
    """Return what becomes of each of `count` documents."""
    return [STORED] * count if answers is None else [judge(answer) for answer in answers]


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
        return verdicts(store.create(body, len(documents)), len(documents))
    except RequestRefused as error:
        reason = SPLIT_STATUSES.get(error.status)
        if reason is None:
            raise
        if len(documents) == 1:
            return [Verdict(Fate.DEAD_LETTER, reason, str(error))]
    half = len(documents) // 2
    return [
        *create_documents(store, documents[:half], ingested),
        *create_documents(store, documents[half:], ingested),
    ]
