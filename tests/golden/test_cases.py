"""The cases under logstash/tests/ through the indexer's own rules; Logstash answers the same ones elsewhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shipper.datasets import DATASETS
from shipper.index.document import Limits, Refusal, read_document
from tests.golden.cases import MAX_BYTES, NAMESPACE, NOW, NOW_US, Case, exact, load_cases

CASES = load_cases()
LIMITS = Limits(past_s=90 * 86_400, future_s=3600, max_bytes=MAX_BYTES)


def outcome(case: Case) -> dict[str, Any]:
    """Return what the indexer does with the record, in the form of an expectation."""
    read = read_document(
        case.value,
        header_id=case.headers.get("event.id"),
        namespace=NAMESPACE,
        now_us=NOW_US,
        limits=LIMITS,
    )
    if isinstance(read, Refusal):
        ids = {"event_id": read.event_id, "dataset": read.dataset, "index": read.index}
        return {"refused": {"reason": read.reason, **ids}}
    lines = b"".join(read.bulk_lines(NOW.encode())).splitlines()
    if has_a_name_twice(lines[1]):
        # As shipper wrote it, so not looked through; Elasticsearch says no (tests/service/test_index_hostile.py).
        return {
            "refused": {
                "reason": "mapping",
                "event_id": read.event_id,
                "dataset": read.dataset,
                "index": read.index,
            }
        }
    action, document = json.loads(lines[0])["create"], exact(lines[1])
    return {"index": action["_index"], "id": action["_id"], "document": document}


def has_a_name_twice(text: bytes) -> bool:
    """Return whether an object of a JSON text has a name more than once."""
    found: list[bool] = []
    json.loads(text, object_pairs_hook=lambda pairs: found.append(len(dict(pairs)) < len(pairs)))
    return any(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_indexer_answers_each_case(case: Case) -> None:
    """U56: one set of cases holds for both roads into Elasticsearch; this is shipper's own."""
    assert outcome(case) == case.expected, case.about


def test_there_are_cases_of_every_kind() -> None:
    """The cases cover every reason to refuse and both periods; each says what it is about."""
    reasons = {case.expected.get("refused", {}).get("reason") for case in CASES}
    assert {"json", "schema", "dataset", "id", "clock", "mapping", "too_large", None} <= reasons
    indices = {case.expected.get("index", "")[-3:] for case in CASES}
    assert {".01", ".21"} <= indices
    datasets = {case.expected.get("index", "").split("-")[1] for case in CASES if "index" in case.expected}
    assert datasets == set(DATASETS)
    assert len(CASES) >= 40
    assert all(case.about for case in CASES)


def test_the_time_of_the_cases_is_one() -> None:
    """The two ways of writing the time of arrival are the same moment."""
    moment = datetime.fromisoformat(NOW)
    assert moment == datetime.fromtimestamp(NOW_US / 1e6, UTC)
