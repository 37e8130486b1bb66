"""One event gives one document, whether it goes by structlog, by the handler, or to standard output."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shipper
import shipper.testing
from shipper.ecs.event import LEVELS
from shipper.ecs.fields import FIELDS
from shipper.emit import EcsFormatter, ShipperHandler
from shipper.emit.stdlib import RECORD_ATTRIBUTES
from tests.unit.emit.spooled import strict

STRUCTLOG_KEYS = {"event", "exc_info", "stack_info", "exception", "stack", "level", "logger", "self"}
NAMES = (
    st.sampled_from(sorted(FIELDS))
    | st.sampled_from(
        ["host", "_id", "labels", "ml", "dataset", "a", "a.b", "ml.metrics.loss", "ml.params.p"]
    )
    | st.text(min_size=1, max_size=8)
).filter(lambda name: name not in RECORD_ATTRIBUTES and name not in STRUCTLOG_KEYS)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.binary(max_size=4)
    | st.sampled_from(["\ud800", "x" * 2_000, b"\xff", np.float64("nan"), np.arange(3), object, {1, 2}, 10**30])
    | st.datetimes() | st.just(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
MESSAGES = st.sampled_from(["hello", "%s and %s", "%d%%", "100%", "", "\n{}"]) | st.text(max_size=10)


@pytest.fixture(scope="module", autouse=True)
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A pipeline whose spool nobody ships; nothing is left of it."""
    folder: Path = tmp_path_factory.mktemp("roads")
    shipper.configure(
        service={"name": "checkout", "version": "1.4"},
        model={"name": "fraud", "version": "7"},
        git={"commit": "c" * 40},
        spool={"directory": folder},
        ship={"mode": "agent"},
    )
    yield
    shipper.testing.reset()


LOGGER = logging.getLogger("roads")
LOGGER.propagate = False
LOGGER.setLevel(1)
HANDLER = ShipperHandler()


class Line(logging.Handler):
    """Keeps what its formatter makes of a record."""

    line = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.line = self.format(record)


STDOUT = Line()
STDOUT.setFormatter(EcsFormatter())


def three_documents(
    level: str, message: str, args: tuple[Any, ...], fields: dict[str, Any], error: BaseException | None
) -> list[dict[str, Any]]:
    """Log one event on each road, from this one function."""
    LOGGER.handlers = [HANDLER, STDOUT]
    with shipper.testing.capture() as records:
        getattr(shipper.get_logger("roads"), level)(message, *args, **fields, exc_info=error)
        LOGGER.log(LEVELS[level], message, *args, extra=fields, exc_info=error)
    return [comparable(document) for document in [*records.documents, strict(STDOUT.line)]]


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document without what differs by nature: identity, the moment, the line of the call."""
    document["event"] = {
        name: value for name, value in document["event"].items() if name not in {"id", "sequence", "created"}
    }
    if "@timestamp" in document and document["@timestamp"] >= "2026-06":
        del document["@timestamp"]
    del document["agent"]["ephemeral_id"]
    del document["log"]["origin"]["file"]["line"]
    return document


def raised(message: str) -> BaseException:
    """Return an exception that was really raised."""
    try:
        dict[str, int]()[message]
    except KeyError as error:
        return error
    raise AssertionError


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(LEVELS)),
    MESSAGES,
    st.lists(st.integers() | st.text(max_size=4) | st.none(), max_size=3).map(tuple),
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.dictionaries(NAMES, VALUES, max_size=2),
    st.booleans(),
)
def test_three_roads_give_one_document(
    level: str,
    message: str,
    args: tuple[Any, ...],
    fields: dict[str, Any],
    bound: dict[str, Any],
    with_error: bool,
) -> None:
    """structlog, the handler and the formatter give the same document for the same event (id and moment apart)."""
    error = raised(message) if with_error else None
    with shipper.context(**bound):
        by_structlog, by_handler, by_formatter = three_documents(level, message, args, fields, error)
    assert by_structlog == by_handler
    assert by_handler == by_formatter
