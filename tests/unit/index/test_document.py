"""Reading the value of a Kafka record: splice, checks, index by event time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.index.document import Document, Limits, Refusal, read_document

NOW_US = 1_795_258_800_000_000  # 2026-11-21T11:00:00Z
INGESTED = b"2026-11-21T11:00:00.000001Z"
ID = "ab12-7"


def canonical(**changes: Any) -> bytes:
    """Return a value as shipper writes it; a change of None removes the field."""
    document: dict[str, Any] = {
        "@timestamp": "2026-11-21T10:11:12.123456Z",
        "event": {"id": ID, "sequence": 7, "dataset": "ml.app"},
        "message": "hello",
        "log": {"level": "info"},
    }
    document |= changes
    return orjson.dumps({key: value for key, value in document.items() if value is not None})


def read(value: bytes | None, header_id: str | None = ID) -> Document | Refusal:
    """Read a value with the usual surroundings."""
    return read_document(value, header_id=header_id, namespace="team", now_us=NOW_US, limits=Limits())


def stored(value: bytes, header_id: str | None = ID) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return action, source and the source's raw line, as a bulk request would carry them."""
    document = read(value, header_id)
    assert isinstance(document, Document), document
    body = b"".join(document.bulk_lines(INGESTED))
    action, source, rest = body.split(b"\n")
    assert rest == b""
    return json.loads(action), json.loads(source), source


def refused(value: bytes | None, header_id: str | None = ID) -> Refusal:
    """Return the refusal of a value that must be refused."""
    found = read(value, header_id)
    assert isinstance(found, Refusal)
    return found


class TestSplice:
    """Where event.ingested goes."""

    def test_a_canonical_value_is_stored_byte_for_byte(self) -> None:
        """Only event.ingested is added, right behind the opening of event; nothing is written anew."""
        value = canonical(numeric_labels={"x": 1.10}).replace(b"1.1", b"1.10000")
        action, source, raw = stored(value)
        assert raw.replace(b'"ingested":"' + INGESTED + b'",', b"") == value
        assert action == {"create": {"_index": "logs-ml.app-team-2026.11.21", "_id": ID}}
        assert source["event"]["ingested"] == INGESTED.decode()

    @pytest.mark.parametrize(
        "value",
        [
            json.dumps(json.loads(canonical()), indent=2).encode(),
            canonical()[:-1] + b"\r\n}",
            orjson.dumps(json.loads(canonical()), option=orjson.OPT_SORT_KEYS),
            canonical(event={"sequence": 7, "id": ID, "dataset": "ml.app"}),
            canonical(event={"id": ID, "ingested": "2020-01-01T00:00:00.000000Z", "dataset": "ml.app"}),
            canonical(event={"id": ID, "ingested": "\x00", "dataset": "ml.app"}),
        ],
        ids=["indented", "line-end", "sorted", "id-later", "ingested-already", "ingested-odd"],
    )
    def test_other_forms_are_put_into_the_canonical_one(self, value: bytes) -> None:
        """U35: a value with raw line ends or another order becomes one line with the same content."""
        _, source, _ = stored(value)
        expected = json.loads(value)
        expected["event"]["ingested"] = INGESTED.decode()
        assert source == expected

    def test_dotted_keys_of_other_libraries_are_understood(self) -> None:
        """Other ECS libraries write log.level or event.id with a dotted key; both are found."""
        value = {
            "@timestamp": "2026-11-21T10:11:12.123Z",
            "event.id": ID,
            "event.dataset": "ml.app",
            "log.level": "info",
            "message": "m",
        }
        action, source, _ = stored(orjson.dumps(value), None)
        assert action["create"]["_id"] == ID
        assert source["event"] == {"id": ID, "ingested": INGESTED.decode()}

    def test_integers_of_any_length_survive(self) -> None:
        """Writing anew keeps an integer beyond 64 bits exact."""
        value = canonical(labels={"n": 1}).replace(b'"n":1', b'"n":123456789012345678901234567890 ,\n"m":1')
        assert stored(value)[1]["labels"]["n"] == 123456789012345678901234567890

    def test_ingested_is_there_once(self) -> None:
        """A dotted `event.ingested` of another writer gives way to ours: the field has one value."""
        _, source, _ = stored(canonical(**{"event.ingested": "2020-01-01T00:00:00.000000Z"}))
        assert "event.ingested" not in source
        assert source["event"]["ingested"] == INGESTED.decode()

    @pytest.mark.parametrize("number", [b"1e999", b"-1E+400", b"9" * 400])
    def test_a_number_beyond_a_double_is_json(self, number: bytes) -> None:
        """A number that is too large for a double is valid JSON: stored as it is, byte for byte."""
        value = canonical(ml={"x": 1}).replace(b'"x":1', b'"x":' + number)
        assert b'"x":' + number + b"}" in stored(value)[2]

    @pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e", b"01", b"+1"])
    def test_what_is_no_number_is_no_json(self, number: bytes) -> None:
        """What the standard library's decoder or Elasticsearch would let through is refused: reason json."""
        assert refused(canonical(ml={"x": 1}).replace(b'"x":1', b'"x":' + number)).reason == "json"

    @given(
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats(allow_nan=False, allow_infinity=False)
            | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=8,
        ),
        st.booleans(),
    )
    def test_whatever_is_logged_stays_one_line(self, extra: object, indented: bool) -> None:
        """U35: for any content the source is one line of JSON that says the same."""
        document = json.loads(canonical()) | {"labels": {"extra": extra}}
        try:
            value = json.dumps(document, ensure_ascii=False, indent=1 if indented else None).encode()
        except UnicodeEncodeError:  # a lone surrogate has no UTF-8
            return
        _, source, raw = stored(value)
        assert b"\n" not in raw
        assert b"\r" not in raw
        del source["event"]["ingested"]
        assert source == document


