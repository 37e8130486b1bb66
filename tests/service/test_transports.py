"""One contract for both client libraries, on the real broker: what is said of a producer and a consumer holds for each."""

from __future__ import annotations

import gc
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from shipper.clock import SystemClock
from shipper.config import KafkaSettings
from shipper.errors import (
    AccessRefused,
    BrokerUnavailable,
    RecordRefused,
    RecordTooLarge,
    TopicMissing,
    TransportError,
)
from shipper.kafka.admin import Admin
from shipper.kafka.consumer import ConsumedRecord, Consumer
from shipper.kafka.producer import Acknowledged, Message, Producer
from shipper.record import Record, RecordBatch, Row
from shipper.ship.kafka_sink import KafkaSink
from tests.service.running_stack import RunningStack
from tests.service.secure_kafka import KEY_PASSWORD, PASSWORD, USER, SecureKafka, secure_kafka
from tests.service.topics import make_topics, own_topics, read_topic

NOW_US = 1_790_000_000_000_000


@pytest.fixture(params=["kafka-python", "confluent-kafka"])
def client(request: pytest.FixtureRequest) -> str:
    """The library."""
    name: str = request.param
    if name == "confluent-kafka":
        pytest.importorskip("confluent_kafka")
    return name


def batch_of(*payloads: bytes, first: int = 1) -> RecordBatch:
    """Return records of one producer."""
    rows: list[Row] = [(first + n, NOW_US + n, 20, "ml.app", payload) for n, payload in enumerate(payloads)]
    return RecordBatch("producer", rows)


def sent(kafka: KafkaSettings, batch: RecordBatch) -> dict[int, TransportError]:
    """Send records with a short-lived producer; return what was not stored."""
    producer = Producer(kafka)
    try:
        return producer.send_records(kafka.topic, batch, "default")
    finally:
        producer.close(5)


def closing_producer(kafka: KafkaSettings) -> Any:
    """Return a context with a producer."""

    class Context:
        def __enter__(self) -> Producer:
            self.producer = Producer(kafka)
            return self.producer

        def __exit__(self, *_: object) -> None:
            self.producer.close(5)

    return Context()


@pytest.mark.parametrize("compression", ["none", "gzip", "lz4"])
def test_records_arrive_whole(stack: RunningStack, client: str, compression: str) -> None:
    """U04: acknowledged records are on the topic, in order, once, with key, value and all headers, whatever the codec."""
    with own_topics(stack, client=client, compression=compression) as kafka:
        payloads = [b'{"n":%d,"%%s":"' % n + b"x" * (n % 700) + b'"}' for n in range(3000)]
        assert sent(kafka, batch_of(*payloads)) == {}
        found = read_topic(kafka)
        assert [record.value for record in found] == payloads
        assert {record.key for record in found} == {b"producer"}
        assert [record.headers["event.id"] for record in found] == [
            b"producer-%d" % n for n in range(1, 3001)
        ]
        assert found[41].headers == {
            "event.id": b"producer-42",
            "event.dataset": b"ml.app",
            "event.index": b"logs-ml.app-default-2026.09.21",
            "@timestamp": b"%d" % (NOW_US + 41),
            "schema": b"1",
        }


def test_each_library_reads_what_the_other_wrote(stack: RunningStack, client: str) -> None:
    """A topic does not tell who wrote it: also the partition of a key is the same."""
    other = {"kafka-python": "confluent-kafka", "confluent-kafka": "kafka-python"}[client]
    with own_topics(stack, client=client, partitions=7) as kafka:
        reader = kafka.model_copy(update={"client": other})
        assert sent(kafka, batch_of(b"one")) == sent(reader, batch_of(b"two", first=2)) == {}
        found = read_topic(reader)
        assert {record.value for record in found} == {b"one", b"two"}
        assert len({record.partition for record in found}) == 1
        assert found == read_topic(kafka)


