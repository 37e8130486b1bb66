"""Blocks and decorators that log attempts at predictions."""

from __future__ import annotations

import asyncio
import inspect
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shipper
from shipper.clock import ManualClock
from shipper.emit import ShipperHandler, events
from shipper.emit.events.inference import read_output
from shipper.testing import CapturedRecords, capture


@pytest.fixture
def captured() -> Iterator[CapturedRecords]:
    """What is logged meanwhile."""
    with capture() as records:
        yield records


@pytest.fixture(params=["structlog", "logging", "adapter", "none"])
def logger(request: pytest.FixtureRequest) -> Any:
    """Each kind of logger."""
    if request.param == "none":
        return None
    if request.param == "structlog":
        return shipper.get_logger("app")
    standard = logging.Logger("app", logging.DEBUG)  # noqa: LOG001 - one of its own
    standard.addHandler(ShipperHandler())
    return standard if request.param == "logging" else logging.LoggerAdapter(standard, {"tenant": "t"})


class Refused(Exception):
    """What the user's code raises."""


def only(captured: CapturedRecords) -> dict[str, Any]:
    """Return the one document."""
    (document,) = captured.documents
    return document


def test_a_block_is_one_event(logger: Any, captured: CapturedRecords) -> None:
    """One event per attempt, by either kind of logger, from the line of the user's block."""
    clock = ManualClock()
    with events.inference(logger, features={"a": 1.5, "b": None, "c": "x"}, clock=clock) as attempt:
        clock.advance(0.5)
        with attempt.part("model"):
            clock.advance(0.25)
            attempt.output = "yes"
        attempt.score = 0.9
    document = only(captured)
    ml = document["ml"]
    assert document["event"]["outcome"] == "success"
    assert document["event"]["duration"] == 750_000_000
    assert ml["latency"] == {"model": 250_000_000}
    assert ml["prediction"] == {"id": attempt.id, "label": "yes", "score": 0.9}
    assert ml["features"] == {"numeric": {"a": 1.5}, "categorical": {"c": "x"}, "missing": ["b"]}
    assert document["log"]["origin"]["function"] == "test_a_block_is_one_event"
    assert document["log"]["level"] == "info"
    assert document.get("labels", {}) in ({}, {"tenant": "t"})


def test_what_the_block_raises_goes_on_unchanged(logger: Any, captured: CapturedRecords) -> None:
    """A failed attempt is logged at level error with error.*, and the very exception goes on."""
    error = Refused("no model")
    with pytest.raises(Refused) as caught, events.inference(logger, prediction_id="p-1"):
        raise error
    assert caught.value is error
    assert error.__context__ is None
    document = only(captured)
    assert document["log"]["level"] == "error"
    assert document["event"]["outcome"] == "failure"
    assert document["error"]["type"].endswith("Refused")
    assert document["error"]["message"] == "no model"
    assert document["ml"]["prediction"]["id"] == "p-1"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_being_stopped_is_no_failure_of_the_model(
    stop: type[BaseException], captured: CapturedRecords
) -> None:
    """What stops a block from outside passes, and the event's outcome is unknown, with the reason."""
    with pytest.raises(stop), events.inference(None):
        raise stop
    document = only(captured)
    assert document["event"]["outcome"] == "unknown"
    assert document["event"]["reason"] in {"cancelled", stop.__name__}
    assert document["log"]["level"] == "warning"
    assert "error" not in document


def test_other_records_carry_the_prediction(captured: CapturedRecords) -> None:
    """Inside a block the prediction's id is on every record; afterwards it is not, and blocks do not mix."""
    log = shipper.get_logger("app")

    async def one(name: str) -> None:
        async with events.inference(log, prediction_id=name):
            await asyncio.sleep(0)
            log.info("inside", who=name)

    async def both() -> None:
        await asyncio.gather(one("a"), one("b"))

    asyncio.run(both())
    log.info("outside")
    for document in captured.documents:
        if document["message"] == "inside":
            assert document["ml"]["prediction"]["id"] == document["labels"]["who"]
    assert "ml" not in captured.documents[-1]


