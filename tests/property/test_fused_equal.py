"""The quick way of a call, a chain of one's own and the general way give the same document, whatever is logged."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shipper
import shipper.testing
from shipper.emit.fused import FusedRoad
from shipper.emit.logger import BoundLogger, NamedLogger
from shipper.emit.processors import ship
from shipper.spool.reader import SpoolReader
from tests.property.ecs_strategies import NAMES, VALUES, Hostile
from tests.unit.emit.spooled import strict

pytestmark = pytest.mark.slow

LEVELS = ("debug", "info", "warning", "error", "critical")
EXAMPLES = settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large, HealthCheck.large_base_example,
    ],
)  # fmt: skip


class Colour(enum.Enum):
    """An enumeration of texts."""

    RED = "red"


class Word(str):
    """Text that is not `str` itself."""

    __slots__ = ()


class Count(int):
    """A number that is not `int` itself."""


class Ratio(float):
    """A number that is not `float` itself."""


SECRETS = [
    "password=hunter2hunter2", "mail ada@example.com", "https://user:pw12345@host/x", "4111 1111 1111 1111",
    "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmnop", "AKIAIOSFODNN7EXAMPLE", "DE89370400440532013000",
]  # fmt: skip
ORDINARY = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(
        [
            2**63, -(2**63), 2**64, 2**53 + 1, float("nan"), float("inf"), -0.0, 1e308, "", "a\0b", "\ud800", "\u2028", "\x1b[31m\n",
            "x" * 2_000, "x" * 40_000, Word("word"), Count(3), Ratio(1.5), Ratio("nan"), Colour.RED, decimal.Decimal("1.5"),
            np.float64(1.5), np.float32("nan"), np.int64(3), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.timedelta(seconds=1), b"\xff",
            [], {}, ["a", 1], {"a": {"b": 1}}, "true", "1.5", "2026-01-01T00:00:00Z", "ml.training", "predict", "::1", *SECRETS,
        ]
    )
)  # fmt: skip
ORDINARY_NAMES = NAMES | st.sampled_from(
    [
        "password", "api_key", "labels.password", "user.email", "event.duration", "event.dataset", "ml.prediction.id",
        "ml.features.numeric.a", "ml.features.numeric.b", "ml.features.categorical.c", "attempt", "tags", "self", "logger",
        "level", "_record", "exception", "stack", "stack_info", "exc_info", "@timestamp", "timestamp", "trace.id", "error.type",
    ]
)  # fmt: skip
MESSAGES = st.sampled_from(
    ["prediction served", "", "x" * 33_000, "a\nb\r\x1b[0m", "\ud800", *SECRETS]
) | st.text(max_size=20)
NOT_MESSAGES = (
    st.none() | st.integers() | st.just({"event": "inner", "a": 1}) | st.just(Word("w")) | st.builds(Hostile)
)


def _pass_on(_logger: object, _method: str, event_dict: Any) -> Any:
    return event_dict


Way = Callable[[], AbstractContextManager[None]]


class Ways:
    """All ways into one spool, and what came out of it last."""

    def __init__(self, pipeline: shipper.Pipeline) -> None:
        self.pipeline = pipeline
        self.quick = shipper.get_logger("ways")
        own: list[Any] = [_pass_on, ship]
        usual: list[Any] = [
            structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), ship
        ]  # fmt: skip
        self.chain = BoundLogger(NamedLogger("ways"), own, {})
        self.usual = BoundLogger(NamedLogger("ways"), usual, {})
        self.reader: SpoolReader | None = None

    def documents(self) -> list[dict[str, Any]]:
        """Return what was spooled since the last time, without what differs by nature."""
        if self.reader is None:
            folder = self.pipeline.spool_directory
            assert folder is not None
            self.reader = SpoolReader.open(folder)
            assert self.reader is not None
        found = []
        while (record := self.reader.read()) is not None:
            assert record.missing_before == 0
            document = strict(record.payload)
            assert document["event"].pop("id").endswith(f"-{record.sequence}")
            assert document["event"].pop("sequence") == record.sequence
            document["event"].pop("created", None)
            if document["@timestamp"] >= "2026-06":
                del document["@timestamp"]
            found.append({**document, "(level)": record.level, "(dataset)": record.dataset})
        return found

    def log(self, call: Callable[[Any], object]) -> list[dict[str, Any]]:
        """Make one call often enough by each quick way that its shape is known, and then by the general one."""
        by_quick_ways: list[tuple[Any, Way]] = [
            (log, nullcontext) for log in (self.quick, self.quick, self.chain, self.usual)
        ]
        for log, way in [*by_quick_ways, (self.chain, generally), (self.usual, generally)]:
            with way():
                call(log)  # all from this line: the documents may hold a stack
        return self.documents()


@contextmanager
def generally() -> Iterator[None]:
    """No event goes the quick way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FusedRoad, "emit", lambda *_: False)
        yield


@pytest.fixture(scope="module", autouse=True)
def every_shape_is_worth_a_plan() -> Iterator[None]:
    """Make a plan of each shape at its first sight, not only of those that come often."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shipper.ecs.plans._WORTH_A_PLAN", 1)
        yield


@pytest.fixture(scope="module", params=[True, False], ids=["redacted", "as it is"])
def ways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ways]:
    """A pipeline whose spool only the test reads."""
    folder: Path = tmp_path_factory.mktemp("ways")
    pipeline = shipper.configure(
        service={"name": "checkout", "version": "1.4"},
        model={"name": "fraud", "version": "7"},
        git={"commit": "c" * 40, "branch": "main"},
        spool={"directory": folder},
        ship={"mode": "agent"},
        redact={"enabled": request.param},
    )
    found = Ways(pipeline)
    yield found
    if found.reader is not None:
        found.reader.close()
    shipper.testing.reset()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the quick way took each event that it was offered."""
    answers: list[bool] = []
    real = FusedRoad.emit

    def emit(self: FusedRoad, *arguments: Any) -> bool:
        answers.append(real(self, *arguments))
        return answers[-1]

    monkeypatch.setattr(FusedRoad, "emit", emit)
    return answers


