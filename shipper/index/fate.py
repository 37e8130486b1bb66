"""The one table that says what becomes of a record, from what Elasticsearch answered for it.

Three rules stand behind the rows:

1. A record is a dead letter only for something that is wrong with *it*. What is wrong with the
   cluster, with our rights or with our set-up (a full disk, a forbidden role, a missing index where
   automatic creation is off, no room for another shard) is waited for: no record is at fault, and a
   person can repair it. The indexer reports it and holds the stream meanwhile.
2. An index that was closed or blocked for writing on purpose gets no more documents. Only that index
   is concerned, so its records become dead letters (to be replayed) and do not hold up the others.
3. A status that is not in the table is a dead letter: nothing is repeated for ever without a reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from shipper.elastic.answers import ItemAnswer


class Fate(Enum):
    """What becomes of a record."""

    INDEXED = "indexed"
    DUPLICATE = "duplicate"
    RETRY = "retry"
    DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A fate with its reason.

    Attributes:
        reason: one word: for counters and dead letters, or what is waited for.
        detail: the server's own sentence; empty where all is well.
        is_suspect: RETRY only: the server failed inside itself, which may be this document's doing.
    """

    fate: Fate
    reason: str = ""
    detail: str = ""
    is_suspect: bool = False


STORED: Final = Verdict(Fate.INDEXED)
_THERE_ALREADY: Final = Verdict(Fate.DUPLICATE)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table; the first that fits decides.

    Attributes:
        statuses: HTTP statuses of the item.
        error_type: Elasticsearch's name of the error; empty: any.
        sentence: regular expression that the server's sentence must contain; empty: any.
    """

    statuses: range | tuple[int, ...]
    error_type: str
    sentence: str
    fate: Fate
    reason: str


_SHARD_LIMIT: Final = "shards, but this cluster currently has"
_DELIBERATE_BLOCK: Final = r"index \[[^\]]*\] blocked by: \[FORBIDDEN/[4589]/"
"""Blocks that a person or a policy puts on one index: 4 closed, 5 read-only, 8 write, 9 metadata."""

TABLE: Final[tuple[Row, ...]] = (
    Row(range(200, 300), "", "", Fate.INDEXED, ""),
    Row((409,), "", "", Fate.DUPLICATE, ""),
    Row((400,), "validation_exception", _SHARD_LIMIT, Fate.RETRY, "shard_limit"),
    Row((400,), "index_closed_exception", "", Fate.DEAD_LETTER, "index_blocked"),
    Row((400,), "", "", Fate.DEAD_LETTER, "mapping"),
    Row((401,), "", "", Fate.RETRY, "unauthorized"),
    Row((403, 429), "cluster_block_exception", _DELIBERATE_BLOCK, Fate.DEAD_LETTER, "index_blocked"),
    Row((403, 429), "cluster_block_exception", "", Fate.RETRY, "blocked"),
    Row((403,), "", "", Fate.RETRY, "forbidden"),
    Row((404,), "", "", Fate.RETRY, "index_missing"),
    Row((408, 429), "", "", Fate.RETRY, "busy"),
    Row((413,), "", "", Fate.DEAD_LETTER, "too_large"),
    Row(range(500, 600), "", "", Fate.RETRY, "server_error"),
    Row(range(1000), "", "", Fate.DEAD_LETTER, "refused"),
)
"""Read from the top. 403 is never final: a full disk and a missing right both answer so."""


def judge(answer: ItemAnswer) -> Verdict:
    """Return what becomes of the record that got this answer."""
    if answer.in_failure_store:
        # Set aside by the server is not stored: nobody's search would find it.
        return Verdict(Fate.DEAD_LETTER, "failure_store", "the server put it into its failure store")
    row = next(row for row in TABLE if _fits(row, answer))
    if row.fate is Fate.INDEXED:
        return STORED
    if row.fate is Fate.DUPLICATE:
        return _THERE_ALREADY
    detail = f"status {answer.status} {answer.error_type}: {answer.reason}"
    return Verdict(row.fate, row.reason, detail, is_suspect=answer.status == 500)


def _fits(row: Row, answer: ItemAnswer) -> bool:
    return (
        answer.status in row.statuses
        and row.error_type in ("", answer.error_type)
        and re.search(row.sentence, answer.reason) is not None
    )