def test_messages_have_their_own_outcome(stack: RunningStack, client: str) -> None:
    """`send` answers each message in order, with its offset; headers without a value and empty values arrive."""
    with own_topics(stack, client=client) as kafka, closing_producer(kafka) as producer:
        messages = [Message(kafka.topic, b"k", b"" if n == 2 else b"%d" % n, [("h", b"")]) for n in range(50)]
        outcomes = producer.send(messages)
        assert outcomes == [Acknowledged(kafka.topic, 0, n) for n in range(50)]
        found = read_topic(kafka)
        assert [record.value for record in found] == [message.value for message in messages]
        assert found[0].headers == {"h": b""}


def test_too_large_ones_do_not_harm_their_neighbours(stack: RunningStack, client: str) -> None:
    """U38: too large by our limit or by the topic's: exactly those are refused, all others are stored once."""
    with own_topics(stack, config={"max.message.bytes": "20000"}, compression="none", client=client) as kafka:
        payloads = [b"%d" % n for n in range(40)]
        payloads[7], payloads[23] = os.urandom(50_000), os.urandom(1_200_000)
        errors = sent(kafka, batch_of(*payloads))
        assert sorted(errors) == [7, 23]
        assert all(isinstance(error, RecordTooLarge) and not error.retriable for error in errors.values())
        kept = [payload for n, payload in enumerate(payloads) if n not in errors]
        values = [record.value or b"" for record in read_topic(kafka)]
        assert sorted(set(values)) == sorted(kept)
        assert len(values) == len(kept)


def test_what_does_not_shrink_fits_all_the_same(stack: RunningStack, client: str) -> None:
    """Records that no compression makes smaller, more than one batch of the topic may hold: sent in parts, each stored once."""
    with own_topics(stack, client=client) as kafka:
        payloads = [b"%06d" % n + os.urandom(900) for n in range(1600)]
        assert sent(kafka, batch_of(*payloads)) == {}
        values = [record.value or b"" for record in read_topic(kafka)]
        assert sorted(values) == payloads


def test_times_of_no_calendar_are_refused_alone(stack: RunningStack, client: str) -> None:
    """An event time that no index can be named after is refused for good; it stops nobody."""
    with own_topics(stack, client=client) as kafka:
        rows: list[Row] = [(n, NOW_US if n != 2 else 10**18, 20, "ml.app", b"%d" % n) for n in (1, 2, 3)]
        errors = sent(kafka, RecordBatch("producer", rows))
        assert list(errors) == [1]
        assert isinstance(errors[1], RecordRefused)
        assert [record.value for record in read_topic(kafka)] == [b"1", b"3"]


def test_a_topic_that_is_not_there_is_waited_for(stack: RunningStack, client: str) -> None:
    """No topic comes into being by itself: each record is answered by what to do, and the same producer goes on later."""
    with own_topics(stack, is_made=False, client=client) as kafka, closing_producer(kafka) as producer:
        errors = producer.send_records(kafka.topic, batch_of(b"a", b"b"), "default")
        assert [type(error) for error in errors.values()] == [TopicMissing, TopicMissing]
        assert "`shipper setup`" in str(errors[0])
        (outcome,) = producer.send([Message(kafka.topic, b"k", b"v")])
        assert isinstance(outcome, TopicMissing)
        with Admin(kafka) as admin:
            assert not admin.topic_exists(kafka.topic)
        make_topics(kafka)
        assert producer.send_records(kafka.topic, batch_of(b"a", b"b"), "default") == {}


