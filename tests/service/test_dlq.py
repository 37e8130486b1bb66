"""Dead letters on the real servers: mirrored, shown redacted, replayed, purged."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shipper.cli.main import app
from shipper.clock import SystemClock
from shipper.datasets import dead_letter_index, index_name
from shipper.errors import ConfigurationError, StoreUnavailable
from shipper.index.letters import Selection, read_dead_letters
from shipper.index.mirror import Act, LetterMirror
from shipper.index.mirroring import mirroring
from shipper.index.replay import ReplayPlan
from shipper.index.replay import replay as put_back
from shipper.index.search import read_all
from shipper.kafka.admin import Admin
from shipper.kafka.dead_letters import DeadLetter, DeadLetterTopic
from shipper.kafka.producer import Producer
from shipper.redaction import default_redactor, shown
from tests.service.kafka_stage import KafkaStage

SECRET = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def mirror_of(stage: KafkaStage) -> LetterMirror:
    """Return the mirror of a stage."""
    return LetterMirror(stage.client, stage.namespace, lambda payload: shown(payload, default_redactor()))


def run_indexer(stage: KafkaStage) -> None:
    """Index what is there."""
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.3)


def mirrored(stage: KafkaStage) -> list[dict[str, Any]]:
    """Return all documents of the mirror."""
    index = dead_letter_index(stage.namespace)
    stage.client.refresh(index)
    hits = read_all(stage.client, index, {"match_all": {}}, sort=[{"@timestamp": "asc"}])
    return [hit["_source"] for hit in hits]


def letter(stage: KafkaStage, **changes: Any) -> DeadLetter:
    """Return a letter for the next event of a stage."""
    event_id, payload = stage.value()
    values: dict[str, Any] = {
        "reason": "mapping",
        "detail": "no",
        "hop": "index",
        "at_us": SystemClock().now_us(),
        "position": "t/0@1",
        "event_id": event_id,
        "dataset": "ml.app",
        "index": stage.today(),
        "payload": payload,
    }
    return DeadLetter(**values | changes)


def write(stage: KafkaStage, *letters: DeadLetter) -> None:
    """Put letters on the dead-letter topic."""
    topic = DeadLetterTopic(stage.kafka)
    try:
        topic.write(letters)
    finally:
        topic.close(5.0)


def run(stage: KafkaStage, *arguments: str, answer: str = "", **environment: str) -> Result:
    """Run a command on a stage in this process: a process of its own for each would take minutes."""
    return CliRunner().invoke(app, list(arguments), input=answer, env={**stage.environment, **environment})


def replay(stage: KafkaStage, *arguments: str, **environment: str) -> dict[str, int]:
    """Run `shipper dlq replay --json` and return its counts."""
    done = run(stage, "dlq", "replay", "--json", *arguments, **environment)
    assert done.exit_code == 0, (done.stderr, done.exception)
    counts: dict[str, int] = json.loads(done.stdout)
    return counts


def stored_ids(stage: KafkaStage) -> list[str]:
    """Return the ids of all stored documents of the stage's producer, in order."""
    return sorted(one for one in stage.stored_ids() if one.startswith(stage.producer_id))


@contextmanager
def running_mirror(stage: KafkaStage) -> Iterator[None]:
    """Mirror in a thread meanwhile, as `shipper index` does."""
    with mirroring(
        stage.kafka,
        stage.elasticsearch,
        stage.index_settings.group,
        stage.namespace,
        lambda payload: shown(payload, default_redactor()),
        clock=SystemClock(),
        report=stage.reports.append,
    ):
        yield


def wait_for(stage: KafkaStage, count: int) -> list[dict[str, Any]]:
    """Return the mirror's documents as soon as there are so many."""
    deadline_s = time.monotonic() + 60
    while len(found := mirrored(stage)) < count:
        assert time.monotonic() < deadline_s, f"only {len(found)} of {count}, {stage.reports}"
        time.sleep(0.1)
    return found


