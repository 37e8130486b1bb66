"""Whatever is thrown at a logging call: one valid document leaves, the caller's things stay as they were.

All of it by the public roads, into a real spool, with the default settings (redaction on).
"""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import logging
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.emit import EcsFormatter, ShipperHandler, extra
from shipper.emit.processors import RenderEcs
from tests.unit.emit.hostile_values import VALUES
from tests.unit.emit.spooled import documents_under, strict

Log = Callable[..., object]


def _structlog_road() -> Log:
    return shipper.get_logger("hostile").info


def _logging_road() -> Log:
    logger = logging.Logger("hostile")  # noqa: LOG001 - outside the tree: pytest's own handlers raise on these values
    logger.addHandler(ShipperHandler())

    def log(message: object, /, *arguments: object, **fields: Any) -> None:
        logger.info(message, *arguments, extra=extra(**fields))

    return log


ROADS = {"structlog": _structlog_road, "logging": _logging_road}


@pytest.fixture(params=sorted(ROADS))
def log(request: pytest.FixtureRequest) -> Log:
    """One road after the other."""
    made: Log = ROADS[request.param]()
    return made


def only(root: Path) -> dict[str, Any]:
    """Return the one document of the spool, which nothing of shipper's has spoiled."""
    documents = documents_under(root)
    assert len(documents) == 1
    assert "shipper.incomplete" not in documents[0].get("labels", {})
    return documents[0]


class Stop(BaseException):
    """What an application may throw to end a thread; no `Exception`."""


PASSES = [KeyboardInterrupt, SystemExit, Stop]
ASKED = [
    "__repr__",
    "__str__",
    "__eq__",
    "__hash__",
    "__len__",
    "__iter__",
    "__float__",
    "__bool__",
    "__getattr__",
]


def interrupting(method: str, error: type[BaseException], base: type = object) -> Any:
    """Return an object whose method raises what must pass out of a logging call."""

    def interrupt(*_: object) -> Any:
        raise error

    namespace: dict[str, Any] = {method: interrupt}
    if method == "__eq__":
        namespace["__hash__"] = base.__hash__
    return type("Interrupting", (base,), namespace)()


@pytest.mark.parametrize("error", PASSES)
@pytest.mark.parametrize("as_message", [True, False])
def test_interruptions_pass_and_leave_the_spool_whole(
    log: Log, spool_root: Path, error: type[BaseException], as_message: bool
) -> None:
    """U16: what a value raises to end the program passes out, and the records before and after it are all there."""
    log("before", number=1)
    for method in ASKED:
        odd = interrupting(method, error)
        message, fields = (odd, {}) if as_message else ("odd", {"value": odd})
        with suppress(error):
            log(message, **fields)
    for number in range(8):
        log("after", number=number)
    documents = documents_under(spool_root)
    messages = [document["message"] for document in documents]
    assert messages[0] == "before"
    assert messages[-8:] == ["after"] * 8
    sequences = [document["event"]["sequence"] for document in documents]
    assert sequences == list(range(1, len(documents) + 1))
    counts = shipper.configure().counts()
    assert counts.emitted == len(documents) + sum(counts.dropped.values())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_repr_that_ends_the_program_is_not_swallowed(
    log: Log, spool_root: Path, error: type[BaseException]
) -> None:
    """U16: the interruption is seen by the caller; it is not kept as text."""
    with pytest.raises(error):
        log("odd", value=interrupting("__repr__", error))
    with pytest.raises(error):
        log(interrupting("__repr__", error))
    log("after")
    assert [document["message"] for document in documents_under(spool_root)] == ["after"]


def test_huge_message_is_cut_with_its_length(log: Log, spool_root: Path) -> None:
    """U33: of a message of 5 MB the beginning stays, with a mark of how long it was; quickly."""
    begin = time.monotonic()
    log("word " * 1_000_000, note="note " * 1_000_000)
    assert time.monotonic() - begin < 5
    document = only(spool_root)
    assert document["message"].startswith("word word ")
    assert document["message"].endswith(" …[cut, 5000000 characters]")
    assert document["labels"]["note"].endswith("…[cut, 5000000 characters]")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("%d items", ("many",)), ("%s", ()), ("%s and %s", ("one",)), ("none", ("one", "two")), ("%(name)s", ({"other": 1},)),
        ("%", (1,)), ("%y", (1,)), ("%*d", (1,)), ("%s", (object.__new__(type("T", (), {"__str__": lambda _: 1 / 0})),)),
        ("100%", (5,)), ("%c", (-1,)), ("%(a)s", (1,)),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit(
    log: Log, spool_root: Path, message: str, arguments: tuple[Any, ...]
) -> None:
    """U16: wrong `%` arguments lose nothing: the message as it was written is kept, what fits is beside it."""
    log(message, *arguments)
    assert message in only(spool_root)["message"]


