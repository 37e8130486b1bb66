"""Records that nobody would write by hand: good ones, damaged at random, for both roads to agree on."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any, Final

from tests.golden.cases import Case, load_cases
from tests.golden.test_cases import outcome

PIECES: Final = [
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r", b"\x00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\\u0000", b"\\ud800", b"\\udc00", b'\\"', b" ", b"\t", b"/*", b"*/", b"NaN", b"1e999", b"null", b"true", b"-0",
    b'"_id":1,', b'"@metadata":{},', b'"event":{"id":"other"}', b'"ingested":"x",', b'"event.ingested":"x",', b"1E5",
    b'"event.id":"x",', b'"@timestamp":"2026-11-20T00:00:00.000000Z",', b'"message":null,', b'"log":{},', b"0.1e-7",
    b'"data_stream":null,', b'"data_stream.type":"x",', b'"dataset":"ml.training",', b'"namespace":"Other",', b"\x7f",
    "é".encode(), "\u2028".encode(), b"\xef\xbb\xbf", b"t", b"z", b"+", b"#", b"\\/", b"\\u00e9", b"99999999999999999999",
]  # fmt: skip
VALUES: Final[list[Any]] = [
    None, True, 0, -1, 1.5, "", "x", [], {}, [None], ["x", 1], {"a": 1}, {"": 1}, {"a.b": {"c": []}}, "é" * 256,
    "x" * 513, "2026-11-21T10:11:12Z", "2026-11-21 10:11:12Z", "2026-02-30T00:00:00Z", "2026-11-21T10:11:12+24:00",
    "2026-11-21T10:11:12.5+0130", "ml.app", "ml.training", "ML.APP", "logs", 10**30, "\u0000", "%{message}", "[a][b]",
]  # fmt: skip
NAMES: Final = [
    "@timestamp", "@version", "@metadata", "event", "event.id", "event.dataset", "event.ingested", "message", "log",
    "log.level", "data_stream", "data_stream.type", "data_stream.dataset", "data_stream.namespace", "tags", "host",
    "labels", "_id", "_source", "_doc_count", "_foo", "", "a.b", "[x]", "type", "timestamp",
]  # fmt: skip
INNER: Final = ["id", "dataset", "ingested", "level", "type", "namespace", "original", "sequence"]


def damaged_cases(count: int, seed: int) -> list[Case]:
    """Return damaged records; what is expected of each is the indexer's own answer."""
    random = Random(seed)
    sound = [case for case in load_cases() if "document" in case.expected and len(case.value) < 2000]
    return [_answered(_damaged(random.choice(sound), number, random)) for number in range(count)]


def _damaged(case: Case, number: int, random: Random) -> Case:
    value = case.value
    if random.random() < 0.5:
        document = json.loads(value)
        for _ in range(random.randint(1, 3)):
            inner = random.choice([document, *(each for each in document.values() if isinstance(each, dict))])
            names = NAMES if inner is document else INNER
            name = random.choice(names)
            if random.random() < 0.2:
                inner.pop(name, None)
            else:
                # A copy: what is put in may itself be damaged next.
                inner[name] = deepcopy(random.choice(VALUES))
        value = json.dumps(document, ensure_ascii=random.random() < 0.5).encode()
    else:
        for _ in range(random.randint(1, 3)):
            at = random.randrange(len(value))
            value = value[:at] + random.choice(PIECES) + value[at + random.randint(0, 2) :]
    return Case(f"damaged-{number}", repr(value[:300]), {}, value, {})


def _answered(case: Case) -> Case:
    return Case(case.name, case.about, {}, case.value, outcome(case))