class TestMirror:
    """One document per refused record, redacted."""

    def test_letters_of_all_hops_are_mirrored_once_and_redacted(self, stage: KafkaStage) -> None:
        """U34: whoever wrote a letter, and however often, it is one document; secrets are not in it."""
        payload = json.dumps({"message": "hello", "labels": {"password": SECRET}}).encode()
        ship = letter(stage, hop="ship", reason="too_large", payload=payload, detail=f"token {SECRET}")
        write(stage, ship, letter(stage, hop="logstash", reason="json", payload=b"{" + SECRET.encode()), ship)
        with running_mirror(stage):
            wait_for(stage, 2)
        # A mirror that forgot where it was reads everything again.
        stage.index_settings = stage.index_settings.model_copy(update={"group": "other-" + stage.namespace})
        with running_mirror(stage):
            write(stage, letter(stage, hop="index"))
            found = wait_for(stage, 3)
        assert [one["dead_letter"]["hop"] for one in found] == ["ship", "logstash", "index"]
        assert {one["dead_letter"]["state"] for one in found} == {"open"}
        assert SECRET not in json.dumps(found)
        assert found[0]["dead_letter"]["payload_bytes"] == len(payload)
        assert stage.reports == []

    def test_a_letter_without_ids_or_of_garbage_is_mirrored_too(self, stage: KafkaStage) -> None:
        """A letter about bytes that are nobody's record has a document; what is no letter has none."""
        write(stage, letter(stage, event_id="", dataset="", index="", reason="json", payload=b"\xff\x00{"))
        problems = mirror_of(stage).store(list(read_dead_letters(stage.kafka)))
        assert problems == []
        (found,) = mirrored(stage)
        assert found["dead_letter"]["reason"] == "json"

    def test_hostile_letters_are_mirrored_or_told_and_hold_up_nobody(self, stage: KafkaStage) -> None:
        """U35: half surrogates, strange names, odd times and great sizes: each has a document, and so has the next."""
        hostile = [
            letter(stage, payload=b'{"message": "\\ud800 half", "a": {"password": "hunter2"}}'),
            letter(stage, event_id="\ud83d", detail="\udfff", position="\ud800"),
            letter(stage, index="logs-ml.app-UPPER/../x-2026.01.01"),
            letter(stage, index="logs-a-b-c-d-e", dataset="x" * 5000, reason="r" * 5000),
            letter(stage, at_us=-1_000_000),
            letter(stage, payload=b'{"a":' * 5000),
            letter(stage, payload=b"x" * (2 << 20)),
            letter(stage, event_id="p-" + "9" * 400),
        ]
        write(stage, *hostile, letter(stage))
        letters = list(read_dead_letters(stage.kafka))
        assert mirror_of(stage).store(letters) == []
        found = mirrored(stage)
        assert len(found) == len(hostile) + 1
        assert "hunter2" not in json.dumps(found)
        assert max(len(one["dead_letter"]["payload"]) for one in found) < 40_000
        shown_ones = run(stage, "dlq", "list")
        assert shown_ones.exit_code == 0, shown_ones.exception
        for place in range(len(hostile)):
            assert run(stage, "dlq", "show", f"0@{place}").exit_code == 0
        # Kafka does not take two megabytes, and that index of January is past its retention.
        counts = {"refused": 1, "expired": 1, "replayed": len(hostile) - 1}
        assert replay(stage, "--all") == counts