RESERVED = ["host", "event", "level", "@timestamp", "_id", "_index", "_source", "agent", "process", "log", "ecs", "data_stream",
            "git", "service", "error", "ml", "labels", "tags", "trace", "logger", "dataset", "timestamp", "type", "message_"]  # fmt: skip


@pytest.mark.parametrize("name", RESERVED)
def test_reserved_keys_forge_nothing(log: Log, spool_root: Path, name: str) -> None:
    """U44: a reserved name costs nobody the record, and changes nothing that shipper or the call states."""
    log("odd")
    for value in ("forged", 5, None, ["a"], {"id": "forged"}, {"name": {"x": 1}}, {1: 2}, object()):
        log("odd", **{name: value})
    documents = documents_under(spool_root)
    for number, document in enumerate(documents, 1):
        for path in STATED:
            assert at(document, path) == at(documents[0], path), path
        assert document["event"]["sequence"] == number
        assert document["event"]["id"] == f"{document['agent']['ephemeral_id']}-{number}"
        assert document["message"] == "odd"
    assert len(documents) == 9


STATED = [
    "agent",
    "ecs",
    "process.pid",
    "log.level",
    "log.logger",
    "data_stream.type",
    "data_stream.namespace",
]


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "box", "host.name": "box-1"}, {"host.name": "box-1", "host": "box"},
        {"host": {"name": "box-2"}, "host.name": "box-1"}, {"host.name": "box-1", "host": {"name": "box-2"}},
        {"host": {"name": {"deep": 1}}, "host.name": "box-1"}, {"host.name": "box-1", "host.name.first": "x", "host": 5},
    ],
)  # fmt: skip
def test_dotted_beside_nested(log: Log, spool_root: Path, fields: dict[str, Any]) -> None:
    """U44: of a dotted and a nested name the dotted wins, in either order, and the other is kept as a label."""
    log("odd", **fields)
    document = only(spool_root)
    assert document["host"]["name"] == "box-1"
    assert any(name.startswith("host") for name in document["labels"])


