"""The written rules of `docs/reference/document.md`: where what a caller gives goes, and who wins."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shipper.ecs.constants import Constants
from shipper.ecs.encode import Encoder, stamp
from shipper.ecs.event import Event
from shipper.ecs.limits import Limits
from tests.unit.emit.spooled import strict

NOW_US = 1_795_000_000_000_000
FACTS = {
    "service.name": "checkout", "service.version": "1", "host.name": "h", "git.commit": "a" * 40, "git.branch": "main",
    "ml.model.name": "fraud", "ml.model.version": "7", "ml.model.digest": "sha256:x", "ml.model.stage": "production",
}  # fmt: skip
ENCODER = Encoder(
    Constants(
        FACTS,
        {"agent": {"type": "shipper", "version": "0", "ephemeral_id": "p"}, "process": {"pid": 1}},
        "default",
        Limits(),
    ),
    Limits(),
)


def document_of(
    fields: dict[Any, Any], *, level: int = logging.INFO, message: object = "hello"
) -> dict[str, Any]:
    """Return the document of one event."""
    encoded = ENCODER.encode(Event(level, message, "app", fields), NOW_US)
    return strict(encoded.prefix + stamp("p", 1) + encoded.suffix)


class Colour(enum.Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("event.action", "x", "x"),
        ("event.action", 5, "5"),
        ("event.action", True, "true"),
        ("event.action", Colour.RED, "red"),
        ("event.action", b"raw", "raw"),
        ("event.category", ["a", 1], ["a", "1"]),
        ("tags", "one", ["one"]),
        ("event.duration", 12.6, 13),
        ("event.duration", "12", 12),
        ("event.duration", dt.timedelta(microseconds=3), 3_000),
        ("event.duration", np.int64(3), 3),
        ("ml.epoch", decimal.Decimal(3), 3),
        ("ml.feedback.delay", dt.timedelta(minutes=1), 60.0),
        ("ml.prediction.value", np.float32(0.5), 0.5),
        ("ml.prediction.value", np.array([[2.0]]), 2.0),
        ("ml.prediction.value", True, 1),
        ("ml.prediction.correct", np.bool_(True), True),
        ("ml.prediction.correct", "False", False),
        ("ml.prediction.correct", 1, True),
        ("event.start", dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "2026-01-01T00:00:00.000000Z"),
        ("event.start", pd.Timestamp("2026-01-01", tz="Europe/Berlin"), "2025-12-31T23:00:00.000000Z"),
        ("event.start", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.000000Z"),
        ("event.start", 1767225600, "2026-01-01T00:00:00.000000Z"),
        ("client.ip", "::1", "::1"),
        ("ml.params", {"lr": 0.1, "layers": [1, 2]}, {"lr": 0.1, "layers": [1, 2]}),
    ],
)
def test_declared_fields_take_what_fits(name: str, value: object, stored: object) -> None:
    """A declared field, dotted or nested, takes a value of its type, or one that has one sensible reading as it."""
    head, _, tail = name.rpartition(".")
    given: list[dict[Any, Any]] = [{name: value}, {head: {tail: value}} if head else {name: value}]
    for fields in given:
        document = document_of(fields)
        assert lookup(document, name) == stored
        assert "labels" not in document


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ml.epoch", "three"),
        ("ml.epoch", 2**63),
        ("event.duration", [1, "x"]),
        ("ml.prediction.correct", "perhaps"),
        ("event.start", "yesterday"),
        ("event.start", dt.datetime(1812, 1, 1, tzinfo=dt.UTC)),
        ("client.ip", "localhost"),
        ("client.ip", "fe80::1%eth0"),
        ("event.action", object()),
        ("ml.metrics", 5),
        ("ml.metrics.loss", "bad"),
        ("ml.params", "x"),
    ],
)
def test_what_does_not_fit_becomes_a_label_of_its_name(name: str, value: object) -> None:
    """A value that does not fit its declared field is kept as a label under the field's whole name."""
    document = document_of({name: value})
    assert name in document["labels"]
    with pytest.raises(KeyError):
        lookup(document, name)


def test_all_else_is_a_label() -> None:
    """Undeclared keys become labels, as text; nested ones with dotted names; numbers also as numeric labels."""
    document = document_of(
        {
            "order": "A-1",
            "user": {"id": 5, "plan": "x"},
            "basket": {"a": {"b": 1.5}},
            "items": [1, "x"],
            "ok": True,
            7: "x",
        }
    )
    assert document["user"] == {"id": "5"}
    assert document["labels"] == {
        "order": "A-1", "user.plan": "x", "basket.a.b": "1.5", "items": '[1,"x"]', "ok": "true", "7": "x",
    }  # fmt: skip
    assert document["numeric_labels"] == {"basket_a_b": 1.5}