def assert_equal(documents: list[dict[str, Any]]) -> None:
    """All calls left one document each, and those of the same chain are equal."""
    assert len(documents) == 6
    *quick, usual, generally_, usual_generally = documents
    assert quick == [generally_] * 3
    for document in (usual, usual_generally):  # the moment, where the caller named another one
        document.get("labels", {}).pop("timestamp", None)
    assert usual == usual_generally


def test_ordinary_calls_take_the_quick_way(ways: Ways, taken: list[bool]) -> None:
    """The quick way takes the record of an inference: so these tests compare two ways."""
    fields: dict[str, Any] = {
        "event.dataset": "ml.inference", "event.action": "predict", "event.duration": 1_234_567,
        "ml.prediction.id": "3f0c", "ml.prediction.score": 0.93, "ml.features.numeric.radius": 17.99,
    }  # fmt: skip
    assert_equal(ways.log(lambda log: log.info("prediction served", **fields)))
    assert taken[-3:] == [True] * 3


@EXAMPLES
@given(
    st.sampled_from(LEVELS),
    MESSAGES,
    st.dictionaries(ORDINARY_NAMES, ORDINARY, max_size=6),
    st.dictionaries(ORDINARY_NAMES, ORDINARY, max_size=2),
)
def test_ordinary_values(
    ways: Ways, level: str, message: str, fields: dict[str, Any], bound: dict[str, Any]
) -> None:
    """U46: with fields and bound context of every usual kind, secrets among them, both ways give one document."""
    fields.pop("event", None)
    with shipper.context(**bound):
        assert_equal(ways.log(lambda log: getattr(log, level)(message, **fields)))


@EXAMPLES
@given(
    st.sampled_from(LEVELS),
    MESSAGES | NOT_MESSAGES,
    st.lists(st.integers() | st.text(max_size=4), max_size=2),
    st.dictionaries(NAMES, VALUES, max_size=5),
)
def test_odd_values(
    ways: Ways, level: str, message: object, arguments: list[Any], fields: dict[str, Any]
) -> None:
    """U40: with nested, hostile and unfitting values, odd messages and `%` arguments, both ways give one document."""
    assert_equal(ways.log(lambda log: getattr(log, level)(message, *arguments, **fields)))


@EXAMPLES
@given(
    st.lists(ORDINARY_NAMES, min_size=1, max_size=4, unique=True).flatmap(
        lambda names: st.lists(
            st.tuples(MESSAGES, st.tuples(*(ORDINARY for _ in names))).map(
                lambda pair: (pair[0], dict(zip(names, pair[1], strict=True)))
            ),
            min_size=2,
            max_size=5,
        )
    )
)
def test_values_change_under_one_shape(ways: Ways, calls: list[tuple[str, dict[str, Any]]]) -> None:
    """A plan that one call's values made is right for the next call's, of whatever types they are."""
    roads: list[tuple[Any, Way]] = [
        (ways.quick, nullcontext), (ways.chain, nullcontext), (ways.chain, generally)
    ]  # fmt: skip
    for log, way in roads:
        with way():
            for message, fields in calls:
                log.info(message, **fields)
    documents = ways.documents()
    assert documents == documents[-len(calls) :] * 3


@EXAMPLES
@given(
    st.dictionaries(
        st.sampled_from(["a", "ml.model.version", "service.name", "trace.id", "x"]), ORDINARY, max_size=3
    ),
    st.dictionaries(
        st.sampled_from(["a", "ml.model.version", "service.name", "trace.id", "y"]), ORDINARY, max_size=3
    ),
    st.dictionaries(st.sampled_from(["a", "ml.model.name", "http.request.id", "z"]), ORDINARY, max_size=3),
)
def test_bound_loggers(
    ways: Ways, bound: dict[str, Any], given_: dict[str, Any], around: dict[str, Any]
) -> None:
    """Fields of the logger, of the block and of the call meet in the same order on both ways."""
    with shipper.context(**around), structlog.contextvars.bound_contextvars(request="r-1"):
        assert_equal(ways.log(lambda log: log.bind(**bound).info("hello", **given_)))


def test_changes_between_calls(ways: Ways) -> None:
    """U46: another model, another context, another thread's name: a known shape never brings back what was before."""
    with shipper.model("other", "9"):
        assert_equal(ways.log(lambda log: log.info("hello", attempt=1)))
    assert_equal(ways.log(lambda log: log.info("hello", attempt=1)))
    shipper.bind_model("bound", "10")
    documents = ways.log(lambda log: log.info("hello", attempt=1))
    assert_equal(documents)
    assert documents[0]["ml"]["model"]["name"] == "bound"


def _fail() -> None:
    raise KeyError("token=abcdefgh12345678")


def test_exceptions_and_stacks(ways: Ways) -> None:
    """U48: with `exc_info`, `exception()` and `stack_info` both ways give one document."""
    try:
        _fail()
    except KeyError as error:
        caught = error
        assert_equal(ways.log(lambda log: log.exception("failed", attempt=1)))
        assert_equal(ways.log(lambda log: log.info("failed", exc_info=True)))
    assert_equal(ways.log(lambda log: log.error("failed", exc_info=caught)))
    assert_equal(ways.log(lambda log: log.log(25, "notice", attempt=1)))
    documents = ways.log(lambda log: log.info("where", stack_info=True))
    assert all("Stack (most recent" in document["error"]["stack_trace"] for document in documents)