def test_a_topic_that_vanishes_and_comes_back(stack: RunningStack, client: str) -> None:
    """Deleted under a running producer: its records are answered as retriable; when it is back, they are stored."""
    with (
        own_topics(stack, client=client, request_timeout_s=2.0) as kafka,
        closing_producer(kafka) as producer,
    ):
        assert producer.send_records(kafka.topic, batch_of(b"a"), "default") == {}
        with Admin(kafka) as admin:
            admin.delete_topic(kafka.topic)
            deadline = time.monotonic() + 20
            while admin.topic_exists(kafka.topic):
                assert time.monotonic() < deadline
        errors = producer.send_records(kafka.topic, batch_of(b"b"), "default")
        assert all(error.retriable for error in errors.values())
        assert errors
        make_topics(kafka)
        deadline = time.monotonic() + 30
        while producer.send_records(kafka.topic, batch_of(b"b"), "default"):
            assert time.monotonic() < deadline
        assert b"b" in {record.value for record in read_topic(kafka)}


def test_nobody_answers(client: str) -> None:
    """U03, U39: a refused or silent port costs the request timeout, a few times at the most, and each record is retriable."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(50)
        for port in (1, silent.getsockname()[1]):
            kafka = KafkaSettings.model_validate(
                {"bootstrap_servers": f"127.0.0.1:{port}", "request_timeout_s": 1.0, "client": client}
            )
            with closing_producer(kafka) as producer:
                started = time.monotonic()
                errors = producer.send_records("t", batch_of(b"a", b"b"), "default")
                assert [type(error) for error in errors.values()] == [BrokerUnavailable] * 2
                assert time.monotonic() - started < 10
            with pytest.raises(BrokerUnavailable):
                Consumer(kafka, ["t"], "g")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_restarts_under_load(stack: RunningStack, client: str) -> None:
    """U05: a killed broker is found again without limit; what was acknowledged is there, what was not is retriable."""
    with (
        own_topics(stack, client=client, request_timeout_s=3.0) as kafka,
        closing_producer(kafka) as producer,
    ):
        stored: set[bytes] = set()
        down = threading.Event()

        def restart() -> None:
            stack.restart_kafka(kill=True)
            down.set()

        restarting = threading.Thread(target=restart)
        number = 0
        deadline = time.monotonic() + 120
        after = 0
        while after < 3:
            assert time.monotonic() < deadline, "it did not find the broker again"
            payloads = [b"%d" % n for n in range(number, number + 200)]
            number += 200
            errors = producer.send_records(kafka.topic, batch_of(*payloads, first=number), "default")
            assert all(error.retriable for error in errors.values())
            stored |= {payload for place, payload in enumerate(payloads) if place not in errors}
            after += down.is_set() and not errors
            if number == 1000:
                restarting.start()
        restarting.join()
        assert len(stored) > 1500
        assert stored <= {record.value for record in read_topic(kafka)}
    gc.collect()  # kafka-python leaves sockets that broke to the collector, which warns


def test_the_idempotent_producer_is_used(stack: RunningStack, client: str) -> None:
    """Stored batches carry a producer id and running sequences: one that the client repeats is stored once."""
    from kafka.record.memory_records import MemoryRecords

    if stack.control is None:
        pytest.skip("needs SHIPPER_TEST_STACK_DIR, the folder of the running stack, to look into its log")
    with own_topics(stack, client=client) as kafka, closing_producer(kafka) as producer:
        for number in range(3):
            batch = batch_of(b"a", b"b", first=1 + 2 * number)
            assert producer.send_records(kafka.topic, batch, "default") == {}
        (log,) = (stack.control.home / "kafka" / "data" / f"{kafka.topic}-0").glob("*.log")
        batches = list(MemoryRecords(log.read_bytes()))
        assert min(stored.producer_id for stored in batches) >= 0
        assert len({stored.producer_id for stored in batches}) == 1
        assert [stored.base_sequence for stored in batches] == [stored.base_offset for stored in batches]


def take(consumer: Consumer, count: int, timeout_s: float = 30) -> list[ConsumedRecord]:
    """Poll until so many records have come."""
    deadline = time.monotonic() + timeout_s
    found: list[ConsumedRecord] = []
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} of {count} records came"
        found += consumer.poll(0.5)
    return found


def consumer_of(kafka: KafkaSettings, **options: Any) -> Any:
    """Return a closing consumer of a fixed group."""
    return closing(Consumer(kafka, [kafka.topic], "g" + kafka.topic, session_timeout_s=6, **options))


def test_offsets_are_committed_by_us_alone(stack: RunningStack, client: str) -> None:
    """A successor starts behind the last commit; `remaining` counts what was not handed out; polls are bounded."""
    with own_topics(stack, client=client) as kafka:
        assert sent(kafka, batch_of(*[b"%d" % n for n in range(20)])) == {}
        with consumer_of(kafka, max_records=6) as consumer:
            assert consumer.client == client
            first = consumer.poll(10)
            while not first:
                first = consumer.poll(1)
            assert len(first) <= 6
            assert consumer.remaining() == 20 - len(first)
            take(consumer, 20 - len(first))
            assert (consumer.remaining(), consumer.assignment()) == (0, {(kafka.topic, 0)})
            consumer.commit({(kafka.topic, 0): 12})
        with consumer_of(kafka) as consumer:
            assert [record.offset for record in take(consumer, 8)] == list(range(12, 20))


def test_a_new_connection_asks_for_its_topic_at_once(stack: RunningStack) -> None:
    """Between connecting and the first record no pause of the client's stands: its own is 0.1 s."""
    from shipper.kafka.python_producer import PythonProducer

    def waited_s(kafka: KafkaSettings) -> float:
        writer = PythonProducer(kafka, "test", 10**6)
        try:
            connection = writer._connect()
            began_s = time.monotonic()
            assert connection.partitions_for(kafka.topic) == {0}
            return time.monotonic() - began_s
        finally:
            writer.close(5)

    with own_topics(stack, client="kafka-python") as kafka:
        assert min(waited_s(kafka) for _ in range(5)) < 0.09


