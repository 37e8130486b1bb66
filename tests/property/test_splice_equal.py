"""The usual way into a bulk request against the exact one: never another document, id, index or fate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shipper.dataset_table import RESERVED
from shipper.datasets import DATASETS, REQUIRED_FIELDS
from shipper.index.document import Document, Limits, Refusal, read_document
from shipper.index.splice import Parcel, Splicer

NOW_US = 1_795_258_800_000_000  # 2026-11-21T11:00:00Z
SENT_US = NOW_US + 1_000_001
SENT = "2026-11-21T11:00:01.000001Z"
ID = "0123456789abcdef0123-7"

Exactly = list[Document | Refusal]


def canonical(changes: dict[str, Any] | None = None) -> bytes:
    """Return a value as shipper writes it."""
    document: dict[str, Any] = {
        "@timestamp": "2026-11-21T10:11:12.123456Z",
        "event": {"id": ID, "sequence": 7, "dataset": "ml.app", "duration": 12},
        "message": "hello",
        "log": {"level": "info", "logger": "a.b"},
        "ml": {"metrics": {"loss": 0.25}, "step": 3},
        "data_stream": {"type": "logs", "dataset": "ml.app", "namespace": "team"},
    }
    return orjson.dumps(document | (changes or {}))


def exactly(values: Sequence[bytes | None]) -> Exactly:
    """Read values the exact way."""
    return [
        read_document(value, header_id="h-1", namespace="default", now_us=NOW_US, limits=Limits())
        for value in values
    ]


def spliced(values: Sequence[bytes | None]) -> tuple[Parcel, list[int]]:
    """Splice values; return the parcel and which were handed to the exact way."""
    asked: list[int] = []
    exact = exactly(values)

    def ask(position: int) -> Document | Refusal:
        asked.append(position)
        return exact[position]

    parcel = Splicer(Limits()).splice(values, range(len(values)), ask, read_us=NOW_US, ingested_us=SENT_US)
    return parcel, asked


def content(line: bytes) -> object:
    """Return what a line says, key by key in order, so that doubled keys are not lost."""
    return json.loads(line, object_pairs_hook=tuple)


def check(values: Sequence[bytes | None]) -> list[int]:
    """Hold both ways against each other; return which values went the exact way."""
    parcel, asked = spliced(values)
    exact = exactly(values)
    documents = {at: read for at, read in enumerate(exact) if isinstance(read, Document)}
    assert sorted(parcel.positions) == sorted(documents)
    assert dict(parcel.refused) == {at: read for at, read in enumerate(exact) if isinstance(read, Refusal)}
    lines = parcel.body.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 2 * len(documents)
    for at, action, source in zip(parcel.positions, lines[::2], lines[1::2], strict=True):
        wanted_action, wanted_source, _ = b"".join(documents[at].bulk_lines(SENT.encode())).split(b"\n")
        assert content(action) == content(wanted_action)
        assert source == wanted_source
    return asked


PIECES = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\\u0000", b"\\ud800", b"\\udc00", b'\\"', b" ", b"\t", b"/*", b"*/", b"NaN", b"1e999", b"null", b"true", b"-0",
    b'{"create":{"_index":"x","_id":"y"}}', b'"event":{"id":"other"}', b'"ingested":"x",', b'"event.ingested":"x",',
    b'"@timestamp":"2026-11-20T00:00:00.000000Z",', b'"message":null,', b'"log":{},', b'"data_stream":null,',
    b'"dataset":"ml.training",', b'"namespace":"Other",', "é".encode(), "\u2028".encode(), b"\xef\xbb\xbf", b"t", b"z",
]  # fmt: skip


class Damage:
    """Changes of bytes that make a canonical value hostile."""

    spots = st.tuples(
        st.integers(0, 400), st.integers(0, 30), st.sampled_from(PIECES) | st.binary(max_size=3)
    )
    values = st.lists(spots, min_size=0, max_size=3)

    @staticmethod
    def done(value: bytes, spots: list[tuple[int, int, bytes]]) -> bytes:
        """Return the value with bytes cut out and others put in."""
        for at, cut, piece in spots:
            value = value[:at] + piece + value[at + cut % 3 :]
        return value


def test_the_usual_value_goes_the_usual_way() -> None:
    """What shipper writes itself is never handed to the exact way, for any dataset."""
    values = [
        canonical(
            {
                "event": {"id": f"{ID}-{number}", "sequence": number, "dataset": name},
                "data_stream": {"type": "logs", "dataset": name, "namespace": "team"},
            }
        )
        for number, name in enumerate(DATASETS)
    ]
    assert check(values) == []


def test_many_values_are_looked_at_in_parts() -> None:
    """Each value of a large batch has its own fate, wherever it stands: what is odd in one part, or only in one, is found."""
    values = [canonical({"event": {"id": f"{ID}-{at}", "dataset": "ml.app"}}) for at in range(300)]
    values[127] = canonical({"message": "two"}).replace(b"two", b"t\nwo")
    values[128] = canonical({"ml": json.loads("[" * 120 + "]" * 120)})
    values[200] = canonical({"ml": {"list": [1, 2]}})
    values[255] = canonical({"message": "x"}).replace(b'"x"', b'"\xff"')
    values[299] = canonical({"ml": json.loads('{"a":' * 120 + "1" + "}" * 120)})
    assert check(values) == [127, 128, 255, 299]


@pytest.mark.parametrize("name", RESERVED)
def test_what_is_reserved_is_looked_for(name: str) -> None:
    """Each reserved name of the schema sends a value the exact way, which refuses it."""
    value = canonical({name: 1})
    assert check([value]) == [0]
    [read] = exactly([value])
    assert isinstance(read, Refusal)
    assert (read.reason, name in read.detail) == ("schema", True)


@pytest.mark.parametrize(
    "changes",
    [
        {"data_stream": {"type": "metrics", "dataset": "ml.app", "namespace": "team"}},
        {"data_stream": {"type": "logs", "dataset": "ml.alert", "namespace": "team"}},
        {"data_stream": {"type": "logs", "dataset": "ml.app", "namespace": 7}},
        {"data_stream": {"type": "logs", "dataset": "ml.app", "namespace": ""}},
        {"data_stream": [{"type": "logs", "dataset": "ml.app", "namespace": "team"}]},
        {"data_stream.type": "metrics"},
        {"data_stream.dataset": "ml.alert"},
        {"data_stream.namespace": "other"},
        {"event.dataset": "ml.alert"},
    ],
)
def test_another_place_is_not_named(changes: dict[str, Any]) -> None:
    """A document that says anywhere that it belongs elsewhere, as well or instead, is refused, on either way."""
    value = canonical(changes)
    assert check([value]) == [0]
    assert isinstance(exactly([value])[0], Refusal)


def test_size_is_looked_at() -> None:
    """A value larger than is allowed is refused by the exact way and never taken by the usual one."""
    value = canonical()
    limits = Limits(max_bytes=len(value) - 1)
    read = read_document(value, header_id=None, namespace="default", now_us=NOW_US, limits=limits)
    assert isinstance(read, Refusal)
    assert read.reason == "too_large"
    parcel = Splicer(limits).splice([value], range(1), lambda _: read, read_us=NOW_US, ingested_us=SENT_US)
    assert parcel.refused == [(0, read)]


def test_what_is_required_is_looked_at() -> None:
    """Each required field of the schema is missed by the usual way, too: none can be added without it."""
    for name in REQUIRED_FIELDS:
        document = json.loads(canonical())
        *above, last = name.split(".")
        place = document
        for part in above:
            place = place[part]
        del place[last]
        assert check([orjson.dumps(document)]) == [0], name


@given(st.lists(Damage.values, min_size=1, max_size=4))
@example([[(15, 0, b"\\u0032")]])
def test_damaged_values_have_one_fate(damages: list[list[tuple[int, int, bytes]]]) -> None:
    """U35: whatever is done to the bytes of values, both ways store the same, refuse the same, and harm no neighbour."""
    values = [Damage.done(canonical(), spots) for spots in damages]
    check([canonical(), *values, None, canonical()])


@given(
    st.dictionaries(
        st.sampled_from(
            ["@timestamp", "event", "message", "log", "data_stream", "event.ingested", "event.id", "labels",
             "event.dataset", "data_stream.type", "data_stream.dataset", "data_stream.namespace"]
        ),
        st.none()
        | st.text(max_size=30)
        | st.sampled_from(
            [
                "2026-11-21 10:11:12.123456Z", "2026-11-21t10:11:12.123456Z", "2026-11-21T10:11:60.123456Z",
                "2026-02-30T10:11:12.123456Z", "2026-11-21T00:30:00.1+02:00", "2026-11-21T12:00:00.000000Z",
                "2026-11-21T12:00:00.000001Z", "2026-08-23T11:00:00.000000Z", "2026-08-23T10:59:59.999999Z",
                "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9-12:00", "0001-01-01T00:00:00.0+12:00", "2026-11-21T10:11:12.1+01:60", "2026-11-21T10:11:12.123456z",
            ]
        )
        | st.fixed_dictionaries(
            {},
            optional={
                "id": st.text(max_size=3) | st.just("x" * 513) | st.just("é" * 256) | st.integers(-(2**63), 2**64 - 1) | st.just(ID),
                "dataset": st.sampled_from(["ml.app", "ml.training", "ml.nobody", "", None]),
                "namespace": st.sampled_from(["team", "Bad", "a-b", "", None, "x" * 101]),
                "level": st.sampled_from(["info", None, 3]),
                "ingested": st.sampled_from(["\x00", "", "x", None]),
            },
        ),
    )
)  # fmt: skip
def test_other_documents_have_one_fate(changes: dict[str, Any]) -> None:
    """For any mix of missing, null, odd and limiting fields both ways decide the same."""
    check([canonical(), canonical(changes)])


@pytest.mark.parametrize(
    "value",
    [
        canonical() + b"x",
        canonical() + canonical(),
        canonical() + b"\n" + canonical(),
        canonical() + b'\n{"create":{"_index":"logs-ml.app-team-2026.11.21","_id":"forged"}}\n' + canonical(),
        canonical()[:-1] + b',"x":"\n{\\"delete\\":{}}\n"}',
        canonical()[:-1] + b',"x":"a\x00b"}',
        canonical()[:-1] + b',"x":"\xff"}',
        canonical()[:-1] + b',"event":{"id":"twice","dataset":"ml.app"}}',
        canonical()[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        canonical()[:-1] + b',"x":' + b"[" * 100_000,
    ],
    ids=[
        "garbage", "two-objects", "two-lines", "forged-action", "raw-line-end", "nul", "no-utf-8", "double-key",
        "deep", "deep-open",
    ],
)  # fmt: skip
def test_hostile_values_have_one_fate(value: bytes) -> None:
    """U35: the known ways to break a bulk request; the neighbours' lines are what they are without it."""
    assert check([canonical(), value, canonical()]) in ([1], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"event": {"id": ID, "dataset": "ml.nobody"}},
        {"event": {"id": "", "dataset": "ml.app"}},
        {"event": {"id": "x" * 513, "dataset": "ml.app"}},
        {"event": {"id": ID, "dataset": "ml.app", "ingested": ""}},
        {"event.ingested": ""},
        {"data_stream": {"namespace": "Team"}},
        {"data_stream": {"namespace": "a-b"}},
        {"@timestamp": "2026-11-21T12:00:00.000001Z"},
        {"@timestamp": "2026-08-23T10:59:59.999999Z"},
        {"@timestamp": "2026-11-21 10:11:12.123456Z"},
    ],
)
def test_what_only_the_exact_way_may_decide_goes_there(changes: dict[str, Any]) -> None:
    """Undeclared datasets, odd namespaces, ids and times are never taken the usual way, whatever went before."""
    assert check([canonical(), canonical(changes), canonical()]) == [1]


@pytest.mark.parametrize("time", ["2026-11-21T12:00:00.000000Z", "2026-08-23T11:00:00.000000Z"])
def test_the_limits_themselves_go_the_usual_way(time: str) -> None:
    """Exactly an hour ahead and exactly 90 days back are as usual as now."""
    assert check([canonical({"@timestamp": time})]) == []
