"""`shipper erase` on the real servers: one person's records go, stay away, and the books still balance."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from kafka.structs import OffsetAndMetadata, TopicPartition
from typer.testing import CliRunner, Result

from shipper.cli.main import app
from shipper.clock import SystemClock
from shipper.datasets import alert_index
from shipper.detect.state import ensure_state_index
from shipper.enrich.redact import Keyring
from shipper.errors import ConfigurationError, StoreUnavailable
from shipper.index.erase_topic import LOGSTASH_GROUP
from shipper.index.erasures import LIST_INDEX, erasure_index
from shipper.index.letters import read_dead_letters
from shipper.index.search import read_all
from shipper.index.tombstones import TOMBSTONE
from shipper.kafka.admin import Admin
from shipper.kafka.dead_letters import DeadLetter, DeadLetterTopic
from tests.service.kafka_stage import KafkaStage

KEYS = f"new:{base64.b64encode(b'n' * 32).decode()},old:{base64.b64encode(b'o' * 32).decode()}"


class Person:
    """Somebody whom no other test knows."""

    def __init__(self) -> None:
        self.name = f"alice-{uuid.uuid4().hex}@example.org"
        self.now, self.before = Keyring.parse(KEYS).all_pseudonyms(self.name)


def run(stage: KafkaStage, *arguments: str, answer: str = "") -> Result:
    """Run a command on a stage in this process."""
    return CliRunner().invoke(app, list(arguments), input=answer, env=environment(stage))


def environment(stage: KafkaStage) -> dict[str, str]:
    """Variables of a command that has the keys."""
    return {**stage.environment, "SHIPPER_REDACT_KEY": KEYS}


def erase(stage: KafkaStage, *arguments: str) -> dict[str, Any]:
    """Run `shipper erase --json` and return its receipt."""
    done = run(stage, "erase", "--json", *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    receipt: dict[str, Any] = json.loads(done.stdout)
    return receipt


def index_all(stage: KafkaStage) -> dict[str, int]:
    """Index what is there; return what became of it."""
    with stage.indexer() as indexer:
        indexer.run_until_idle(0.3)
        counts = indexer.counts()
    return {"indexed": counts.indexed, "duplicates": counts.duplicates, "erased": counts.erased} | dict(
        counts.dead_lettered
    )


def stored_ids(stage: KafkaStage) -> list[str]:
    """Return the ids of all stored records of the stage's producer, in order."""
    return sorted(one for one in stage.stored_ids() if one.startswith(stage.producer_id))


def everything(stage: KafkaStage) -> str:
    """Return all documents of the stage's indices as one text, the list of erasures left out."""
    pattern = f"*{stage.namespace}*"
    stage.client.refresh(pattern)
    hits = read_all(stage.client, pattern, {"match_all": {}}, sort=[{"_shard_doc": "asc"}])
    return "\n".join(json.dumps(hit) for hit in hits)


def letter(stage: KafkaStage, payload: bytes, **changes: Any) -> DeadLetter:
    """Return a dead letter of this stage."""
    values: dict[str, Any] = {
        "reason": "mapping",
        "detail": "no",
        "hop": "index",
        "at_us": SystemClock().now_us(),
        "position": "t/0@1",
        "event_id": f"{stage.producer_id}-{uuid.uuid4().int % 10**9}",
        "dataset": "ml.app",
        "index": stage.today(),
        "payload": payload,
    }
    return DeadLetter(**values | changes)


def has_number(stage: KafkaStage, sequence: int) -> bool:
    """Return whether the number of an erased record is stored."""
    with suppress(StoreUnavailable):  # the index is being made
        return stage.client.get(erasure_index(stage.namespace), f"{stage.producer_id}-{sequence}") is not None
    return False


def letters_of(stage: KafkaStage) -> list[DeadLetter]:
    """Return what lies on the dead-letter topic now, oldest first."""
    return [stored.letter for stored in read_dead_letters(stage.kafka) if stored.letter is not None]