class TestReplay:
    """`shipper dlq replay`."""

    def test_a_replay_stores_each_record_once_and_a_second_one_changes_nothing(
        self, stage: KafkaStage
    ) -> None:
        """U27 U34: after two replays there are as many documents, and letters, as after one."""
        letters = [letter(stage) for _ in range(5)]
        write(stage, *letters)
        stage.send([(letters[0].event_id, letters[0].payload)])  # arrived in another way meanwhile
        assert replay(stage, "--all") == {"replayed": 5}
        run_indexer(stage)
        assert stored_ids(stage) == sorted(one.event_id for one in letters)
        assert replay(stage, "--all") == {"already_replayed": 5}
        assert replay(stage, "--all", "--again") == {"replayed": 5}
        run_indexer(stage)
        assert stored_ids(stage) == sorted(one.event_id for one in letters)
        rows = [json.loads(line) for line in run(stage, "dlq", "list", "--json").stdout.splitlines()]
        assert [row["state"] for row in rows] == ["replayed"] * 5
        assert len(mirrored(stage)) == 5

    def test_what_is_refused_again_is_the_same_letter_open_again(self, stage: KafkaStage) -> None:
        """U34: a replay that is refused again makes no second letter: its one letter is open once more."""
        stage.send([stage.value(host="scalar"), stage.value()])
        run_indexer(stage)
        assert replay(stage, "--reason", "mapping") == {"replayed": 1}
        run_indexer(stage)
        assert len(stage.dead_letters()) == 2
        listed = run(stage, "dlq", "list")
        assert "1 dead letters" in listed.stdout
        assert mirror_of(stage).store(list(read_dead_letters(stage.kafka))) == []
        (found,) = mirrored(stage)
        assert (found["dead_letter"]["state"], found["dead_letter"]["replays"]) == ("open", 1)
        # The letter that was replayed is read again, by a mirror that starts anew: nothing changes.
        first = [next(iter(read_dead_letters(stage.kafka)))]
        mirror_of(stage).store(first)
        assert mirrored(stage) == [found]

    def test_a_death_between_sending_and_marking_doubles_nothing(self, stage: KafkaStage) -> None:
        """U24 U27: what was sent and not marked is sent again by the next replay, and is stored once."""

        class Dying(LetterMirror):
            def mark_replayed(self, letters: object, act: object) -> int:
                raise StoreUnavailable("here", "the process died")

        write(stage, *[letter(stage) for _ in range(3)])
        plan = ReplayPlan(stage.kafka.topic, Selection(), Act(SystemClock().now_us(), {0: 3}))
        producer = Producer(stage.kafka)
        counts: Counter[str] = Counter()
        mirror = Dying(stage.client, stage.namespace, lambda payload: shown(payload, default_redactor()))
        with pytest.raises(StoreUnavailable):
            put_back(read_dead_letters(stage.kafka), mirror, producer, plan, counts)
        producer.close(5.0)
        assert counts == {"replayed": 3}
        assert {one["dead_letter"]["state"] for one in mirrored(stage)} == {"open"}
        assert replay(stage, "--all") == {"replayed": 3}
        with stage.indexer() as indexer:
            indexer.run_until_idle(0.3)
            assert (indexer.counts().indexed, indexer.counts().duplicates) == (3, 3)
        assert len(stored_ids(stage)) == 3

    def test_a_refusal_in_the_instant_of_marking_keeps_the_letter_open(self, stage: KafkaStage) -> None:
        """U34: a record that is refused again before its replay was marked is open, and is not forgotten."""
        first = letter(stage)

        class Late(LetterMirror):
            def mark_replayed(self, letters: Any, act: Act) -> int:
                write(stage, replace(first, at_us=first.at_us + 1))
                assert mirror_of(stage).store(list(read_dead_letters(stage.kafka))) == []
                return super().mark_replayed(letters, act)

        write(stage, first)
        plan = ReplayPlan(stage.kafka.topic, Selection(), Act(SystemClock().now_us(), {0: 1}))
        producer = Producer(stage.kafka)
        mirror = Late(stage.client, stage.namespace, lambda payload: shown(payload, default_redactor()))
        put_back(read_dead_letters(stage.kafka), mirror, producer, plan, Counter())
        producer.close(5.0)
        (found,) = mirrored(stage)
        assert (found["dead_letter"]["state"], found["dead_letter"]["place"]) == ("open", "0@1")

    def test_what_must_not_come_back_is_passed_over(self, stage: KafkaStage) -> None:
        """A letter that is not whole, and one whose index retention has deleted, are refused with the reason."""
        write(
            stage,
            letter(stage, index=f"logs-ml.app-{stage.namespace}-2020.01.01"),
            letter(stage, is_cut=True),
            letter(stage),
        )
        assert replay(stage, "--all", "--dry-run") == {"cut": 1, "expired": 1, "replayed": 1}
        assert mirrored(stage) == []
        assert replay(stage, "--all") == {"cut": 1, "expired": 1, "replayed": 1}
        run_indexer(stage)
        assert len(stored_ids(stage)) == 1

    def test_retention_is_that_of_the_settings(self, stage: KafkaStage) -> None:
        """What `shipper retention apply` would delete at once is not put back, and what it would keep is."""
        day_us = 86_400_000_000
        now_us = SystemClock().now_us()
        for age_days in (5, 60):
            write(
                stage, letter(stage, index=index_name("ml.app", stage.namespace, now_us - age_days * day_us))
            )
        for days, counts in (
            ({}, {"replayed": 1, "expired": 1}),
            ({"ml.app": 3}, {"replayed": 0, "expired": 2}),
            ({"ml.app": 90}, {"replayed": 2}),
        ):
            given = {"SHIPPER_RETENTION_DAYS": json.dumps(days)}
            assert replay(stage, "--all", "--dry-run", **given) == counts

    def test_filters_choose(self, stage: KafkaStage) -> None:
        """Without a filter nothing is done; each filter takes what it names; the act is told with its author."""
        one, other = letter(stage, reason="clock"), letter(stage, hop="ship", dataset="ml.inference")
        write(stage, one, other, letter(stage))
        asked = run(stage, "dlq", "replay")
        assert isinstance(asked.exception, ConfigurationError)
        assert "--reason" in str(asked.exception)
        assert replay(stage, "--since", "2100-01-01") == {}
        assert replay(stage, "--reason", "clock") == {"replayed": 1}
        assert replay(stage, "--dataset", "ml.inference", "--hop", "ship") == {"replayed": 1}
        assert replay(stage, "--id", one.event_id, "--id", "0@2") == {"already_replayed": 1, "replayed": 1}
        acts = f"logs-ml.audit-{stage.namespace}-*"
        stage.client.refresh(acts)
        query = {"term": {"event.action": "dlq-replay"}}
        hits = list(read_all(stage.client, acts, query, sort=[{"@timestamp": "asc"}]))
        told = [hit["_source"] for hit in hits]
        assert [one["event"]["type"] for one in told] == ["start", "end"] * 4
        assert "reason=clock" in told[2]["message"]
        assert "@" in told[3]["shipper"]["act"]["by"]
        assert told[3]["shipper"]["act"]["counts"] == {"replayed": 1}

    def test_a_broker_that_is_away_leaves_letters_open(self, stage: KafkaStage) -> None:
        """A replay that fails says so, and what was not acknowledged is not marked."""
        write(stage, letter(stage))
        done = run(stage, "dlq", "replay", "--all", SHIPPER_ELASTICSEARCH_URL="http://127.0.0.1:9")
        assert isinstance(done.exception, StoreUnavailable)
        assert replay(stage, "--all") == {"replayed": 1}


