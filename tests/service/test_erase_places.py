"""What stands in the place of an erased record keeps it out, whoever stores, and is nobody's record."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from shipper.clock import SystemClock
from shipper.elastic.bulk import connect_bulk
from shipper.index.assemble import limits_of
from shipper.index.bulk import create_documents
from shipper.index.document import Document, read_document
from shipper.index.erasures import ErasureWatch
from shipper.index.fate import Fate
from shipper.index.letters import StoredLetter
from shipper.index.mirror import LetterMirror
from shipper.index.search import read_all
from shipper.index.tombstones import TOMBSTONE, tombstones
from tests.service.kafka_stage import KafkaStage
from tests.service.test_erase import Person, erase, everything, index_all, letter, run, stored_ids

_AT_ONCE = 100


def store_without_the_list(
    stage: KafkaStage,
    values: Sequence[tuple[str, bytes]],
    before: Callable[[int], None] = lambda _start: None,
) -> Counter[Fate]:
    """Store as Logstash does: by the common rule, with `create`, and without looking at the list of erasures.

    Args:
        before: called before each request, with the position of its first record.
    """
    fates: Counter[Fate] = Counter()
    limits = limits_of(stage.index_settings, stage.kafka)
    with connect_bulk(stage.elasticsearch) as bulk:
        for start in range(0, len(values), _AT_ONCE):
            before(start)
            documents = []
            for event_id, value in values[start : start + _AT_ONCE]:
                now_us = SystemClock().now_us()
                read = read_document(
                    value, header_id=event_id, namespace=stage.namespace, now_us=now_us, limits=limits
                )
                assert isinstance(read, Document)
                documents.append(read)
            found = create_documents(bulk, documents, documents[0].head[15:42])
            fates.update(verdict.fate for verdict in found)
    return fates


def totals(stage: KafkaStage) -> dict[str, int]:
    """Return the sums of `shipper reconcile`, those of erased records under their word."""
    done = run(stage, "reconcile", "--json")
    found: dict[str, Any] = json.loads(done.stdout)["totals"]
    wanted: dict[str, int] = {name: found[name] for name in ("missing", "doubled", "stored")}
    return {**wanted, **found["dropped"]}


def test_erased_while_records_are_on_their_way(stage: KafkaStage) -> None:
    """5,000 records of a person are being stored by somebody who knows no list while she is erased: none is found when it
    has ended, none when all of them are stored once more, and there was no sweep. The books balance throughout."""
    person = Person()
    mine = [stage.value(user={"id": person.now}) for _ in range(5000)]
    other = stage.value()
    stage.send([*mine, other])
    begun, fates = threading.Event(), Counter[Fate]()

    def before(start: int) -> None:
        """Stand still at the thousandth record until the erasure has come half the way."""
        if start == 1000:
            begun.set()
            deadline_s = time.monotonic() + 60
            while time.monotonic() < deadline_s and stage.client.get(stage.today(), mine[2500][0]) is None:
                time.sleep(0.01)

    thread = threading.Thread(
        target=lambda: fates.update(store_without_the_list(stage, [*mine, other], before))
    )
    thread.start()
    begun.wait(30)
    receipt = erase(stage, "--subject", person.name, "--yes")
    thread.join()
    counts = Counter(receipt["counts"])
    assert (counts["deleted"] >= 1000, counts["kept_out"] >= 1500) == (True, True), counts
    assert (receipt["whole"], counts.total()) == (True, 5000), counts
    assert fates == {Fate.INDEXED: counts["deleted"] + 1, Fate.DUPLICATE: counts["kept_out"]}
    assert store_without_the_list(stage, [*mine, other]) == {Fate.DUPLICATE: 5001}
    assert stored_ids(stage) == [other[0]]
    assert person.now not in everything(stage)
    assert totals(stage) == {"missing": 0, "doubled": 0, "stored": 1, "erased": 5000}


def test_what_stands_there_is_no_record(stage: KafkaStage) -> None:
    """It holds nothing of the person or the record, and no reader takes it for one: neither the search of a person
    without any condition, nor the report of what is kept. Other writers' ids may name her: no place keeps such an id."""
    person = Person()
    (event_id, value), other = stage.value(user={"id": person.now}, message="of her"), stage.value()
    telling = f"{person.now}-1"
    named = stage.value(event={"id": telling, "dataset": "ml.app"})[1]
    stage.send([(event_id, value), other, (telling, named)])
    index_all(stage)
    assert erase(stage, "--subject", person.name, "--yes")["counts"] == {"deleted": 2}
    assert person.now not in everything(stage)
    left = stage.client.get(stage.today(), event_id)
    assert left is not None
    assert left.source == TOMBSTONE
    assert tombstones(stage.client, [stage.today()]) == {stage.today(): 1}
    found = [json.loads(line) for line in run(stage, "logs", "search", "--json").stdout.splitlines()]
    assert [one["event"]["id"] for one in found if one["event"]["dataset"] != "ml.audit"] == [other[0]]
    rows = json.loads(run(stage, "retention", "report", "--json").stdout)
    kept = [row for row in rows["datasets"] if row["namespace"] == stage.namespace]
    assert [row["documents"] for row in kept if row["dataset"] == "ml.app"] == [1]
    # An aggregation over each field, without a range of time: what has no field is in no bucket.
    parts = {"terms": {"field": "event.dataset", "missing": "none"}}
    both = stage.client.search(stage.today(), {"size": 0, "aggs": {"by": parts}})["aggregations"]["by"]
    assert {one["key"]: one["doc_count"] for one in both["buckets"]} == {"ml.app": 1, "none": 1}