def write_letters(stage: KafkaStage, *letters: DeadLetter) -> None:
    """Put letters on the dead-letter topic."""
    topic = DeadLetterTopic(stage.kafka)
    try:
        topic.write(letters)
    finally:
        topic.close(5.0)


def hostile_values(stage: KafkaStage, person: Person) -> list[tuple[str, bytes]]:
    """Return records in each of which the person stands at another place."""
    one, other = person.now, person.before
    escaped = orjson.dumps(one).replace(b":", b"\\u003a")
    event_id, canonical = stage.value()
    return [
        stage.value(user={"id": one}),
        stage.value(user={"id": other}),
        stage.value(user={"id": one}, labels={"customer": one, "was": other}),
        stage.value(labels={"deep": {"er": [{"x": [one]}]}}),
        stage.value(labels={one: "as a name"}),
        stage.value(message=f"gave {one} a loan"),
        stage.value(error={"message": f"no row for {other}", "stack_trace": f"File x\n  {other}"}),
        stage.value(event_original=f"raw {one}"),  # at the root, declared nowhere: stored, not indexed
        stage.value(ml={"prediction": {"input": json.dumps({"who": one})}}),  # kept, not indexed
        stage.value(labels={"long": "x" * 40_000 + one}),  # beyond ignore_above
        (event_id, canonical[:-1] + b',"tags":[' + escaped + b"]}"),
    ]


