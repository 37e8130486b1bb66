"""The indexer between Kafka and Elasticsearch in memory: fates, commits, waiting, stopping."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence

import pytest

from shipper.elastic.answers import ItemAnswer
from shipper.errors import (
    BrokerUnavailable,
    ConfigurationError,
    GroupRebalanced,
    RecordTooLarge,
    RequestRefused,
    ShipperError,
)
from shipper.index.document import Refusal
from shipper.index.settle import SUSPECT_ATTEMPTS, IndexPolicy
from shipper.index.stream import KafkaRecord
from tests.unit.index.in_memory import Bench, record, unavailable, value


def test_records_are_stored_by_id_and_then_committed() -> None:
    """Every record of a batch is a document under its event id, and the offset behind the last is stored."""
    bench = Bench([record(0), record(1)], [record(5, partition=1)])
    bench.run()
    assert sorted(bench.store.documents) == ["p-0", "p-1", "p-5"]
    assert bench.source.committed == {("t", 0): 2, ("t", 1): 6}
    counts = bench.indexer.counts()
    assert (counts.consumed, counts.indexed, counts.in_hand) == (3, 3, 0)


def test_a_replay_changes_nothing() -> None:
    """U27: the same records twice are stored once; the second time they count as duplicates."""
    batch = [record(0), record(1)]
    bench = Bench(batch, batch)
    bench.run()
    assert len(bench.store.documents) == 2
    assert bench.indexer.counts().duplicates == 2


def test_one_bad_record_stops_nobody() -> None:
    """U35: invalid, refused and good records in one batch each have their own fate."""
    bench = Bench([record(0), record(1, b"{"), record(2), record(3, value(3, message=None)), record(4)])
    bench.store.answer = lambda name, _attempt: ItemAnswer(400, "t", "no") if name == "p-2" else None
    bench.run()
    assert sorted(bench.store.documents) == ["p-0", "p-4"]
    assert dict(bench.indexer.counts().dead_lettered) == {"json": 1, "mapping": 1, "schema": 1}
    assert bench.source.committed == {("t", 0): 5}


def test_a_dead_letter_is_whole() -> None:
    """U34: the dead letter has the untouched record, the reason, the server's sentence and the index."""
    bench = Bench([record(0)])
    bench.store.answer = lambda _name, _attempt: ItemAnswer(400, "document_parsing_exception", "host is text")
    bench.run()
    ((kept, refusal),) = bench.dead_letters.letters
    assert kept == record(0)
    assert (refusal.reason, refusal.event_id, refusal.index) == (
        "mapping",
        "p-0",
        "logs-ml.app-default-2026.11.21",
    )
    assert "host is text" in refusal.detail


def test_only_failed_items_are_sent_again() -> None:
    """U27: after a mixed answer the repeat holds the failed items alone."""
    bench = Bench([record(0), record(1), record(2)])
    bench.store.answer = lambda name, attempt: (
        ItemAnswer(429, "t", "full") if name == "p-1" and attempt < 3 else None
    )
    bench.run()
    assert bench.store.requests == [["p-0", "p-1", "p-2"], ["p-1"], ["p-1"]]
    assert bench.indexer.counts().retries == 2
    assert len(bench.store.documents) == 3


def test_nothing_is_committed_while_elasticsearch_is_away() -> None:
    """An outage is waited for, reported, and lost nothing; Kafka is kept company at least once a second."""
    bench = Bench([record(0)])
    bench.store.errors = [unavailable() for _ in range(10)]
    started_s = bench.clock.monotonic_s()
    bench.run()
    waited_s = bench.clock.monotonic_s() - started_s
    assert waited_s > 15
    assert bench.source.kept_alive >= waited_s - 3
    assert len(bench.store.documents) == 1
    assert "nothing is lost" in bench.reports[0]
    assert "going on" in bench.reports[-1]
    assert len(bench.reports) <= 5