def test_records_of_a_former_version_are_stored_byte_for_byte() -> None:
    """A topic keeps what a former version wrote: each record goes into the index of its dataset, unchanged."""
    kept = (Path(__file__).parents[2] / "golden" / "records_v1.jsonl").read_bytes().splitlines()
    found = [
        read_document(value, header_id=None, namespace="team", now_us=NOW_US, limits=Limits(86_400, 86_400))
        for value in kept
    ]
    documents = [each for each in found if isinstance(each, Document)]
    assert [document.head + document.tail for document in documents] == kept
    assert {document.dataset for document in documents} == {
        "ml.app", "ml.training", "ml.evaluation", "ml.inference", "ml.feedback", "ml.explanation", "ml.deployment", "ml.data",
    }  # fmt: skip


class TestRefusals:
    """What never reaches a bulk request."""

    @pytest.mark.parametrize(
        "value",
        [
            None,
            b"",
            b"null",
            b"[]",
            b"{",
            canonical()[:-1],
            canonical() + b"x",
            canonical(message="x").replace(b'"x"', b'"x\ny"'),
            canonical(message="x").replace(b'"x"', b"NaN"),
            canonical(message="x").replace(b'"x"', b'"\xff"'),
            canonical(message="x").replace(b'"x"', b'"\\ud800"'),
            canonical() + b"\n" + canonical(),
            b"[" * 100_000,
        ],
    )
    def test_what_is_no_json_object_is_refused(self, value: bytes | None) -> None:
        """U35: invalid JSON would break its neighbours' lines: reason json, with the id of the header."""
        found = refused(value)
        assert (found.reason, found.event_id) == ("json", ID)

    @pytest.mark.parametrize(
        "changes",
        [
            {"message": None},
            {"log": {}},
            {"log": "text"},
            {"event": {"id": ID}},
            {"@timestamp": "yesterday"},
            {"@timestamp": 1795258800000},
            {"@timestamp": "2026-11-21T10:11:12.123456"},
            {"@timestamp": "2026-02-30T10:11:12.123456Z"},
            {"data_stream": {"namespace": "Not OK"}},
            {"data_stream": {"namespace": "a-b"}},
        ],
    )
    def test_required_fields_are_required(self, changes: dict[str, Any]) -> None:
        """A missing required field, a time without zone or an unusable namespace: reason schema."""
        assert refused(canonical(**changes)).reason == "schema"

    def test_an_undeclared_dataset_is_refused(self) -> None:
        """U30: no template of ours covers it, so the server would guess; reason dataset."""
        assert refused(canonical(event={"id": ID, "dataset": "ml.invented"})).reason == "dataset"

    def test_no_header_decides_the_id(self) -> None:
        """U27: two ids for one document would store it twice, so a forged or stale header changes nothing."""
        assert stored(canonical(), "other-1")[0] == stored(canonical(), None)[0]

    @pytest.mark.parametrize("event_id", ["", "x" * 513, 7, None, ["a"]])
    def test_an_id_that_elasticsearch_would_not_take_is_refused(self, event_id: object) -> None:
        """U35: one id of more than 512 bytes makes Elasticsearch refuse the whole request."""
        assert refused(canonical(event={"id": event_id, "dataset": "ml.app"}), None).reason in (
            "id",
            "schema",
        )

    def test_event_times_far_off_are_refused(self) -> None:
        """Times more than an hour ahead or 90 days back make no new index: reason clock, index named."""
        ahead = refused(canonical(**{"@timestamp": "2026-11-21T12:00:00.000001Z"}))
        behind = refused(canonical(**{"@timestamp": "2026-08-23T10:59:59.000000Z"}))
        assert (ahead.reason, behind.reason) == ("clock", "clock")
        assert behind.index == "logs-ml.app-team-2026.08.23"

    @pytest.mark.parametrize("time", ["2026-11-21T12:00:00.000000Z", "2026-08-23T11:00:00.000000Z"])
    def test_the_limits_themselves_are_inside(self, time: str) -> None:
        """Exactly one hour ahead and exactly 90 days back are accepted."""
        stored(canonical(**{"@timestamp": time}))

    @pytest.mark.parametrize(
        "time", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "2026-11-21T10:11:12+01:60"]
    )
    def test_a_zone_that_leads_out_of_the_calendar_is_refused(self, time: str) -> None:
        """U35: a time that is no moment of a year from 1 to 9999 in UTC is one refusal, not the end of the indexer."""
        assert refused(canonical(**{"@timestamp": time})).reason == "schema"

    @pytest.mark.parametrize(
        "changes",
        [
            {"data_stream": [{"type": "metrics", "namespace": "other"}]},
            {"data_stream": {"namespace": "team"}, "data_stream.namespace": "other"},
            {"data_stream": {"type": "logs"}, "data_stream.type": "metrics"},
            {"event.dataset": "ml.training"},
        ],
    )
    def test_a_second_place_is_refused(self, changes: dict[str, Any]) -> None:
        """What Elasticsearch would read as two values of a field that says where a document belongs is refused."""
        assert refused(canonical(**changes)).reason == "schema"