def test_headers_that_are_no_text_lose_nothing(stack: RunningStack, client: str) -> None:
    """Kafka takes header names that are no UTF-8: the record is read without headers; none is passed over."""
    from kafka import TopicPartition

    from shipper.kafka.python_producer import PythonProducer
    from shipper.kafka.raw_batch import RawRecords, enqueue
    from shipper.kafka.varint import varint

    with own_topics(stack, client=client) as kafka:
        assert sent(kafka, batch_of(b"first")) == {}
        writer = PythonProducer(kafka, "test", 10**6)
        record = (
            b"\0\0\0"
            + varint(1)
            + b"k"
            + varint(3)
            + b"odd"
            + varint(1)
            + varint(2)
            + b"\xff\xfe"
            + varint(0)
        )
        body = varint(len(record)) + record
        connection = writer._connect()
        assert connection.partitions_for(kafka.topic) == {0}
        stored = enqueue(connection, TopicPartition(kafka.topic, 0), RawRecords(body, 1, 1, "none"))
        assert stored.wait(10)
        writer.close(5)
        assert sent(kafka, batch_of(b"last", first=2)) == {}
        with consumer_of(kafka) as consumer:
            assert [(record.value, len(record.headers)) for record in take(consumer, 3)] == [
                (b"first", 5),
                (b"odd", 0),
                (b"last", 5),
            ]


def test_a_poll_ends_with_the_first_records(stack: RunningStack, client: str) -> None:
    """A record is handed out when it is there, not when the time of the poll is over."""
    with own_topics(stack, client=client) as kafka, consumer_of(kafka) as consumer:
        while not consumer.assignment():
            consumer.poll(0.1)
        timer = threading.Timer(0.5, lambda: sent(kafka, batch_of(b"late")))
        timer.start()
        started = time.monotonic()
        assert take(consumer, 1)[0].value == b"late"
        consumer.poll(0)
        timer.join()
        assert time.monotonic() - started < 8


