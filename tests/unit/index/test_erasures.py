"""Whose records are not stored: pseudonyms in any spelling, up to a time; what is kept of such a record."""

from __future__ import annotations

import orjson
import pytest

from shipper.index.erased_record import erased_document, is_erased_document
from shipper.index.erasures import NOBODY, Erased, Erasure, erased_of, erasure_id, is_pseudonym, pseudonyms_in

ONE = f"pseudonym:k1:{'a' * 32}"
OTHER = f"pseudonym:k1:{'b' * 32}"
NOON_US = 1_767_268_800_000_000
"""2026-01-01T12:00:00Z"""
ERASED = Erased({ONE.encode(): NOON_US})


def record(time: str = "2026-01-01T11:00:00Z", **fields: object) -> bytes:
    """Return a value as it comes from Kafka."""
    return orjson.dumps({"@timestamp": time, "event": {"id": "p-7"}, **fields})


@pytest.mark.parametrize(
    "value",
    [
        record(user={"id": ONE}),
        record(labels={ONE: 1}),
        record(message=f"({ONE})"),
        record(user={"id": "X"}).replace(b"X", ONE.replace(":", "\\u003a").encode()),
        record(user={"id": "X"}).replace(b"X", ONE.replace("p", "\\u0070", 1).encode()),
        b"{broken " + ONE.encode(),
        b'{"broken \\u0070' + ONE[1:].encode(),
        f"\xff{ONE}".encode("latin-1"),
    ],
)
def test_however_it_is_written(value: bytes) -> None:
    """In a value, a key, a sentence, with escapes, in what is no JSON and no UTF-8: it is found."""
    assert pseudonyms_in(value) == {ONE.encode()}
    assert ERASED.covers(value)
    assert ERASED.among([None, value, record()], range(3)) == [1]


@pytest.mark.parametrize("value", [record(user={"id": OTHER}), record(message=ONE[:-1] + "x"), b"", record()])
def test_who_is_not_meant(value: bytes) -> None:
    """Somebody else, and what only looks alike, is left alone; so is everybody where nobody was erased."""
    assert not ERASED.covers(value)
    assert ERASED.among([value], range(1)) == []
    assert not NOBODY.covers(record(user={"id": ONE}))


@pytest.mark.parametrize(
    ("time", "is_covered"),
    [
        ("2026-01-01T12:00:00Z", True),
        ("2026-01-01T12:00:00.000001Z", False),
        ("2026-01-01T13:30:00+02:00", True),
        ("2026-01-01T14:00:01+02:00", False),
        ("no time", True),
        ("2026-01-01T12:00:00", True),
    ],
)
def test_up_to_the_erasure(time: str, is_covered: bool) -> None:
    """What is younger than the erasure is stored; a time that cannot be read counts as old."""
    assert ERASED.covers(record(time, user={"id": ONE})) is is_covered


def test_a_position_is_looked_for_in_its_span_only() -> None:
    """A part of a batch is judged by itself."""
    values = [record(user={"id": ONE})] * 4
    assert ERASED.among(values, range(2, 4)) == [2, 3]


def test_the_list_as_a_look_up() -> None:
    """Of two entries with one pseudonym the later time counts; an id follows from the pseudonyms in any order."""
    entries = [Erasure("a", (ONE,), 5, "", ""), Erasure("b", (OTHER, ONE), 3, "", "")]
    assert erased_of(entries).until_us == {ONE.encode(): 5, OTHER.encode(): 3}
    assert erasure_id([ONE, OTHER]) == erasure_id([OTHER, ONE, ONE])
    assert "pseudonym" not in erasure_id([ONE])
    assert is_pseudonym(ONE)
    assert not is_pseudonym(f"{ONE} ")
    assert not is_pseudonym("alice")


@pytest.mark.parametrize(
    ("value", "header", "event_id", "index"),
    [
        (record(data_stream={"namespace": "team_a"}), None, "p-7", "erasures-ml-team_a"),
        (record(data_stream={"namespace": "../x,*"}), None, "p-7", "erasures-ml-default"),
        (b"{broken", "q-9", "q-9", "erasures-ml-default"),
        (b"[1]", "q-9", "q-9", "erasures-ml-default"),
        (b'{"event.id":"r-1","event":{"id":5}}', None, "r-1", "erasures-ml-default"),
    ],
)
def test_what_is_kept(value: bytes, header: str | None, event_id: str, index: str) -> None:
    """Producer and number, as one line of JSON with nothing else of the record; the namespace only where it is one."""
    document = erased_document(value, header, "default", NOON_US)
    assert (document.event_id, document.index) == (event_id, index)
    assert is_erased_document(document)
    action, content = b"".join(document.bulk_lines(b"2026-01-01T12:00:00.000000Z")).splitlines()
    assert orjson.loads(action) == {"create": {"_index": index, "_id": event_id}}
    kept = orjson.loads(content)
    producer_id, _, number = event_id.rpartition("-")
    assert kept["agent"] == {"ephemeral_id": producer_id}
    assert kept["event"]["sequence"] == int(number)
    assert set(kept) == {"@timestamp", "event", "agent", "message"}