class TestIndex:
    """The index is chosen by what the document says."""

    def test_a_zone_does_not_move_the_day(self) -> None:
        """U27: the day is that of the moment in UTC, however it is written."""
        action, _, _ = stored(canonical(**{"@timestamp": "2026-11-21T00:30:00+02:00"}))
        assert action["create"]["_index"].endswith("2026.11.20")

    def test_monthly_datasets_use_the_first_day(self) -> None:
        """Training of any day of November is in the index of the 1st."""
        action, _, _ = stored(canonical(event={"id": ID, "dataset": "ml.training"}))
        assert action["create"]["_index"] == "logs-ml.training-team-2026.11.01"

    def test_the_documents_namespace_wins(self) -> None:
        """The namespace of the document decides, not that of the indexer."""
        action, _, _ = stored(canonical(data_stream={"namespace": "blue_1"}))
        assert action["create"]["_index"] == "logs-ml.app-blue_1-2026.11.21"

    def test_without_header_the_documents_id_is_taken(self) -> None:
        """A writer that sets no headers is served as well."""
        assert stored(canonical(), None)[0]["create"]["_id"] == ID

    def test_the_size_is_never_underestimated(self) -> None:
        """Requests are cut by this size, so it must be at least what is sent."""
        document = read(canonical())
        assert isinstance(document, Document)
        assert len(b"".join(document.bulk_lines(INGESTED))) <= document.size_bytes