def test_staying_alive_loses_nothing(stack: RunningStack, client: str) -> None:
    """While those in hand take long, membership is kept, at most one poll's records are taken, and none is lost or doubled."""
    with own_topics(stack, client=client) as kafka:
        assert sent(kafka, batch_of(*[b"%d" % n for n in range(60)])) == {}
        with consumer_of(kafka, max_records=10) as consumer:
            found = take(consumer, 10)
            for _ in range(40):
                consumer.keep_alive()
            assert consumer.remaining() == 60 - len(found)
            found += take(consumer, 60 - len(found))
            assert [record.value for record in found] == [b"%d" % n for n in range(60)]
            assert consumer.poll(0.3) == []


def test_a_sink_takes_records_of_several_producers(stack: RunningStack, client: str) -> None:
    """A plain list of records is sent as well as a batch; each key is the record's own producer."""
    with own_topics(stack, client=client) as kafka:
        sink = KafkaSink(kafka, "default", SystemClock())
        records = [Record(f"p{n % 2}", n, NOW_US, 20, "ml.app", b"%d" % n) for n in range(6)]
        assert all(delivery.is_accepted for delivery in sink.send(records))
        sink.close(5)
        assert [(r.key, r.value) for r in read_topic(kafka)] == [
            (b"p%d" % (n % 2), b"%d" % n) for n in range(6)
        ]


def test_clients_leave_no_thread_and_no_descriptor(stack: RunningStack, client: str) -> None:
    """U21: opening, using and closing again and again leaves threads and descriptors as they were."""
    descriptors = Path("/proc/self/fd")
    with own_topics(stack, client=client) as kafka:

        def cycle() -> None:
            assert sent(kafka, batch_of(b"x")) == {}
            with closing(Consumer(kafka, [kafka.topic], f"g{uuid.uuid4().hex}")) as consumer:
                consumer.poll(0.01)

        def counts() -> tuple[int, int]:
            return len(list(descriptors.iterdir())), len(list(Path("/proc/self/task").iterdir()))

        cycle()
        before = counts()
        for _ in range(4):
            cycle()
        deadline = time.monotonic() + 15
        while any(now > then + 1 for now, then in zip(counts(), before, strict=True)):
            assert time.monotonic() < deadline, f"{before} became {counts()}"
            threading.Event().wait(0.05)


def test_a_fork_leaves_the_parents_connection_alone(stack: RunningStack, client: str) -> None:
    """A child that forgets the connection ends quickly, sends by its own, and the parent goes on."""
    with own_topics(stack, client=client) as kafka, closing_producer(kafka) as producer:
        assert producer.send_records(kafka.topic, batch_of(b"parent"), "default") == {}
        child = os.fork()
        if not child:
            status = 1
            try:
                producer.abandon_in_child()
                status = len(producer.send_records(kafka.topic, batch_of(b"child"), "default"))
                producer.close(2)
            finally:
                os._exit(status)
        deadline = time.monotonic() + 30
        ended, status = 0, 0
        while not ended:
            ended, status = os.waitpid(child, os.WNOHANG)
            if time.monotonic() > deadline:
                os.kill(child, 9)
            threading.Event().wait(0.02)
        assert os.waitstatus_to_exitcode(status) == 0
        assert producer.send_records(kafka.topic, batch_of(b"again"), "default") == {}
        assert {record.value for record in read_topic(kafka)} == {b"parent", b"child", b"again"}