def test_functions_are_decorated(captured: CapturedRecords) -> None:
    """Each call is one event; name, signature, result and exceptions are the function's own."""

    @events.logged_inference(
        shipper.get_logger("app"), features="row", prediction_id="request", raw_input="text"
    )
    def predict(row: dict[str, float], *, request: str = "r", text: str = "hi") -> dict[str, Any]:
        """Say something."""
        if row["x"] < 0:
            raise Refused
        return {"label": "yes", "score": 0.5, "why": "so"}

    assert predict.__name__ == "predict"
    assert predict.__doc__ == "Say something."
    assert list(inspect.signature(predict).parameters) == ["row", "request", "text"]
    assert predict({"x": 1.0}, request="r-1") == {"label": "yes", "score": 0.5, "why": "so"}
    with pytest.raises(Refused):
        predict({"x": -1.0})
    with pytest.raises(TypeError):
        predict()  # type: ignore[call-arg]
    good, bad, wrong = captured.documents
    assert good["ml"]["prediction"] == {
        "id": "r-1", "label": "yes", "score": 0.5, "input": "hi", "output": '{"why":"so"}',
    }  # fmt: skip
    assert bad["ml"]["features"]["numeric"] == {"x": -1.0}
    assert bad["event"]["outcome"] == wrong["event"]["outcome"] == "failure"
    assert wrong["error"]["type"] == "TypeError"


def test_methods_are_decorated(captured: CapturedRecords) -> None:
    """A method's arguments are found by their names, `self` or not."""

    class Service:
        @events.logged_inference(features="row")
        def predict(self, row: list[float]) -> float:
            return 0.5

    assert Service().predict([1.0, 2.0]) == 0.5
    document = only(captured)
    assert document["ml"]["features"]["numeric"] == {"f0": 1.0, "f1": 2.0}
    assert document["ml"]["prediction"]["value"] == 0.5
    assert document["log"]["logger"] == __name__


def test_coroutines_are_decorated(captured: CapturedRecords) -> None:
    """A coroutine function stays one; its event is made when it has ended."""

    @events.logged_inference(features=lambda row: {"first": row[0]})
    async def predict(row: list[float]) -> bool:
        await asyncio.sleep(0)
        return True

    assert inspect.iscoroutinefunction(predict)
    assert asyncio.run(predict([3.0])) is True
    document = only(captured)
    assert document["ml"]["prediction"]["label"] == "true"
    assert document["ml"]["features"]["numeric"] == {"first": 3.0}


def echo() -> Generator[Any, Any, str]:
    """Yield what was sent, answer what was thrown, return a word."""
    got: Any = "first"
    for _ in range(10):
        try:
            got = yield got
        except Refused:
            got = "caught"
        if got == "stop":
            return "ended"
    raise AssertionError


def test_generators_behave_as_before(captured: CapturedRecords) -> None:
    """A generator's send, throw, return and close reach it unchanged; its event counts what it yielded."""
    decorated: Callable[[], Generator[Any, Any, str]] = events.logged_inference()(echo)
    assert inspect.isgeneratorfunction(decorated)
    generator = decorated()
    assert [next(generator), generator.send("a"), generator.throw(Refused())] == ["first", "a", "caught"]
    with pytest.raises(StopIteration) as ended:
        generator.send("stop")
    assert ended.value.value == "ended"
    document = only(captured)
    assert document["ml"]["stream"] == {"chunks": 3, "finished": True}
    assert document["ml"]["latency"]["first_chunk"] > 0
    assert document["event"]["outcome"] == "success"


def test_a_reader_may_stop_early(captured: CapturedRecords) -> None:
    """Closing a stream is no failure: success, not finished."""
    generator = events.logged_inference()(echo)()
    next(generator)
    generator.close()
    document = only(captured)
    assert document["ml"]["stream"] == {"chunks": 1, "finished": False}
    assert document["event"]["outcome"] == "success"


def test_asynchronous_generators_behave_as_before(captured: CapturedRecords) -> None:
    """An asynchronous generator's asend, athrow, aclose and failures reach it unchanged."""

    @events.logged_inference()
    async def stream(fails: bool) -> AsyncIterator[Any]:
        got: Any = "first"
        try:
            got = yield got
        except Refused:
            got = "caught"
        yield got
        if fails:
            raise Refused

    async def use() -> None:
        assert inspect.isasyncgenfunction(stream)
        assert [part async for part in stream(False)] == ["first", None]
        thrown: Any = stream(False)
        assert await anext(thrown) == "first"
        assert await thrown.athrow(Refused()) == "caught"
        await thrown.aclose()
        with pytest.raises(Refused):
            [part async for part in stream(True)]

    asyncio.run(use())
    whole, closed, failed = captured.documents
    assert whole["ml"]["stream"] == {"chunks": 2, "finished": True}
    assert closed["ml"]["stream"] == {"chunks": 2, "finished": False}
    assert (closed["event"]["outcome"], failed["event"]["outcome"]) == ("success", "failure")
    assert failed["error"]["type"].endswith("Refused")


