"""`shipper logs` on the real Elasticsearch."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shipper.clock import SystemClock
from shipper.elastic.bulk import connect_bulk
from shipper.index.bulk import create_documents
from shipper.index.document import Document, Limits, read_document
from shipper.index.find import Search, newest
from shipper.index.follow import Follower
from shipper.index.moment import rfc3339
from shipper.index.search import read_all
from tests.service.kafka_stage import KafkaStage, open_stage
from tests.service.running_stack import RunningStack


@pytest.fixture
def stage(stack: RunningStack) -> Iterator[KafkaStage]:
    """An empty namespace for one test."""
    with open_stage(stack, has_topics=False) as stage:
        yield stage


def store(
    stage: KafkaStage, *values: tuple[str, bytes], ingested_us: int | None = None, refresh: bool = True
) -> None:
    """Store values as the indexer would, with a time of sending of one's choice."""
    now_us = SystemClock().now_us()
    documents = []
    for _, value in values:
        document = read_document(
            value, header_id=None, namespace=stage.namespace, now_us=now_us, limits=Limits()
        )
        assert isinstance(document, Document), document
        documents.append(document)
    with connect_bulk(stage.elasticsearch) as bulk:
        create_documents(bulk, documents, rfc3339(ingested_us or now_us).encode())
    if refresh:
        stage.client.refresh(f"logs-*-{stage.namespace}-*")


def ago(**parts: float) -> str:
    """Return a time in the past as records carry it."""
    return (datetime.now(UTC) - timedelta(**parts)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def messages(stage: KafkaStage, search: Search, size: int = 100) -> list[str]:
    """Return the messages that a search finds, oldest first."""
    hits = newest(stage.client, search, stage.namespace, size)
    return [hit["_source"]["message"] for hit in hits]


@pytest.fixture(scope="module")
def story(stack: RunningStack) -> Iterator[KafkaStage]:
    """A handful of documents that differ in everything that can be searched; nobody adds to them."""
    with open_stage(stack, has_topics=False) as stage:
        tell_story(stage)
        yield stage


def tell_story(stage: KafkaStage) -> None:
    """Store the documents of the story."""
    service = {"service": {"name": "scorer"}, "git": {"commit": "abcdef0123456789"}}
    model = {"ml": {"model": {"name": "churn", "version": "2"}, "prediction": {"score": 0.9}}}
    store(
        stage,
        stage.value(message="old and quiet", **{"@timestamp": ago(days=3)}),
        stage.value(
            message="connection to db:5432 lost",
            log={"level": "error"},
            **service,
            **{"@timestamp": ago(hours=2)},
        ),
        stage.value(message="a prediction", **model, **{"@timestamp": ago(minutes=30)}),
        stage.value(
            message="just now",
            log={"level": "warning"},
            labels={"user": "u1"},
            **{"@timestamp": ago(seconds=5)},
        ),
    )


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (Search(), ["old and quiet", "connection to db:5432 lost", "a prediction", "just now"]),
        (Search(text="level:error"), ["connection to db:5432 lost"]),
        (Search(text="level:error OR level:warning"), ["connection to db:5432 lost", "just now"]),
        (Search(text="service:scorer lost"), ["connection to db:5432 lost"]),
        (Search(text="lost found"), []),
        (Search(text='"quiet and old"'), []),
        (Search(text='"old and quiet"'), ["old and quiet"]),
        (Search(text="NOT level:info"), ["connection to db:5432 lost", "just now"]),
        (Search(text="ml.prediction.score:>0.5"), ["a prediction"]),
        (Search(text="model:churn version:2"), ["a prediction"]),
        (Search(text="labels.user:u1"), ["just now"]),
        (Search(text="predict*"), ["a prediction"]),
        (Search(min_level="warning"), ["connection to db:5432 lost", "just now"]),
        (Search(service="scorer"), ["connection to db:5432 lost"]),
        (Search(model="churn"), ["a prediction"]),
        (Search(commit="ABCDEF"), ["connection to db:5432 lost"]),
        (Search(dataset="ml.inference"), []),
    ],
)
def test_each_way_to_search_finds_what_it_says(
    story: KafkaStage, search: Search, expected: list[str]
) -> None:
    """Words, phrases, short and full names, comparisons and options find exactly the documents they name."""
    assert messages(story, search) == expected


def test_times_are_half_open(story: KafkaStage) -> None:
    """--since and --until restrict by event time; the newest are last; --size takes the newest."""
    now_us = SystemClock().now_us()
    hour = 3_600_000_000
    assert messages(story, Search(since_us=now_us - 4 * hour, until_us=now_us - hour)) == [
        "connection to db:5432 lost"
    ]
    assert messages(story, Search(), size=2) == ["a prediction", "just now"]


