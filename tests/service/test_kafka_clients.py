"""Our producer, consumer, admin and dead letters on the real Kafka."""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path

import pytest

from shipper.config import KafkaSettings
from shipper.errors import BrokerUnavailable, GroupRebalanced, RecordTooLarge, TopicMissing
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import ConsumedRecord, Consumer
from shipper.kafka.dead_letters import DeadLetter, DeadLetterTopic, decode, is_truncated
from shipper.kafka.producer import Acknowledged, Message, Outcome, Producer
from tests.service.running_stack import RunningStack
from tests.service.topics import make_topics, own_topics, read_topic


def send(kafka: KafkaSettings, *values: bytes) -> list[Outcome]:
    """Send values with one short-lived producer."""
    producer = Producer(kafka)
    try:
        return producer.send(
            [Message(kafka.topic, b"key", value, [("n", b"%d" % n)]) for n, value in enumerate(values)]
        )
    finally:
        producer.close(5)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_what_is_sent_is_read(stack: RunningStack, compression: str) -> None:
    """Key, value and headers arrive as sent, in order, and each message has its own outcome with its offset."""
    with own_topics(stack, compression=compression) as kafka:
        values = [b"value %d " % number + bytes(number) for number in range(300)]
        outcomes = send(kafka, *values)
        assert [o.offset for o in outcomes if isinstance(o, Acknowledged)] == list(range(300))
        found = read_topic(kafka)
        assert [record.value for record in found] == values
        assert {record.key for record in found} == {b"key"}
        assert found[7].headers == {"n": b"7"}


def test_a_topic_that_is_not_there_is_waited_for(stack: RunningStack) -> None:
    """Topics are not made by themselves: the outcome says what to do, and the same producer goes on afterwards."""
    with own_topics(stack, is_made=False) as kafka:
        producer = Producer(kafka)
        (outcome,) = producer.send([Message(kafka.topic, b"k", b"v")])
        assert isinstance(outcome, TopicMissing)
        assert "`shipper setup`" in str(outcome)
        make_topics(kafka)
        (outcome,) = producer.send([Message(kafka.topic, b"k", b"v")])
        assert isinstance(outcome, Acknowledged)
        producer.close(5)


def test_too_large_ones_do_not_harm_their_neighbours(stack: RunningStack) -> None:
    """U38: in one call, too large by our limit and too large by the topic's: each refused, all others stored."""
    with own_topics(stack, config={"max.message.bytes": "20000"}, compression="none") as kafka:
        outcomes = send(kafka, b"a", os.urandom(50_000), b"b", os.urandom(1_200_000), b"c")
        assert [type(outcome) for outcome in outcomes] == [
            Acknowledged,
            RecordTooLarge,
            Acknowledged,
            RecordTooLarge,
            Acknowledged,
        ]
        assert [record.value for record in read_topic(kafka)] == [b"a", b"b", b"c"]


def test_a_broker_that_accepts_and_never_answers(stack: RunningStack) -> None:
    """U03: a port that takes connections and says nothing costs the request timeout, not more, and is retriable."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        port = silent.getsockname()[1]
        producer = Producer(KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_s=1.0))
        started = time.monotonic()
        (outcome,) = producer.send([Message("t", b"k", b"v")])
        assert isinstance(outcome, BrokerUnavailable)
        assert time.monotonic() - started < 10
        producer.close(1)


def test_dead_letters_are_kept_whole_or_marked(stack: RunningStack) -> None:
    """A record over the topic's limit fits the dead-letter topic whole; where that is too small too, a part is kept."""
    payload = os.urandom(3_000_000)
    letter = DeadLetter(
        "too_large", "It is too large.", "ship", 0, "p/1@72", "p-1", "ml.app", "logs-x", payload
    )
    with own_topics(stack) as kafka:
        topic = DeadLetterTopic(kafka)
        assert isinstance(topic.write([letter])[0], Acknowledged)
        topic.close(5)
        (record,) = read_topic(kafka, kafka.dead_letter_topic)
        assert decode(record.value or b"") == letter
        assert record.headers["event.id"] == b"p-1"
    with own_topics(stack, dead_letter_config={}) as kafka:
        topic = DeadLetterTopic(kafka)
        assert isinstance(topic.write([letter])[0], Acknowledged)
        topic.close(5)
        (record,) = read_topic(kafka, kafka.dead_letter_topic)
        assert is_truncated(record.value or b"")
        cut = decode(record.value or b"")
        assert cut is not None
        assert payload.startswith(cut.payload)


def test_admin_tells_what_is(stack: RunningStack) -> None:
    """Topics are made once with their settings; offsets and lag follow what is stored and committed."""
    with own_topics(stack, partitions=2, config={"retention.ms": "3600000"}) as kafka, Admin(kafka) as admin:
        group = f"g-{uuid.uuid4().hex}"
        assert admin.brokers()
        assert not admin.ensure_topic(kafka.topic, partitions=7)
        topic = admin.describe(kafka.topic)
        assert (topic.partitions, topic.replication_factor, topic.config["retention.ms"]) == (2, 1, "3600000")
        assert (admin.committed(group, kafka.topic), admin.lag(group, kafka.topic)) == ({}, 0)
        send(kafka, *[b"x"] * 10)
        assert sum(admin.end_offsets(kafka.topic).values()) == admin.lag(group, kafka.topic) == 10
        consumer = Consumer(kafka, [kafka.topic], group)
        records = take(consumer, 10)
        offsets = {(record.topic, record.partition): record.offset + 1 for record in records}
        consumer.commit(offsets)
        consumer.close()
        assert admin.lag(group, kafka.topic) == 0
        assert sum(admin.committed(group, kafka.topic).values()) == 10
        with pytest.raises(TopicMissing):
            admin.describe(f"{kafka.topic}-not")
        assert not admin.topic_exists(f"{kafka.topic}-not")