def test_a_stop_while_waiting_gives_the_batch_back() -> None:
    """Asked to stop during an outage, the indexer returns without a commit: Kafka hands the records out again."""
    bench = Bench([record(0)])
    stop = threading.Event()
    original = bench.source.keep_alive

    def keep_alive() -> None:
        original()
        if bench.source.kept_alive == 3:
            stop.set()

    bench.source.keep_alive = keep_alive  # type: ignore[method-assign]
    bench.store.errors = [unavailable() for _ in range(100)]
    bench.indexer.run(stop)
    assert bench.source.committed == {}
    assert bench.indexer.counts().in_hand == 1
    bench.store.errors = []
    bench.run()
    assert bench.source.committed == {("t", 0): 1}
    assert bench.indexer.counts().in_hand == 0


def test_a_rebalance_at_the_commit_loses_nothing() -> None:
    """Records whose offsets cannot be stored any more are read again by whoever has them now."""
    bench = Bench([record(0)], [record(0), record(1)])
    bench.source.commit_errors = [GroupRebalanced("g", "moved")]
    bench.run()
    assert sorted(bench.store.documents) == ["p-0", "p-1"]
    assert bench.source.committed == {("t", 0): 2}
    assert bench.indexer.counts().duplicates == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_refused_request_is_nobodys_fault(status: int) -> None:
    """U36: wrong credentials or a wrong address are waited for; no record becomes a dead letter."""
    bench = Bench([record(0)])
    bench.store.errors = [RequestRefused(status, "no") for _ in range(5)]
    bench.run()
    assert bench.dead_letters.letters == []
    assert len(bench.store.documents) == 1


@pytest.mark.parametrize(("status", "reason"), [(400, "request"), (413, "too_large")])
def test_a_request_refused_for_one_document_is_halved(status: int, reason: str) -> None:
    """U35: the culprit is found by halving and set aside alone; the others are stored."""
    bench = Bench([record(number) for number in range(7)])
    bench.store.refuse = lambda body: RequestRefused(status, "bad") if b'"p-4"' in body else None
    bench.run()
    assert len(bench.store.documents) == 6
    ((kept, refusal),) = bench.dead_letters.letters
    assert (kept.offset, refusal.reason) == (4, reason)


def test_a_document_that_makes_the_server_fail_is_given_up() -> None:
    """U35: status 500 for one document, while others succeed, ends as a dead letter after eight attempts."""
    bench = Bench([record(0), record(1)], [record(2)])
    bench.store.answer = lambda name, _attempt: ItemAnswer(500, "npe", "") if name == "p-1" else None
    bench.run()
    assert bench.store.attempts["p-1"] == SUSPECT_ATTEMPTS
    assert dict(bench.indexer.counts().dead_lettered) == {"server_error": 1}
    assert sorted(bench.store.documents) == ["p-0", "p-2"]


def test_a_server_that_fails_on_all_is_waited_for() -> None:
    """U36: when every document gets status 500, the server is ill and no document is given up."""
    bench = Bench([record(0), record(1)])
    bench.store.answer = lambda _name, attempt: ItemAnswer(500, "npe", "") if attempt < 30 else None
    bench.run()
    assert bench.dead_letters.letters == []
    assert len(bench.store.documents) == 2


def test_the_pauses_grow_while_items_are_refused() -> None:
    """A full server is not hammered: twenty repeats of 429 take minutes, not seconds."""
    bench = Bench([record(0)])
    bench.store.answer = lambda _name, attempt: ItemAnswer(429, "t", "full") if attempt <= 20 else None
    bench.run()
    assert bench.clock.monotonic_s() > 90


def test_dead_letters_are_acknowledged_before_the_commit() -> None:
    """U34: while the dead-letter topic does not answer, the offset stays; each letter is written once."""
    bench = Bench([record(0, b"{"), record(1, b"[")])
    bench.dead_letters.errors = [BrokerUnavailable("k", "away")] * 3
    committed_before: list[bool] = []
    original = bench.dead_letters.write

    def write(refused: Sequence[tuple[KafkaRecord, Refusal]]) -> list[ShipperError | None]:
        committed_before.append(bool(bench.source.committed))
        return original(refused)

    bench.dead_letters.write = write  # type: ignore[method-assign]
    bench.run()
    assert committed_before == [False] * 3
    assert sorted(letter.offset for letter, _ in bench.dead_letters.letters) == [0, 1]
    assert bench.source.committed == {("t", 0): 2}