def test_the_command_prints_lines_and_json(story: KafkaStage) -> None:
    """Plain output has one line per document; --json is one parseable document per line."""
    plain = story.command("logs", "search", "--since", "1d")
    assert plain.returncode == 0, plain.stderr
    lines = plain.stdout.splitlines()
    expected = ("connection to db:5432 lost", "a prediction", "just now")
    assert len(lines) == 3
    assert all(text in line for text, line in zip(expected, lines, strict=True))
    assert "model=churn" in lines[1]
    found = story.command("logs", "search", "level:error", "--json")
    assert json.loads(found.stdout)["service"]["name"] == "scorer"
    nothing = story.command("logs", "search", "level:critical")
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert "nothing matches" in nothing.stderr


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["levl:error"], "did you mean level"),
        (['"unbalanced'], "cannot be understood"),
        (["--since", "soon"], "is no time"),
        (["--level", "loud"], "is no level"),
        (["--dataset", "ml.none"], "There is no dataset"),
    ],
)
def test_mistakes_are_one_sentence(story: KafkaStage, arguments: list[str], hint: str) -> None:
    """A typing error ends with exit 2 and one sentence that helps."""
    done = story.command("logs", "search", *arguments)
    assert done.returncode == 2
    assert hint in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_everything_is_read_once_over_many_pages(stage: KafkaStage) -> None:
    """Reading page by page leaves nothing out and repeats nothing, also among equal times and new documents."""
    same = ago(seconds=5)
    store(stage, *(stage.value(**{"@timestamp": same}) for _ in range(57)))
    index = f"logs-ml.*-{stage.namespace}-*"
    seen: list[str] = []
    for hit in read_all(stage.client, index, {"match_all": {}}, sort=[{"@timestamp": "asc"}], page_size=10):
        seen.append(hit["_id"])
        if len(seen) == 20:
            store(stage, stage.value(**{"@timestamp": same}))
    assert len(seen) == len(set(seen)) == 57


def test_an_index_that_does_not_exist_has_nothing(stage: KafkaStage) -> None:
    """A namespace without data is empty, not an error."""
    assert messages(stage, Search()) == []
    follower = Follower(
        stage.client, Search().indices(stage.namespace), {"match_all": {}}, now_us=SystemClock().now_us()
    )
    assert follower.look() == []


def test_following_tells_each_document_once(stage: KafkaStage) -> None:
    """What becomes visible is told once, also what was sent earlier than something already told."""
    clock = SystemClock()
    store(stage, stage.value())
    follower = Follower(
        stage.client, Search().indices(stage.namespace), Search().query(), now_us=clock.now_us(), overlap_s=20
    )
    assert len(follower.look()) == 1
    assert follower.look() == []
    store(stage, stage.value(), stage.value())
    assert len(follower.look()) == 2
    late = stage.value()
    store(stage, late, ingested_us=clock.now_us() - 10_000_000)
    assert [hit["_id"] for hit in follower.look()] == [late[0]]
    assert follower.look() == []


def test_following_remembers_a_bounded_number(stage: KafkaStage, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a flood the memory of what was told stays bounded, and still nothing is told twice."""
    monkeypatch.setattr("shipper.index.follow._SEEN_MAX", 10)
    follower = Follower(
        stage.client,
        Search().indices(stage.namespace),
        Search().query(),
        now_us=SystemClock().now_us(),
    )
    told: list[str] = []
    for _ in range(4):
        for _ in range(15):
            store(stage, stage.value(), refresh=False)
        stage.client.refresh(f"logs-*-{stage.namespace}-*")
        told += [hit["_id"] for hit in follower.look()]
    assert len(told) == len(set(told)) == 60


def test_tail_follows_until_interrupted(stage: KafkaStage) -> None:
    """`tail -f` prints the last lines, then each arrival once, and ends on Ctrl-C without a stack trace."""
    store(stage, *(stage.value() for _ in range(5)))
    process = stage.start("logs", "tail", "-f", "-n", "2", "--json")
    stdout = process.stdout
    assert stdout is not None
    first = [json.loads(stdout.readline())["event"]["sequence"] for _ in range(2)]
    store(stage, stage.value(), stage.value())
    arrived = [json.loads(stdout.readline())["event"]["sequence"] for _ in range(2)]
    store(stage, stage.value())
    arrived.append(json.loads(stdout.readline())["event"]["sequence"])
    os.kill(process.pid, signal.SIGINT)
    rest, error = process.communicate(timeout=30)
    assert (first, arrived, rest) == ([4, 5], [6, 7, 8], b"")
    assert process.returncode == 130
    assert b"Traceback" not in error
