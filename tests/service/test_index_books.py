"""`shipper reconcile` and `shipper dlq` on the real servers."""

from __future__ import annotations

import json

from shipper.index.ledger import Flow, balance
from shipper.index.ranges import Ranges
from shipper.record import new_producer_id
from tests.service.kafka_stage import KafkaStage


def run_indexer(stage: KafkaStage) -> None:
    """Index what is there."""
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.3)


def test_books_balance_with_dead_letters(stage: KafkaStage) -> None:
    """U19: stored and dead letters together are the whole sequence: balanced, exit 0."""
    values = [stage.value() for _ in range(30)]
    values.append(stage.value(host="scalar"))
    values.append(stage.value(**{"@timestamp": "2001-01-01T00:00:00.000000Z"}))
    stage.send(values)
    run_indexer(stage)
    done = stage.command("reconcile", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    (book,) = json.loads(done.stdout)["producers"]
    assert (book["last"], book["stored"], book["dead_lettered"], book["missing"]) == (32, 30, 2, [])


def test_a_gap_is_named(stage: KafkaStage) -> None:
    """U19: records that are nowhere are named by their numbers: exit 1."""
    values = [stage.value() for _ in range(10)]
    stage.send([values[0], values[4], values[9]])
    run_indexer(stage)
    done = stage.command("reconcile")
    assert done.returncode == 1
    assert "2-4, 6-9" in done.stdout
    assert "7 missing" in done.stdout


def test_a_double_is_named(stage: KafkaStage) -> None:
    """U27: the same number in two indices is a double, also beside a gap that hides it in the count."""
    first = stage.value()
    stage.send([first, stage.value(), stage.value()][:2])
    run_indexer(stage)
    source = dict(json.loads(first[1]))
    stage.client.put(f"logs-ml.app-{stage.namespace}-2020.01.01", first[0], source, refresh=True)
    (book,) = balance(stage.client, stage.namespace, Flow())
    assert book.doubled == (1,)
    assert not book.is_balanced


def test_records_in_kafka_wait_and_the_books_balance(stage: KafkaStage) -> None:
    """U19: what waits in Kafka is neither stored nor missing; --at-rest asks for more than that."""
    stage.send([stage.value()])
    run_indexer(stage)
    stage.send([stage.value(), stage.value()])
    stage.sequence += 1  # one that was lost on its way
    stage.send([stage.value()])
    done = stage.command("reconcile", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    (book,) = found["producers"]
    assert (found["in_kafka"], found["at_rest"], book["in_kafka"], book["missing"]) == (3, False, 3, [[4, 4]])
    stage.send([(f"{stage.producer_id}-4", stage.value()[1])])
    assert stage.command("reconcile").returncode == 0
    assert stage.command("reconcile", "--at-rest").returncode == 1


def test_producers_are_apart_and_since_selects_among_them(stage: KafkaStage) -> None:
    """Each producer has books of its own; --since leaves out those without a recent document."""
    stage.send([stage.value(**{"@timestamp": "2026-11-01T00:00:00.000000Z"}) for _ in range(3)])
    old = stage.producer_id
    stage.producer_id, stage.sequence = new_producer_id(), 0
    stage.send([stage.value(), stage.value(**{"@timestamp": "2026-11-01T00:00:00.000000Z"})])
    run_indexer(stage)
    books = balance(stage.client, stage.namespace, Flow(dead={new_producer_id(): Ranges([(3, 3)])}))
    assert sorted(book.last for book in books) == [2, 3, 3]
    assert [book.missing for book in books if not book.service and book.stored == 0] == [((1, 2),)]
    since_us = 1_764_000_000_000_000  # 2025-11-24
    assert len(balance(stage.client, stage.namespace, Flow(), since_us=since_us)) == 2
    recent = balance(stage.client, stage.namespace, Flow(), since_us=1_793_600_000_000_000)
    assert [(book.producer_id != old, book.stored) for book in recent] == [(True, 2)]


class TestDeadLetters:
    """`shipper dlq list` and `show`."""

    def test_list_counts_and_shows(self, stage: KafkaStage) -> None:
        """U34: letters are listed with place and reason, counted by reason, and filtered."""
        stage.send([stage.value(host="a"), stage.value(host="b"), ("x-1", b"{"), stage.value()])
        run_indexer(stage)
        done = stage.command("dlq", "list")
        assert done.returncode == 0, done.stderr
        assert "2  index: mapping" in done.stdout
        assert "1  index: json" in done.stdout
        assert "3 dead letters" in done.stdout
        rows = [
            json.loads(line)
            for line in stage.command("dlq", "list", "--json", "--reason", "json").stdout.splitlines()
        ]
        assert [(row["reason"], row["event_id"]) for row in rows] == [("json", "x-1")]

    def test_show_has_the_whole_record(self, stage: KafkaStage) -> None:
        """U34: by event id or place, with the server's reason; --raw gives the bytes as they were."""
        event_id, value = stage.value(host="a\u001b[31m")
        stage.send([(event_id, value)])
        run_indexer(stage)
        shown = stage.command("dlq", "show", event_id)
        assert shown.returncode == 0, shown.stderr
        assert "document_parsing_exception" in shown.stdout
        assert event_id in shown.stdout
        assert "\u001b" not in shown.stdout
        assert stage.command("dlq", "show", "0@0", "--raw").stdout.encode() == value

    def test_an_unknown_letter_is_one_sentence(self, stage: KafkaStage) -> None:
        """A place that does not exist: exit 2; an empty topic lists nothing with exit 0."""
        done = stage.command("dlq", "show", "0@99")
        assert done.returncode == 2
        assert "dlq list" in done.stderr
        empty = stage.command("dlq", "list")
        assert (empty.returncode, empty.stdout) == (0, "No dead letters.\n")