class TestErase:
    """One person goes, everybody else stays."""

    def test_wherever_a_person_stands(self, stage: KafkaStage) -> None:
        """All records with a pseudonym under any key go, also where no search would find them, and no others."""
        person, stranger = Person(), Person()
        mine = hostile_values(stage, person)
        theirs = [stage.value(user={"id": stranger.now}), stage.value(message=person.now[:-1] + "x")]
        stage.send([*mine, *theirs])
        assert index_all(stage)["indexed"] == len(mine) + 2
        counted = erase(stage, "--subject", person.name)
        assert (counted["dry_run"], counted["counts"]) == (True, {"deleted": len(mine)})
        assert len(stored_ids(stage)) == len(mine) + 2
        receipt = erase(stage, "--subject", person.name, "--yes", "--why", "asked by letter")
        assert (receipt["counts"], receipt["whole"]) == ({"deleted": len(mine)}, True)
        assert stored_ids(stage) == sorted(event_id for event_id, _ in theirs)
        stored = everything(stage)
        assert person.now not in stored
        assert person.before not in stored
        assert person.name not in json.dumps(receipt) + stored
        assert receipt["kafka"]["records"] == len(mine)
        assert receipt["kafka"]["retention_ms"] == 72 * 3_600_000  # the embedded broker's own setting
        said = run(stage, "erase", "--subject", person.name)
        assert f"still holds {len(mine)} records until its retention of 3 days is over" in said.stdout
        assert person.name not in said.stdout
        assert (receipt["kafka"]["read_by_logstash"], "Logstash" in said.stdout) == (False, False)
        with Admin(stage.kafka) as admin:  # as if Logstash had read the first record
            read = {TopicPartition(stage.kafka.topic, 0): OffsetAndMetadata(1, "", -1)}
            admin._client.alter_group_offsets(LOGSTASH_GROUP, read)
        assert "--sweep --yes` takes it out" in run(stage, "erase", "--subject", person.name).stdout

    def test_a_replay_does_not_bring_them_back(self, stage: KafkaStage) -> None:
        """The topic is read again from its beginning: nothing is stored that was erased, and the books balance."""
        person = Person()
        mine = hostile_values(stage, person)
        stage.send([*mine, stage.value()])
        index_all(stage)
        erase(stage, "--subject", person.name, "--yes")
        late = [stage.value(user={"id": person.now}), stage.value(user={"id": person.now}, host="scalar")]
        before = {"@timestamp": (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
        stage.send([(event_id, orjson.dumps(orjson.loads(value) | before)) for event_id, value in late])
        stage.index_settings = stage.index_settings.model_copy(update={"group": "again-" + stage.namespace})
        found = index_all(stage)
        assert found == {"indexed": 0, "duplicates": 1, "erased": len(mine) + 2}
        assert len(stored_ids(stage)) == 1
        assert person.now not in everything(stage)
        books = run(stage, "reconcile", "--json")
        assert (books.exit_code, json.loads(books.stdout)["totals"]["missing"]) == (0, 0), books.output
        assert json.loads(books.stdout)["totals"]["dropped"] == {"erased": len(mine) + 2}

    def test_who_comes_back_is_logged_again(self, stage: KafkaStage) -> None:
        """What happens after an erasure is stored: it is not a ban."""
        person = Person()
        erase(stage, "--subject", person.name, "--yes")
        stage.send([stage.value(user={"id": person.now})])
        assert index_all(stage)["indexed"] == 1
        assert erase(stage, "--sweep")["counts"].get("deleted", 0) == 0

    def test_nobody_by_that_name(self, stage: KafkaStage) -> None:
        """A subject that matches nothing is no error, and is kept from coming in."""
        receipt = erase(stage, "--subject", Person().name, "--yes")
        assert (receipt["counts"], receipt["whole"]) == ({}, True)

    def test_a_subject_is_said_once_and_right(self, stage: KafkaStage) -> None:
        """Both ways at once, none, no pseudonym, no key: one sentence each, which does not repeat the name."""
        name = Person().name
        for arguments in (
            [],
            ["--subject", name, "--pseudonym", Person().now],
            ["--pseudonym", name],
            ["--subject", Person().now],
        ):
            done = run(stage, "erase", *arguments)
            assert isinstance(done.exception, ConfigurationError)
            assert name not in str(done.exception)
        without = CliRunner().invoke(app, ["erase", "--subject", name], env=stage.environment)
        assert "no key" in str(without.exception)


class TestDeadLetters:
    """Original bytes on a topic that keeps them for ever, and their mirror."""

    def test_letters_go_and_the_others_stay_as_they_were(self, stage: KafkaStage) -> None:
        """The original bytes are gone from the topic; another letter is there once, and what became of it still stands."""
        person = Person()
        kept_id, kept = stage.value()
        replayed_id, replayed = stage.value()
        write_letters(
            stage,
            letter(stage, replayed, event_id=replayed_id),
            letter(stage, kept, event_id=kept_id),
            letter(stage, stage.value(user={"id": person.now})[1]),
            letter(stage, b"{broken " + person.before.encode(), event_id=""),
            letter(stage, b"{}", detail=f"refused for {person.now}"),
            letter(
                stage, orjson.dumps({"@timestamp": "2999-01-01T00:00:00Z", "who": person.now}), reason="clock"
            ),
        )
        assert run(stage, "dlq", "replay", "--id", replayed_id, "--json").exit_code == 0
        receipt = erase(stage, "--subject", person.name, "--yes")
        assert receipt["dead_letter_topic"] == {"letters": 4, "letters_moved": 2}
        assert receipt["whole"]
        left = letters_of(stage)
        assert [one.payload for one in left] == [replayed, kept]
        again = json.loads(run(stage, "dlq", "replay", "--all", "--json").stdout)
        assert again == {"already_replayed": 1, "replayed": 1}
        assert person.now not in everything(stage)

    def test_a_replay_of_a_letter_that_was_missed(self, stage: KafkaStage) -> None:
        """A letter of an erased person that turns up later is passed over by a replay, and swept."""
        person = Person()
        past = letter(stage, stage.value(user={"id": person.now})[1])
        erase(stage, "--subject", person.name, "--yes")
        write_letters(stage, past)
        assert json.loads(run(stage, "dlq", "replay", "--all", "--json").stdout) == {"erased": 1}
        assert erase(stage, "--sweep", "--yes")["dead_letter_topic"]["letters"] == 1
        assert letters_of(stage) == []


class TestElsewhere:
    """Alerts, the state of detection, copies that a migration left, other people's indices."""

    def test_alerts_stay_without_the_person(self, stage: KafkaStage) -> None:
        """An alert is about a system: it stays, with the pseudonym taken out of group, evidence and history."""
        person = Person()
        alert = {
            "@timestamp": "2026-01-01T00:00:00.000000Z",
            "message": f"errors of user.id={person.now}",
            "alert": {
                "id": "a1",
                "group": {"user.id": person.now},
                "evidence": {"gathered": {"x": [person.before]}},
            },
        }
        state = {"kind": "rule", "body": {"tracks": [[[person.now], 3]]}}
        places = (
            (alert_index(stage.namespace), "a1", alert),
            (f"logs-ml.alert-{stage.namespace}-2026.01.01", "a1-1", {**alert, "event": {"id": "a1-1"}}),
            (f"shipper-state-{stage.namespace}", "rule-x", state),
        )
        ensure_state_index(stage.client, stage.namespace)
        for index, name, source in places:
            stage.client.request("PUT", f"/{index}/_doc/{name}", body=json.dumps(source).encode())
        receipt = erase(stage, "--subject", person.name, "--yes")
        assert receipt["counts"] == {"rewritten": 3}
        found = everything(stage)
        assert person.now not in found
        assert person.before not in found
        stored = stage.client.get(places[0][0], "a1")
        assert stored is not None
        assert stored.source["alert"]["group"]["user.id"].startswith("[erased:")
        assert stored.source["alert"]["evidence"]["gathered"]["x"] == [
            stored.source["alert"]["group"]["user.id"]
        ]

    def test_copies_and_named_indices(self, stage: KafkaStage) -> None:
        """A copy that a migration made or left is an index like any other; indices of others are looked at if named."""
        person = Person()
        value = orjson.loads(stage.value(user={"id": person.now})[1])
        today = stage.today()
        other = f"other-{stage.namespace}"
        try:
            for index in (today, f"{today}-000002", f"shipper-kept-{stage.namespace}", other):
                stage.client.request("PUT", f"/{index}/_doc/x", body=orjson.dumps(value))
            assert erase(stage, "--pseudonym", person.now, "--yes")["counts"] == {"deleted": 3}
            assert erase(stage, "--pseudonym", person.now, "--index", other, "--yes")["counts"] == {
                "deleted": 1
            }
        finally:
            stage.client.delete_index(other)
            stage.client.delete_index(f"shipper-kept-{stage.namespace}")

    def test_an_index_that_cannot_be_changed_is_named(self, stage: KafkaStage) -> None:
        """A blocked index keeps none of the others from being erased; the receipt names it, and the exit code is 1."""
        person = Person()
        for day in ("2026.01.01", "2026.01.02"):
            index = f"logs-ml.app-{stage.namespace}-{day}"
            value = orjson.loads(stage.value(user={"id": person.now})[1])
            stage.client.request("PUT", f"/{index}/_doc/x", body=orjson.dumps(value))
        blocked = f"logs-ml.app-{stage.namespace}-2026.01.01"
        stage.client.request("PUT", f"/{blocked}/_block/write")
        done = run(stage, "erase", "--json", "--pseudonym", person.now, "--yes")
        receipt = json.loads(done.stdout)
        assert (done.exit_code, receipt["whole"], receipt["counts"]["deleted"]) == (1, False, 1)
        assert [line for line in receipt["problems"] if line.startswith(blocked)]
        listed = json.loads(run(stage, "erase", "--list", "--json").stdout)
        assert next(row for row in listed if row["pseudonyms"] == [person.now])["state"] == "running"
        stage.client.request("PUT", f"/{blocked}/_settings", body=b'{"index.blocks.write":false}')
        assert erase(stage, "--sweep", "--yes")["counts"]["deleted"] >= 1


class TestTrouble:
    """Two at once, and a death in the middle."""

    def test_two_persons_at_once(self, stage: KafkaStage) -> None:
        """Two erasures that run at the same time take nothing from each other, in indices and on the topic."""
        persons = [Person(), Person()]
        records = [stage.value(user={"id": one.now}) for one in persons for _ in range(200)]
        stage.send([*records, stage.value()])
        write_letters(
            stage, *(letter(stage, stage.value(user={"id": one.now})[1]) for one in persons for _ in range(5))
        )
        write_letters(stage, letter(stage, stage.value()[1]))
        index_all(stage)
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", "shipper", "erase", "--subject", one.name, "--yes", "--json"],
                env=environment(stage),
                stdout=subprocess.PIPE,
                text=True,
            )
            for one in persons
        ]
        receipts = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
        assert [receipt["counts"]["deleted"] for receipt in receipts] == [200, 200]
        assert [receipt["whole"] for receipt in receipts] == [True, True]
        assert {one.letter_id for one in letters_of(stage)} == {letters_of(stage)[-1].letter_id}
        assert len(stored_ids(stage)) == 1

    def test_killed_in_the_middle(self, stage: KafkaStage) -> None:
        """kill -9 at any moment leaves something that the same command finishes; books and letters are right."""
        person = Person()
        stage.send([*(stage.value(user={"id": person.now}) for _ in range(3000)), stage.value()])
        for _ in range(3):
            event_id, value = stage.value(user={"id": person.now})
            write_letters(stage, letter(stage, value, event_id=event_id))
        index_all(stage)
        with subprocess.Popen(
            [sys.executable, "-m", "shipper", "erase", "--subject", person.name, "--yes"],
            env=environment(stage),
            stdout=subprocess.DEVNULL,
        ) as process:
            watch = threading.Event()
            deadline_s = time.monotonic() + 60
            while not has_number(stage, 700):
                assert time.monotonic() < deadline_s
                watch.wait(0.02)
            os.kill(process.pid, signal.SIGKILL)
        assert 0 < len(stored_ids(stage)) <= 3001
        receipt = erase(stage, "--subject", person.name, "--yes")
        assert receipt["whole"]
        assert len(stored_ids(stage)) == 1
        totals = json.loads(run(stage, "reconcile", "--json").stdout)["totals"]
        assert (totals["missing"], totals["doubled"]) == (0, 0)
        entry = stage.client.get(LIST_INDEX, receipt["erasures"][0])
        assert entry is not None
        assert entry.source["state"] == "done"
        assert person.name not in json.dumps(entry.source)