def test_a_dead_letter_that_kafka_refuses_stops_the_indexer() -> None:
    """A record that can be stored nowhere is never skipped: the indexer ends with the reason, uncommitted."""
    bench = Bench([record(0, b"{")])
    bench.dead_letters.errors = [RecordTooLarge(10, 5)]
    with pytest.raises(RecordTooLarge):
        bench.run()
    assert bench.source.committed == {}


def test_troubles_of_kafka_are_waited_for() -> None:
    """A poll or commit that fails for now is repeated."""
    bench = Bench([record(0)])
    bench.source.poll_errors = [BrokerUnavailable("k", "away")] * 2
    bench.source.commit_errors = [BrokerUnavailable("k", "away")] * 2
    bench.run()
    assert bench.source.committed == {("t", 0): 1}


@pytest.mark.parametrize("error", [ConfigurationError("Templates are missing."), unavailable()])
def test_nothing_is_sent_before_elasticsearch_is_ready(error: ShipperError) -> None:
    """U30: without our templates the server would guess; the indexer waits for the set-up instead."""
    bench = Bench([record(0)])
    bench.ready_errors = [error, error]
    bench.store.errors = []
    bench.run()
    assert len(bench.store.documents) == 1


def test_readiness_is_asked_again_after_an_outage() -> None:
    """A server may come back empty: it is asked for its templates once more before the next document."""
    bench = Bench([record(0)], [record(1)])
    bench.store.errors = [unavailable()]
    asked: list[int] = []
    bench.indexer._settlement._ready = lambda: asked.append(len(bench.store.documents))
    bench.run()
    assert asked == [0, 0]


def test_requests_stay_under_the_limit_in_bytes() -> None:
    """A batch is cut into requests of bounded size; a larger document goes alone."""
    long = value(3, message="x" * 5000)
    bench = Bench(
        [record(0), record(1), record(2), record(3, long), record(4)],
        policy=IndexPolicy(batch_max_bytes=1000),
    )
    bench.run()
    assert bench.store.requests == [["p-0", "p-1"], ["p-2"], ["p-3"], ["p-4"]]


def test_ingested_is_the_time_of_the_attempt_that_stored() -> None:
    """Readers look back by event.ingested only so far: after an outage it is not the first attempt's time."""
    bench = Bench([record(0)])
    bench.store.errors = [unavailable() for _ in range(8)]
    bench.run()
    event = bench.store.documents["p-0"]["event"]
    assert isinstance(event, dict)
    assert event["ingested"] > "2026-11-21T11:00:10"
    assert len(event["ingested"]) == 27


def test_the_header_is_read_as_text() -> None:
    """A value that cannot be read is named by its header, and one that is no UTF-8 crashes nobody."""
    broken = type(record(0))("t", 0, 0, b"{", {"event.id": b"p-\xff"})
    bench = Bench([broken])
    bench.run()
    ((_, refusal),) = bench.dead_letters.letters
    assert (refusal.reason, refusal.event_id) == ("json", "p-\ufffd")


def test_counts_always_balance() -> None:
    """U19: consumed = indexed + duplicates + dead-lettered + in hand, also after retries and refusals."""
    bench = Bench([record(0), record(0), record(1, b"")], [record(2)])
    bench.store.errors = [unavailable()]
    bench.run()
    counts = bench.indexer.counts()
    assert counts.consumed == counts.indexed + counts.duplicates + sum(counts.dead_lettered.values())
    assert counts.in_hand == 0
    assert json.dumps(dict(counts.dead_lettered)) == '{"json": 1}'


def test_waiting_for_a_partition_is_no_idleness() -> None:
    """Without a partition nothing is known to be done: the indexer waits for one and says so once."""
    bench = Bench()
    bench.source.unassigned_polls = 100
    bench.run()
    assert bench.clock.monotonic_s() > 50
    (sentence,) = bench.reports
    assert "no partition" in sentence