def take(consumer: Consumer, count: int, timeout_s: float = 30) -> list[ConsumedRecord]:
    """Poll until so many records have come."""
    deadline = time.monotonic() + timeout_s
    found: list[ConsumedRecord] = []
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} of {count} records came"
        found += consumer.poll(0.5)
    return found


def test_what_was_not_committed_comes_again(stack: RunningStack) -> None:
    """Nothing is committed by itself: a successor in the group starts behind the last commit."""
    with own_topics(stack) as kafka:
        send(kafka, *[b"%d" % number for number in range(20)])
        first = Consumer(kafka, [kafka.topic], "g" + kafka.topic, session_timeout_s=6)
        records = take(first, 20)
        first.commit({(kafka.topic, 0): records[11].offset + 1})
        assert first.remaining() == 0
        first.close()
        second = Consumer(kafka, [kafka.topic], "g" + kafka.topic, session_timeout_s=6)
        assert [record.value for record in take(second, 8)] == [b"%d" % number for number in range(12, 20)]
        second.close()


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_a_group_changes_hands_without_losing_records(stack: RunningStack, client: str) -> None:
    """A commit that a rebalance overtook is retriable: after a poll it goes through; together they see every record."""
    with own_topics(stack, partitions=2, client=client) as kafka:
        group = "g" + kafka.topic
        first = Consumer(kafka, [kafka.topic], group, session_timeout_s=6)
        producer = Producer(kafka)
        keys = [b"key %d" % number for number in range(40)]
        assert all(
            isinstance(o, Acknowledged) for o in producer.send([Message(kafka.topic, k, k) for k in keys])
        )
        seen = {record.value for record in take(first, 40)}
        assert seen == set(keys)
        second = Consumer(kafka, [kafka.topic], group, session_timeout_s=6)
        found: list[ConsumedRecord] = []
        stop = threading.Event()

        def consume() -> None:
            while not stop.is_set():
                found.extend(second.poll(0.2))

        thread = threading.Thread(target=consume)
        thread.start()
        try:
            deadline = time.monotonic() + 30
            while len(first.assignment()) != 1:
                assert time.monotonic() < deadline
                first.keep_alive()
            offsets = {(kafka.topic, 0): 1, (kafka.topic, 1): 1}
            while True:
                assert time.monotonic() < deadline
                try:
                    first.commit(offsets)
                    break
                except GroupRebalanced:
                    first.keep_alive()
            more = [b"more %d" % number for number in range(40)]
            producer.send([Message(kafka.topic, value, value) for value in more])
            mine: list[ConsumedRecord] = []
            while not {record.value for record in [*mine, *found]} >= set(more):
                assert time.monotonic() < deadline
                mine += first.poll(0.2)
        finally:
            stop.set()
            thread.join()
            first.close()
            second.close()
            producer.close(5)


def test_clients_leave_no_thread_and_no_descriptor(stack: RunningStack) -> None:
    """U21: opening, using and closing clients again and again leaves threads and descriptors as they were."""
    with own_topics(stack) as kafka:
        away = KafkaSettings(bootstrap_servers="127.0.0.1:1", request_timeout_s=0.1)
        descriptors = Path("/proc/self/fd")

        def cycle() -> None:
            send(kafka, b"x")
            consumer = Consumer(kafka, [kafka.topic], "g" + kafka.topic)
            consumer.poll(0.01)
            consumer.close()
            with Admin(kafka) as admin:
                admin.topics()
            send(away, b"x")
            with pytest.raises(BrokerUnavailable):
                Consumer(away, ["t"], "g")
            with pytest.raises(BrokerUnavailable):
                Admin(away)

        cycle()
        before = (len(list(descriptors.iterdir())), threading.active_count())
        for _ in range(5):
            cycle()
        deadline = time.monotonic() + 10
        while (len(list(descriptors.iterdir())), threading.active_count()) != before:
            assert time.monotonic() < deadline, "threads or descriptors are left"
            threading.Event().wait(0.05)


@pytest.mark.parametrize("client", ["kafka-python", "confluent-kafka"])
def test_a_batch_is_what_poll_hands_out(stack: RunningStack, client: str) -> None:
    """`take` hands out the same records as `poll`: values at once, the rest when asked for, and where to commit."""
    with own_topics(stack, client=client) as kafka:
        send(kafka, *(b"%d" % number for number in range(100)))
        consumer = Consumer(kafka, [kafka.topic], f"g-{uuid.uuid4().hex}")
        values: list[bytes | None] = []
        ends: list[int] = []
        try:
            while len(values) < 100:
                batch = consumer.take(1.0, 30)
                assert len(batch) == len(batch.values) <= 30
                for position, value in enumerate(batch.values):
                    record = batch.record(position)
                    assert (record.value, record.offset) == (value, len(values) + position)
                    assert record.headers == {"n": value}
                values += batch.values
                ends += batch.ends().values()
                if batch.ends():
                    consumer.commit(batch.ends())
        finally:
            consumer.close()
        assert values == [b"%d" % number for number in range(100)]
        assert ends[-1] == 100
        with Admin(kafka) as admin:
            assert admin.end_offsets(kafka.topic) == {0: 100}