def test_what_another_road_brought_back(stage: KafkaStage) -> None:
    """Logstash does not know the list, nor does a restored snapshot: the sweep takes away again what they stored."""
    person = Person()
    event_id, value = stage.value(user={"id": person.now})
    erase(stage, "--subject", person.name, "--yes")
    stage.client.request("PUT", f"/{stage.today()}/_create/{event_id}", body=value)
    assert erase(stage, "--sweep")["counts"]["deleted"] >= 1
    assert stored_ids(stage) == [event_id]
    assert erase(stage, "--sweep", "--yes")["whole"]
    assert stored_ids(stage) == []


def test_a_hidden_copy_is_read_and_a_closed_index_is_named(stage: KafkaStage) -> None:
    """A migration that died leaves a hidden copy; of what cannot be read the receipt says so, and the command fails."""
    person = Person()
    event_id, value = stage.value(user={"id": person.now})
    copy, shut = f"{stage.today()}-000002", f"{stage.today()}-000003"
    try:
        for index in (copy, shut):
            stage.client.create_index(index, {"settings": {"index": {"hidden": True}}})
            stage.client.request("PUT", f"/{index}/_create/{event_id}", body=value)
        receipt = erase(stage, "--subject", person.name, "--yes")
        assert (receipt["counts"]["deleted"], receipt["whole"]) == (2, True)
        left = stage.client.get(copy, event_id)
        assert left is not None
        assert left.source == TOMBSTONE
        stage.client.request("POST", f"/{shut}/_close")
        done = run(stage, "erase", "--json", "--subject", person.name, "--yes")
        assert done.exit_code == 1
        assert shut in done.stdout
    finally:
        for index in (copy, shut):
            stage.client.delete_index(index)