def test_nothing_is_left_out_for_none() -> None:
    """None is no value: the key is left out, wherever it stands."""
    document = document_of({"a": None, "event.action": None, "ml.metrics.x": None, "b": {"c": None}})
    assert "labels" not in document
    assert "ml" not in document or "metrics" not in document["ml"]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        ({"host": "x"}, {"host": "x"}),
        ({"event": "x"}, {"event": "x"}),
        ({"level": "fatal"}, {"level": "fatal"}),
        ({"message": "other"}, {"message": "other"}),
        ({"@timestamp": "soon"}, {"@timestamp": "soon"}),
        ({"_id": "x"}, {"_id": "x"}),
        ({"labels": "x"}, {"labels": "x"}),
        ({"labels": {"a": 1, "b": {"c": "d"}}}, {"a": "1", "b.c": "d"}),
        ({"labels.a": "x"}, {"a": "x"}),
        ({"log.level": "error"}, {"log.level": "error"}),
        ({"log": {"level": "error"}}, {"log.level": "error"}),
        ({"error": "boom"}, {"error": "boom"}),
        ({"ml": "x"}, {"ml": "x"}),
        ({"process": {"pid": 2}}, {"process.pid": "2"}),
    ],
)
def test_conflicts_have_a_winner(fields: dict[Any, Any], labels: dict[str, str]) -> None:
    """U44: what meets an object of the schema, or a fact of the call, becomes a label; nothing raises."""
    document = document_of(fields)
    assert document["labels"] == labels
    assert document["message"] == "hello"
    assert document["log"]["level"] == "info"
    assert document["host"] == {"name": "h"}
    assert document["process"]["pid"] == 1


@pytest.mark.parametrize(
    "name",
    [
        "event.id",
        "event.sequence",
        "event.ingested",
        "agent.ephemeral_id",
        "agent.type",
        "data_stream.dataset",
        "ecs.version",
    ],
)
def test_reserved_facts_cannot_be_forged(name: str) -> None:
    """A caller cannot state what only shipper states: such a key becomes a label, dotted or nested."""
    head, _, tail = name.partition(".")
    for fields in ({name: "forged"}, {head: {tail: "forged"}}):
        document = document_of(fields)
        assert document["labels"] == {name: "forged"}
        assert "forged" not in str({**document, "labels": {}})


def test_a_dotted_name_wins_over_a_nested_one() -> None:
    """U44: of `service.name` and `service={"name": ...}` the dotted one wins, whatever the order; the other is kept."""
    for fields in (
        {"service": {"name": "nested"}, "service.name": "dotted"},
        {"service.name": "dotted", "service": {"name": "nested"}},
    ):
        document = document_of(fields)
        assert document["service"]["name"] == "dotted"
        assert document["labels"] == {"service.name": "nested"}


def test_keys_that_collide_as_text_get_a_suffix() -> None:
    """U43: keys become text; those that are equal as text get `_2`, `_3`."""
    document = document_of({1: "a", "1": "b", 1.5: "c", "": "d", None: "e", ("x", 2): "f", "a\0b": "g"})
    assert document["labels"] == {
        "1": "a", "1_2": "b", "1.5": "c", "_": "d", "None": "e", '["x",2]': "f", "a\N{REPLACEMENT CHARACTER}b": "g",
    }  # fmt: skip


def test_numbers_that_are_not_finite() -> None:
    """U42: NaN and infinity become null and `ml.nonfinite` lists their names; labels keep them as text."""
    document = document_of(
        {
            "ml.metrics.loss": float("nan"), "ml.metrics.ok": 1.0, "ml.features.numeric": {"x": float("inf")},
            "ml.params": {"lr": float("-inf")}, "ml.prediction.score": np.float64("nan"), "ratio": float("nan"),
        }
    )  # fmt: skip
    assert document["ml"]["metrics"] == {"loss": None, "ok": 1.0}
    assert document["ml"]["features"]["numeric"] == {"x": None}
    assert document["ml"]["params"] == {"lr": None}
    assert document["labels"] == {"ratio": "nan"}
    assert document["numeric_labels"] == {"ratio": None}
    assert set(document["ml"]["nonfinite"]) == {
        "ml.metrics.loss", "ml.features.numeric.x", "ml.params.lr", "ml.prediction.score", "numeric_labels.ratio",
    }  # fmt: skip


def test_invented_names_have_no_dots() -> None:
    """Under `ml.metrics` a dot becomes `_`: one document's `val` must not be another's object `val.loss`."""
    document = document_of(
        {"ml.metrics.val.loss": 1.0, "ml.metrics": {"val": {"acc": 2.0}}, "ml.metrics. ": 3}
    )
    assert document["ml"]["metrics"] == {"val_loss": 1.0, "val_acc": 2.0, "_": 3}


def test_dataset() -> None:
    """The dataset comes from `event.dataset` or `dataset`; an unknown one is a label, and the event goes to ml.app."""
    assert document_of({"dataset": "ml.training"})["event"]["dataset"] == "ml.training"
    assert document_of({"event": {"dataset": "ml.data"}})["event"]["dataset"] == "ml.data"
    both = document_of({"event.dataset": "ml.training", "dataset": "ml.data"})
    assert both["event"]["dataset"] == both["data_stream"]["dataset"] == "ml.training"
    assert both["labels"] == {"dataset": "ml.data"}
    unknown = document_of({"dataset": "nginx.access"})
    assert unknown["event"]["dataset"] == "ml.app"
    assert unknown["labels"] == {"dataset": "nginx.access"}


