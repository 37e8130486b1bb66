"""The table status to fate, row by row."""

from __future__ import annotations

import pytest

from shipper.elastic.answers import ItemAnswer
from shipper.index.fate import TABLE, Fate, judge

SHARDS = (
    "Validation Failed: 1: this action would add [2] shards, but this cluster currently has [9]/[9] maximum"
)
FLOOD = "index [i] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, ...];"
FLOOD_OLD = "index [i] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
WRITE_BLOCK = "index [i] blocked by: [FORBIDDEN/8/index write (api)];"
READ_ONLY = "index [i] blocked by: [FORBIDDEN/5/index read-only (api)];"
CLUSTER_READ_ONLY = "blocked by: [FORBIDDEN/6/cluster read-only (api)];"

ROWS = [
    (201, "", "", Fate.INDEXED, ""),
    (200, "", "", Fate.INDEXED, ""),
    (409, "version_conflict_engine_exception", "exists", Fate.DUPLICATE, ""),
    (400, "document_parsing_exception", "failed to parse", Fate.DEAD_LETTER, "mapping"),
    (400, "illegal_argument_exception", "Limit of total fields", Fate.DEAD_LETTER, "mapping"),
    (400, "invalid_index_name_exception", "Invalid index name", Fate.DEAD_LETTER, "mapping"),
    (400, "validation_exception", SHARDS, Fate.RETRY, "shard_limit"),
    (400, "validation_exception", "another validation", Fate.DEAD_LETTER, "mapping"),
    (400, "index_closed_exception", "closed", Fate.DEAD_LETTER, "index_blocked"),
    (401, "security_exception", "who are you", Fate.RETRY, "unauthorized"),
    (403, "security_exception", "not for you", Fate.RETRY, "forbidden"),
    (403, "cluster_block_exception", FLOOD_OLD, Fate.RETRY, "blocked"),
    (429, "cluster_block_exception", FLOOD, Fate.RETRY, "blocked"),
    (403, "cluster_block_exception", CLUSTER_READ_ONLY, Fate.RETRY, "blocked"),
    (403, "cluster_block_exception", WRITE_BLOCK, Fate.DEAD_LETTER, "index_blocked"),
    (403, "cluster_block_exception", READ_ONLY, Fate.DEAD_LETTER, "index_blocked"),
    (404, "index_not_found_exception", "no such index", Fate.RETRY, "index_missing"),
    (408, "", "", Fate.RETRY, "busy"),
    (429, "es_rejected_execution_exception", "queue full", Fate.RETRY, "busy"),
    (429, "circuit_breaking_exception", "data too large", Fate.RETRY, "busy"),
    (413, "", "", Fate.DEAD_LETTER, "too_large"),
    (500, "null_pointer_exception", "", Fate.RETRY, "server_error"),
    (502, "", "", Fate.RETRY, "server_error"),
    (503, "unavailable_shards_exception", "primary shard is not active", Fate.RETRY, "server_error"),
    (504, "", "", Fate.RETRY, "server_error"),
    (406, "", "", Fate.DEAD_LETTER, "refused"),
    (302, "", "", Fate.DEAD_LETTER, "refused"),
    (0, "", "", Fate.DEAD_LETTER, "refused"),
]


@pytest.mark.parametrize(("status", "error_type", "sentence", "fate", "reason"), ROWS)
def test_each_answer_has_its_fate(
    status: int, error_type: str, sentence: str, fate: Fate, reason: str
) -> None:
    """U36: one table decides; a 403 or 429 from a full disk is waited for, never final."""
    verdict = judge(ItemAnswer(status, error_type, sentence))
    assert (verdict.fate, verdict.reason) == (fate, reason)


def test_each_row_of_the_table_is_tested() -> None:
    """U36: every row of the table is the one that decides at least one case above."""
    reached = set()
    for status, error_type, sentence, *_ in ROWS:
        answer = ItemAnswer(status, error_type, sentence)
        verdict = judge(answer)
        reached.add((verdict.fate, verdict.reason))
    assert reached == {(row.fate, row.reason) for row in TABLE}


def test_every_status_has_a_fate() -> None:
    """No status from 0 to 999 is without a row; nothing but 2xx and 409 counts as stored."""
    for status in range(1000):
        stored = judge(ItemAnswer(status)).fate in (Fate.INDEXED, Fate.DUPLICATE)
        assert stored == (200 <= status < 300 or status == 409)


def test_the_failure_store_is_no_success() -> None:
    """U34: a document that the server set aside counts as dead letter, though its status is 201."""
    verdict = judge(ItemAnswer(201, in_failure_store=True))
    assert (verdict.fate, verdict.reason) == (Fate.DEAD_LETTER, "failure_store")


def test_only_an_inner_failure_makes_a_document_suspect() -> None:
    """Status 500 may be the document's doing; 503 and 429 never are."""
    assert judge(ItemAnswer(500)).is_suspect
    assert not any(judge(ItemAnswer(status)).is_suspect for status in (429, 502, 503, 504))


def test_the_servers_sentence_is_kept() -> None:
    """The detail of a dead letter names status, type and reason; stored documents have none."""
    assert judge(ItemAnswer(400, "t", "why")).detail == "status 400 t: why"
    assert judge(ItemAnswer(201)).detail == ""