class TestPurge:
    """`shipper dlq purge`."""

    def test_content_goes_and_the_books_still_balance(self, stage: KafkaStage) -> None:
        """A purged letter has no content anywhere that is left, and counts as a dead letter all the same."""
        stage.send([stage.value(host="scalar"), stage.value(), stage.value(host="other")])
        run_indexer(stage)
        kept = run(stage, "dlq", "purge", "--id", "0@0", "--yes", "--json")
        assert json.loads(kept.stdout) == {"purged": 1}, kept.stderr
        done = run(stage, "dlq", "purge", "--all", "--topic", "--yes", "--json")
        counts = json.loads(done.stdout)
        assert counts == {"already_purged": 1, "deleted_from_topic": 2, "purged": 1}, done.stderr
        with Admin(stage.kafka) as admin:
            assert admin.start_offsets(stage.kafka.dead_letter_topic) == {0: 2}
        assert run(stage, "dlq", "list").stdout == "No dead letters.\n"
        for one in mirrored(stage):
            assert one["dead_letter"]["state"] == "purged"
            assert "payload" not in one["dead_letter"]
        books = run(stage, "reconcile", "--json")
        assert books.exit_code == 0, books.stdout + books.stderr
        (book,) = json.loads(books.stdout)["producers"]
        assert (book["stored"], book["dead_lettered"]) == (1, 2)

    def test_the_topic_keeps_what_is_not_purged(self, stage: KafkaStage) -> None:
        """Kafka deletes from the front only: a letter that is kept keeps those behind it."""
        write(
            stage, letter(stage, reason="json"), letter(stage, reason="clock"), letter(stage, reason="json")
        )
        done = run(stage, "dlq", "purge", "--reason", "json", "--topic", "--yes", "--json")
        assert json.loads(done.stdout) == {"deleted_from_topic": 1, "purged": 2}, done.stderr
        assert replay(stage, "--all") == {"purged": 1, "replayed": 1}

    def test_it_asks_first(self, stage: KafkaStage) -> None:
        """Without --yes and without an answer nothing is purged; --dry-run only counts."""
        write(stage, letter(stage))
        refused = run(stage, "dlq", "purge", "--all", answer="n\n")
        assert refused.exit_code != 0
        dry = run(stage, "dlq", "purge", "--all", "--dry-run", "--json")
        assert json.loads(dry.stdout) == {"purged": 1}
        assert mirrored(stage) == []


def test_show_redacts_unless_raw_is_asked_for(stage: KafkaStage) -> None:
    """U49: a foreign record's secrets are not shown, in the record or in the reason; --raw gives the bytes."""
    payload = json.dumps({"message": f"x {SECRET}", "user": {"password": "hunter2"}}).encode()
    write(stage, letter(stage, payload=payload, detail=f"cannot parse {SECRET}"))
    for arguments in (("show", "0@0"), ("list",), ("list", "--json")):
        done = run(stage, "dlq", *arguments)
        assert done.exit_code == 0, done.stderr
        assert SECRET not in done.stdout
        assert "hunter2" not in done.stdout
    assert run(stage, "dlq", "show", "0@0", "--raw").stdout_bytes == payload


def test_list_works_while_elasticsearch_is_away(stage: KafkaStage) -> None:
    """The topic alone is enough to see what was refused; what became of it is then said to be unknown."""
    write(stage, letter(stage))
    done = run(stage, "dlq", "list", SHIPPER_ELASTICSEARCH_URL="http://127.0.0.1:9")
    assert done.exit_code == 0, done.stderr
    assert "1 dead letters" in done.stdout
    assert "unknown" in done.stdout
    assert "not known" in done.stderr