def test_of_an_index_that_is_gone_and_what_comes_meanwhile(stage: KafkaStage) -> None:
    """Records on the topic whose index was deleted are kept out as well, and those that reach it while the command works;
    what no index takes is told, and what happens afterwards is stored."""
    person = Person()
    mine = [stage.value(user={"id": person.now}) for _ in range(3)]
    late, broken = (
        stage.value(user={"id": person.now}),
        stage.value(user={"id": person.now}, event={"id": "x"}),
    )
    stage.send([*mine, broken])
    index_all(stage)
    stage.client.delete_index(stage.today())
    sender = threading.Timer(1.0, lambda: stage.send([late]))
    sender.start()
    receipt = erase(stage, "--subject", person.name, "--yes")
    sender.join()
    assert receipt["indices"][stage.today()] == {"kept_out": 4}
    assert (receipt["kafka"]["records"], receipt["kafka"]["refused"]) == (5, 1)
    assert store_without_the_list(stage, [*mine, late]) == {Fate.DUPLICATE: 4}
    new = stage.value(user={"id": person.now})
    assert store_without_the_list(stage, [new]) == {Fate.INDEXED: 1}
    assert stored_ids(stage) == [new[0]]


def test_a_letter_that_comes_later_is_mirrored_without_content(stage: KafkaStage) -> None:
    """Logstash knows no list and sets the same record aside again: who keeps the mirror knows it, so nobody finds her."""
    person = Person()
    past = letter(stage, stage.value(user={"id": person.now})[1])
    erase(stage, "--subject", person.name, "--yes")
    watch = ErasureWatch(stage.client, SystemClock())
    mirror = LetterMirror(stage.client, stage.namespace, bytes.decode, watch.erased)
    young = letter(stage, orjson.dumps({"user": {"id": Person().now}}))
    assert mirror.store([StoredLetter("0@0", past), StoredLetter("0@1", young)]) == []
    assert person.now not in everything(stage)
    states = mirror.states([StoredLetter("0@0", past), StoredLetter("0@1", young)])
    assert [states[one.letter_id].state for one in (past, young)] == ["purged", "open"]


def test_no_letters_and_no_kafka(stage: KafkaStage) -> None:
    """--no-kafka takes no places of what is on its way, and says that it is not whole."""
    person = Person()
    stage.send([stage.value(user={"id": person.now})])
    done = run(stage, "erase", "--subject", person.name, "--no-kafka", "--yes", "--json")
    receipt = json.loads(done.stdout)
    assert (done.exit_code, receipt["whole"], receipt["counts"]) == (1, False, {})
    assert list(read_all(stage.client, stage.today(), {"match_all": {}}, sort=[{"_shard_doc": "asc"}])) == []