@pytest.fixture(scope="module")
def secured(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker with a listener of each kind; its software is that of the shared stack."""
    with secure_kafka(tmp_path_factory.mktemp("secured")) as server:
        make_topics(server.settings("PLAIN"))
        yield server


def identities(server: SecureKafka) -> dict[str, dict[str, Any]]:
    """Return what says who we are, by listener and way."""
    trust = {"ssl_cafile": server.path("ca.pem")}
    certificate = {**trust, "ssl_certfile": server.path("client.pem")}
    login = {"sasl_username": USER, "sasl_password": PASSWORD}
    return {
        "TLS": trust,
        "MUTUAL": {**certificate, "ssl_keyfile": server.path("client.key")},
        "MUTUAL locked": {
            **certificate,
            "ssl_keyfile": server.path("client-locked.key"),
            "ssl_key_password_file": server.path("key-password"),
        },
        "SASLTLS plain": {**trust, **login, "sasl_mechanism": "PLAIN"},
        "SASLTLS scram": {
            **trust,
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password_file": server.path("password"),
        },
        "SASLPLAIN scram": {**login, "sasl_mechanism": "SCRAM-SHA-256"},
    }


WAYS = ["TLS", "MUTUAL", "MUTUAL locked", "SASLTLS plain", "SASLTLS scram", "SASLPLAIN scram"]


@pytest.mark.parametrize("way", WAYS)
def test_who_may_enter_does(secured: SecureKafka, client: str, way: str) -> None:
    """TLS, mutual TLS (also with a locked key), SASL PLAIN and SCRAM, passwords from files: admin, producer, consumer."""
    kafka = secured.settings(way.split(maxsplit=1)[0], client=client, **identities(secured)[way])
    payload = f"{client} {way}".encode()
    assert sent(kafka, batch_of(payload)) == {}
    assert payload in {record.value for record in read_topic(kafka)}


def strangers(server: SecureKafka) -> dict[str, dict[str, Any]]:
    """Return identities that the broker, or we, must not accept."""
    known = identities(server)
    return {
        "TLS": {"ssl_cafile": server.path("other-ca.pem")},
        "MUTUAL": {
            **known["MUTUAL"],
            "ssl_certfile": server.path("stranger.pem"),
            "ssl_keyfile": server.path("stranger.key"),
        },
        "MUTUAL nobody": known["TLS"],
        "SASLTLS plain": {**known["SASLTLS plain"], "sasl_password": "wrong"},
        "SASLPLAIN scram": {**known["SASLPLAIN scram"], "sasl_username": "bob"},
        "SASLTLS scram": {**known["SASLTLS scram"], "sasl_password_file": server.path("not there")},
    }


@pytest.mark.parametrize(
    "way", ["TLS", "MUTUAL", "MUTUAL nobody", "SASLTLS plain", "SASLPLAIN scram", "SASLTLS scram"]
)
def test_who_may_not_enter_is_told_in_a_sentence(secured: SecureKafka, client: str, way: str) -> None:
    """A wrong certificate, authority or password: AccessRefused for each record, retriable, no secret in its words."""
    listener = way.split(maxsplit=1)[0]
    kafka = secured.settings(listener, client=client, request_timeout_s=3.0, **strangers(secured)[way])
    with closing_producer(kafka) as producer:
        errors = producer.send_records(kafka.topic, batch_of(b"a", b"b"), "default")
    assert [type(error) for error in errors.values()] == [AccessRefused] * 2, errors
    text = str(errors[0])
    assert errors[0].retriable
    assert text.endswith(".")
    assert "\n" not in text
    assert PASSWORD not in text
    assert KEY_PASSWORD not in text
    with pytest.raises(AccessRefused):
        Consumer(kafka, [kafka.topic], "g")


def test_a_rotated_password_is_taken_up(secured: SecureKafka, client: str, tmp_path: Path) -> None:
    """The file is read at each connection: refused while it is wrong, and sent when it has been set right."""
    password = tmp_path / "password"
    password.write_text("old\n")
    who = {**identities(secured)["SASLPLAIN scram"], "sasl_password": "", "sasl_password_file": password}
    kafka = secured.settings("SASLPLAIN", client=client, **who)
    with closing_producer(kafka) as producer:
        errors = producer.send_records(kafka.topic, batch_of(b"a"), "default")
        assert isinstance(errors[0], AccessRefused)
        password.write_text(PASSWORD + "\n")
        deadline = time.monotonic() + 20
        while producer.send_records(kafka.topic, batch_of(b"a"), "default"):
            assert time.monotonic() < deadline