def test_event_time() -> None:
    """`@timestamp` or `timestamp` give the event's time; then `event.created` says when shipper took it."""
    document = document_of({"timestamp": "2026-01-01T00:00:00", "x": 1})
    assert document["@timestamp"] == "2026-01-01T00:00:00.000000Z"
    assert document["event"]["created"] == "2026-11-18T11:06:40.000000Z"
    assert document["labels"] == {"x": "1"}
    both = document_of({"timestamp": 1, "@timestamp": 2})
    assert both["@timestamp"] == "1970-01-01T00:00:02.000000Z"
    assert both["labels"] == {"timestamp": "1"}


def test_groups_of_facts_stay_together() -> None:
    """A caller's commit or model replaces the process's whole group: no document mixes two commits or two models."""
    assert document_of({})["git"] == {"commit": "a" * 40, "branch": "main"}
    assert document_of({"git.commit": "b" * 40})["git"] == {"commit": "b" * 40}
    assert document_of({"ml.model.version": "8"})["ml"]["model"] == {"version": "8", "name": "fraud"}
    assert document_of({"ml.model.name": "other"})["ml"]["model"] == {"name": "other"}
    same = document_of({"ml.model.name": "fraud", "ml.model.version": "7"})["ml"]["model"]
    assert same == {"name": "fraud", "version": "7", "digest": "sha256:x", "stage": "production"}
    assert document_of({"service.version": "2"})["service"] == {"version": "2", "name": "checkout"}


def test_caps() -> None:
    """U33: long text is cut with a mark of its length; too many or too deep names are counted in a label."""
    document = document_of(
        {"long": "x" * 5_000, "event.reason": "y" * 5_000, **{f"k{number}": number for number in range(300)}},
        message="m" * 5_000_000,
    )
    assert len(document["message"]) == 32_768
    assert document["message"].endswith("…[cut, 5000000 characters]")
    assert document["labels"]["long"].endswith("…[cut, 5000 characters]")
    assert len(document["labels"]["long"]) == len(document["event"]["reason"]) == 1024
    assert len(document["labels"]) == 129
    assert document["labels"]["shipper.left_out"] == "173"
    deep: dict[str, Any] = {}
    level = deep
    for _ in range(50):
        level["d"] = {}
        level = level["d"]
    assert len(str(document_of({"deep": deep, "ml.params": deep}))) < 5_000


def test_arrays_and_tables_are_summaries() -> None:
    """U41: arrays and tables become one line with type, shape, range and first values."""
    document = document_of(
        {
            "a": np.arange(6, dtype="float32").reshape(2, 3),
            "b": pd.DataFrame({"x": [1, 2], "y": ["a", "b"]}),
            "c": pd.Series([1.0, float("nan")]),
            "d": np.array([]),
        }
    )
    assert document["labels"]["a"] == "ndarray float32[2,3] min=0 max=5 mean=2.5 first=[0,1,2,3,4,…]"
    assert document["labels"]["b"] == "DataFrame[2 rows x 2 columns: x,y]"
    assert document["labels"]["c"].startswith("Series float64[2] min=1 max=1 mean=1 nan=1 first=[1,nan]")
    assert document["labels"]["d"] == "ndarray float64[0] empty"


def test_levels() -> None:
    """`log.level` is one of five; another numeric level is the next lower one, its number in `event.severity`."""
    assert document_of({}, level=25)["log"]["level"] == "info"
    assert document_of({}, level=25)["event"]["severity"] == 25
    assert "severity" not in document_of({}, level=20)["event"]
    assert [document_of({}, level=level)["log"]["level"] for level in (0, 10, 30, 40, 50, 99)] == [
        "debug", "debug", "warning", "error", "critical", "critical",
    ]  # fmt: skip


def test_one_line_per_record() -> None:
    """U47: newlines, quotes and escapes in messages and keys cannot begin a second record."""
    evil = 'x"}\n{"@timestamp":"2026-01-01T00:00:00Z","log":{"level":"critical"}}\r\n\x1b[31m\u2028'
    document = document_of({evil: evil, "event.action": evil}, message=evil)
    assert document["message"] == evil
    assert document["event"]["action"] == evil
    assert document["log"]["level"] == "info"


def test_surrogates_and_nul() -> None:
    """Lone surrogates, which JSON cannot carry, are written out; NUL stays in values."""
    document = document_of({"a": "\ud800x", "b": "y\0z"}, message="\udfff")
    assert document["message"] == "\\udfff"
    assert document["labels"] == {"a": "\\ud800x", "b": "y\0z"}


def lookup(document: dict[str, Any], name: str) -> Any:
    """Return the value at a dotted name."""
    found: Any = document
    for part in name.split("."):
        found = found[part]
    return found