def test_nothing_is_bound_between_parts(captured: CapturedRecords) -> None:
    """The reader of a stream has no part in its context: its own records carry no prediction id."""
    log = shipper.get_logger("app")
    for _ in events.logged_inference(log)(lambda: iter([1]))():
        pass

    @events.logged_inference(log)
    def parts() -> Iterator[int]:
        yield 1

    for _ in parts():
        log.info("reader")
    assert [one for one in captured.documents if one["message"] == "reader" and "ml" in one] == []


def test_streams_inside_a_block(captured: CapturedRecords) -> None:
    """`stream` and `astream` pass on what they are given and count it."""
    with events.inference(None) as attempt:
        assert list(attempt.stream(iter("abc"))) == ["a", "b", "c"]

    async def source() -> AsyncIterator[int]:
        yield 1

    async def use() -> None:
        async with events.inference(None) as other:
            assert [part async for part in other.astream(source())] == [1]

    asyncio.run(use())
    first, second = captured.documents
    assert first["ml"]["stream"] == {"chunks": 3, "finished": True}
    assert second["ml"]["stream"] == {"chunks": 1, "finished": True}


@pytest.mark.parametrize(
    ("output", "answer"),
    [
        (None, {}),
        ("benign", {"label": "benign"}),
        ("two words", {"raw_output": "two words"}),
        (True, {"label": True}),
        (3, {"label": 3}),
        (0.5, {"value": 0.5}),
        (np.int64(1), {"label": 1}),
        (np.array([0.25]), {"value": 0.25}),
        (["benign"], {"label": "benign"}),
        (pd.Series(["benign"]), {"label": "benign"}),
        ({"label": "a", "score": 0.5}, {"label": "a", "score": 0.5}),
        ({"label": "a", "other": 1}, {"label": "a", "raw_output": {"other": 1}}),
    ],
)
def test_outputs_are_read(output: object, answer: dict[str, object]) -> None:
    """A class, a number or a mapping is understood; all else is raw output."""
    assert read_output(output) == answer


def test_batches(logger: Any, captured: CapturedRecords) -> None:
    """Each prediction of a batch is one event, and the whole another, which counts as no attempt of its own."""
    clock = ManualClock()
    with events.InferenceBatch(logger, batch_id="b-1", clock=clock) as batch:
        clock.advance(2)
        assert batch.add("yes", prediction_id="p-1", score=0.75, features={"x": 1.0}) == "p-1"
        batch.add({"label": "no", "score": 0.25})
        batch.add(error=Refused("third"))
    *rows, whole = captured.documents
    assert [row["event"]["outcome"] for row in rows] == ["success", "success", "failure"]
    assert all(row["ml"]["batch"] == {"id": "b-1"} for row in rows)
    assert rows[2]["error"]["message"] == "third"
    assert whole["ml"]["batch"] == {
        "id": "b-1", "size": 3, "failed": 1, "duration": 2_000_000_000, "labels": {"yes": 1, "no": 1},
    }  # fmt: skip
    assert whole["ml"]["metrics"] == {"score_min": 0.25, "score_mean": 0.5, "score_max": 0.75}
    assert not {"outcome", "duration"} & set(whole["event"])


def test_a_batch_that_fails_says_so(captured: CapturedRecords) -> None:
    """A batch that raises is logged as one failure, with what had been done before; the exception goes on."""
    batch = events.InferenceBatch(None, size=10, with_rows=False)
    batch.add("yes")
    with pytest.raises(Refused), batch:
        raise Refused
    document = only(captured)
    assert document["event"]["outcome"] == "failure"
    assert document["ml"]["batch"]["size"] == 10
    assert document["ml"]["batch"]["labels"] == {"yes": 1}


class Broken:
    """A logger that fails."""

    def log(self, *args: object, **kwargs: object) -> None:
        raise RuntimeError("no log")


def test_a_broken_logger_harms_nobody(captured: CapturedRecords) -> None:
    """A logger that raises neither reaches the application nor hides what the block raised."""
    with events.inference(Broken()) as attempt:
        attempt.output = "yes"
    with pytest.raises(Refused), events.inference(Broken()):
        raise Refused
    events.log(Broken(), events.feedback(prediction_id="p"))


def test_the_traceback_is_the_users(captured: CapturedRecords) -> None:
    """A block adds no frame to what is raised inside of it."""
    with pytest.raises(Refused) as caught, events.inference(None):
        raise Refused
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)] == [
        "test_the_traceback_is_the_users"
    ]