def at(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted name."""
    for part in path.split("."):
        document = document[part]
    return document


PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "label": lambda value: {"value": value},
    "keyword": lambda value: {"event.action": value},
    "number": lambda value: {"event.duration": value},
    "date": lambda value: {"event.start": value},
    "open": lambda value: {"ml.params.p": value, "ml.metrics.m": value},
    "inside": lambda value: {"value": [value, {"key": value}], "ml": {"params": {"p": value}}},
}


NO_ARGUMENT = {"shared layers", "unnameable class"}
"""Python itself never ends asking the text of the first; `logging` itself raises on the second before we see it."""


@pytest.mark.slow
@pytest.mark.parametrize("value", sorted(VALUES))
def test_any_value_at_any_place(log: Log, spool_root: Path, value: str) -> None:
    """U40: one valid document leaves at once, with its message and with all that came beside the odd value.

    As a message, or an argument of one, an odd value loses nothing either (U16).
    """
    begin = time.monotonic()
    for place in PLACES.values():
        log("hello", beside="kept", **place(VALUES[value]()))
    log(VALUES[value](), beside="kept")
    argument = VALUES[value]() if value not in NO_ARGUMENT else "x"
    log("hello %s", argument, beside="kept")
    assert time.monotonic() - begin < 20
    documents = documents_under(spool_root)
    assert len(documents) == len(PLACES) + 2
    for document in documents:
        assert document["labels"]["beside"] == "kept"
        assert "shipper.incomplete" not in document["labels"]
        assert len(str(document)) < 200_000
    assert {document["message"] for document in documents[: len(PLACES)]} == {"hello"}


@pytest.mark.parametrize("value", sorted(VALUES))
def test_any_value_on_standard_output(value: str) -> None:
    """U47: the formatter and the renderer give one line of strict JSON, whatever the value."""
    record = logging.LogRecord("hostile", 20, __file__, 1, "hello", (), None)
    record.value = VALUES[value]()
    for line in (
        EcsFormatter().format(record),
        RenderEcs()(None, "info", {"event": "hello", "value": VALUES[value]()}),
    ):
        assert strict(line)["message"] == "hello"
        assert line.encode().decode() == line


def test_nonfinite_numbers_are_named(log: Log, spool_root: Path) -> None:
    """U42: NaN and infinity in measures become null under their name in `ml.nonfinite`, of whatever type they are."""
    log(
        "odd",
        **{
            "ml.metrics.a": decimal.Decimal("NaN"),
            "ml.metrics.b": float("-inf"),
            "ml.metrics.c": [1.0, float("nan")],
        },
    )
    document = only(spool_root)
    assert document["ml"]["metrics"] == {"a": None, "b": None, "c": [1.0, None]}
    assert sorted(document["ml"]["nonfinite"]) == ["ml.metrics.a", "ml.metrics.b", "ml.metrics.c"]


def test_colliding_keys_are_all_kept(log: Log, spool_root: Path) -> None:
    """U43: keys that are equal only as text get a suffix; none is lost."""
    log("odd", group={1: "a", "1": "b", b"1": "c"})
    labels = only(spool_root)["labels"]
    assert {labels[name] for name in labels if name.startswith("group.1")} == {"a", "b", "c"}


def test_generators_are_not_consumed(log: Log, spool_root: Path) -> None:
    """U46: what can be read only once is left to its owner."""
    numbers = (number for number in range(3))
    letters = iter("abc")
    file = map(str, [1, 2])
    log("odd", numbers=numbers, letters=letters, inside=[file, {"more": numbers}])
    log(numbers)
    log("given %s", numbers)
    assert (list(numbers), list(letters), list(file)) == ([0, 1, 2], ["a", "b", "c"], ["1", "2"])
    assert len(documents_under(spool_root)) == 3


def test_callers_objects_stay_as_they_were(log: Log, spool_root: Path) -> None:
    """U46: values, their order and their identity are the same after the call, default factories were not asked."""
    given: dict[str, Any] = {
        "z": {"b": 1, "a": {2, 3}, "password": "hunter2hunter2"}, "password": "hunter2hunter2", "y": [1, {"k": [float("inf")]}],
        "event": {"action": "x", "id": "forged"}, "ml": {"metrics": {"m": float("nan")}, "model": {"name": "other"}},
        "labels": {"a": 1, "token": "abcdefgh12345678"}, "factory": defaultdict(list), "ordered": OrderedDict([("q", 1), ("p", 2)]),
        "late": deque([1, 2, 3], maxlen=3), "host": {"name": "x"}, "text": "mail ada@example.com",
    }  # fmt: skip
    arguments = ({"name": "ada@example.com", "list": [1]},)
    before, arguments_before, orders = copy.deepcopy(given), copy.deepcopy(arguments), _orders(given)
    with shipper.context(**given):
        log("hello %(name)s", *arguments, **given)
    assert given == before or _same(given, before)
    assert (arguments, _orders(given)) == (arguments_before, orders)
    assert only(spool_root)["message"].startswith("hello")


def _same(first: Any, second: Any) -> bool:
    """Compare with NaN equal to itself."""
    return repr(first) == repr(second)


def _orders(value: Any) -> Any:
    """Return the order of all keys, all the way down."""
    if isinstance(value, dict):
        return [(name, _orders(part)) for name, part in value.items()]
    return [_orders(part) for part in value] if isinstance(value, (list, deque)) else None


@pytest.mark.slow
def test_dicts_that_other_threads_change(log: Log, spool_root: Path) -> None:
    """U16: a mapping that changes while it is logged costs at most some of its own pairs."""
    shared: dict[str, Any] = {f"k{number}": number for number in range(50)}
    is_over = threading.Event()

    def change() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            shared[f"n{number % 500}"] = {"x": number}
            shared.pop(f"n{(number * 7) % 500}", None)

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(300):
            log("hello", beside="kept", shared=shared)
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    documents = documents_under(spool_root)
    assert len(documents) == 300
    for document in documents:
        assert document["labels"]["beside"] == "kept"
        assert "shipper.incomplete" not in document["labels"]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_dates_without_zone(log: Log, spool_root: Path, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """U50: a date-time without zone is UTC whatever the machine's zone is, and so is the record's own time."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        begin = dt.datetime.now(dt.UTC)
        log("odd", **{"event.start": dt.datetime(2026, 3, 8, 2, 30), "event.end": "2026-11-01T01:30:00"})  # noqa: DTZ001
        end = dt.datetime.now(dt.UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    document = only(spool_root)
    assert document["event"]["start"] == "2026-03-08T02:30:00.000000Z"
    assert document["event"]["end"] == "2026-11-01T01:30:00.000000Z"
    assert begin <= dt.datetime.fromisoformat(document["@timestamp"]) + dt.timedelta(microseconds=1)
    assert dt.datetime.fromisoformat(document["@timestamp"]) <= end


def test_a_record_is_one_line_whatever_it_holds(log: Log, spool_root: Path) -> None:
    """U47: newlines, separators and escapes in messages, names and values cannot begin a second record or a field."""
    forged = (
        '"}\n{"@timestamp":"2026-01-01T00:00:00.000000Z","event":{"id":"forged"},"log":{"level":"critical"}}'
    )
    log(forged, **{forged: forged, f"labels.{forged}": 1, "\x1b]0;title\x07": "\x1b[2J"})
    document = only(spool_root)
    assert document["message"] == forged
    assert document["log"]["level"] == "info"
    assert document["event"]["id"] != "forged"
