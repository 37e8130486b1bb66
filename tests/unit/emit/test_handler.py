"""The handler for `logging`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import copy
import logging
import logging.config
import logging.handlers
import pickle
import queue
import threading
from pathlib import Path
from typing import Any

import pytest

import shipper
from shipper.emit import ShipperHandler, extra
from shipper.testing import CapturedRecords, capture
from tests.unit.emit.spooled import documents_under


@pytest.fixture
def records() -> Any:
    """All that is logged during the test."""
    with capture() as found:
        yield found


@pytest.fixture
def logger() -> Any:
    """A logger of its own with our handler."""
    own = logging.getLogger("handler-test")
    own.setLevel(logging.DEBUG)
    own.propagate = False
    handler = ShipperHandler()
    own.addHandler(handler)
    yield own
    own.removeHandler(handler)


def test_configures_itself_at_the_first_record(
    monkeypatch: pytest.MonkeyPatch, logger: logging.Logger
) -> None:
    """Without `configure()` the handler takes its settings from the environment, at its first record."""
    monkeypatch.setenv("SHIPPER_SERVICE_NAME", "from-environment")
    with capture() as records:
        logger.info("hello")
    assert records.documents[0]["service"]["name"] == "from-environment"


def test_dict_config(records: CapturedRecords) -> None:
    """`dictConfig` takes the handler by class, with groups of settings as its arguments."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "shipper": {
                    "class": "shipper.emit.ShipperHandler",
                    "level": "INFO",
                    "service": {"name": "checkout"},
                    "model": {"name": "fraud", "version": "7"},
                }
            },
            "loggers": {"checkout": {"level": "DEBUG", "handlers": ["shipper"], "propagate": False}},
        }
    )
    logging.getLogger("checkout").debug("too low")
    logging.getLogger("checkout").warning("score is %.2f", 0.5, extra={"score": 0.5})
    (document,) = records.documents
    assert document["message"] == "score is 0.50"
    assert document["service"]["name"] == "checkout"
    assert document["ml"]["model"] == {"name": "fraud", "version": "7"}
    assert document["numeric_labels"] == {"score": 0.5}


def test_a_record_passing_two_handlers_is_emitted_once(
    records: CapturedRecords, logger: logging.Logger
) -> None:
    """U29: a record object that reaches a logger's and its parent's handler of one pipeline is emitted once."""
    child = logging.getLogger("handler-test.child")
    second, third = ShipperHandler(), ShipperHandler()
    child.addHandler(second)
    child.addHandler(third)
    try:
        child.warning("hello")
        child.warning("hello")
    finally:
        child.removeHandler(second)
        child.removeHandler(third)
    assert len(records) == 2


class _Chatty(logging.Handler):
    """Logs something of its own for each record that it gets, and may keep the record."""

    def __init__(self, own: logging.Logger, kept: list[logging.LogRecord] | None) -> None:
        super().__init__()
        self._own = own
        self._kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        if self._kept is not None:
            self._kept.append(record)
        if not record.args:
            self._own.info("about %s", record.msg)


@pytest.mark.parametrize("is_kept", [False, True])
def test_records_logged_between_two_handlers_hide_nothing(
    spool_root: Path, logger: logging.Logger, is_kept: bool
) -> None:
    """U29: a record is emitted once though others are logged on its way, whether records are kept or go at once."""
    child = logging.getLogger("handler-test.child")
    kept: list[logging.LogRecord] = []
    handlers = [ShipperHandler(), _Chatty(child, kept if is_kept else None), ShipperHandler()]
    for handler in handlers:
        child.addHandler(handler)
    try:
        for number in range(30):
            child.warning(f"hello {number}")
    finally:
        for handler in handlers:
            child.removeHandler(handler)
        shipper.close()
    messages = [document["message"] for document in documents_under(spool_root)]
    assert sorted(messages) == sorted(
        [f"hello {number}" for number in range(30)] + [f"about hello {number}" for number in range(30)]
    )


class _Quiet(ShipperHandler):
    """Filters by a method of its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO


def test_filters_are_asked(spool_root: Path) -> None:
    """A handler's filters, those of a subclass's own method included, decide what is emitted."""
    own = logging.getLogger("handler-test.filtered")
    own.propagate = False
    own.setLevel(logging.DEBUG)
    filtered, quiet = ShipperHandler(service={"name": "a"}), _Quiet(service={"name": "b"})
    filtered.addFilter(lambda record: "secret" not in record.msg)
    own.addHandler(filtered)
    own.addHandler(quiet)
    try:
        for message in ("open", "secret"):
            own.info(message)
            own.warning(message)
    finally:
        own.handlers.clear()
        shipper.close()
    found = [
        (document["service"]["name"], document["log"]["level"], document["message"])
        for document in documents_under(spool_root)
    ]
    assert sorted(found) == [
        ("a", "info", "open"),
        ("a", "warning", "open"),
        ("b", "warning", "open"),
        ("b", "warning", "secret"),
    ]


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("%d apples", ("many",)),
        ("%s %s", ("one",)),
        ("%(a)s", (1, 2)),
        ("100%", ("x",)),
        ("x", (object(), 1)),
    ],
)
def test_wrong_arguments(
    message: str, args: tuple[object, ...], records: CapturedRecords, logger: logging.Logger
) -> None:
    """U16: `%` arguments that do not fit are kept as text beside the message; nothing raises, nothing is printed."""
    # Straight to the handler: pytest's own one raises here.
    ShipperHandler().handle(logger.makeRecord("app", 20, "/srv/app.py", 3, message, args, None))
    shipper.get_logger().info(message, *args)
    document, by_structlog = records.documents
    assert document["message"] == by_structlog["message"]
    assert document["message"].startswith(f"{message} [arguments that do not fit: ")


def test_raise_exceptions_is_not_honoured(
    monkeypatch: pytest.MonkeyPatch, logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """U16: whatever `logging.raiseExceptions` says, a fault of ours is counted and reported, never raised."""
    monkeypatch.setattr(logging, "raiseExceptions", True)
    pipeline = shipper.configure()
    monkeypatch.setattr(pipeline.emitter, "emit", None)
    logger.info("hello")
    assert pipeline.counts().dropped == {"emit_failed": 1}
    said = capsys.readouterr().err
    assert "TypeError" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_pass(
    error: type[BaseException], records: CapturedRecords, logger: logging.Logger
) -> None:
    """KeyboardInterrupt and SystemExit pass through a logging call, and the next record is taken as ever."""

    class Interrupts:
        def __repr__(self) -> str:
            raise error

    with pytest.raises(error):
        logger.info("hello", extra={"value": Interrupts()})
    logger.info("next")
    assert records.messages == ["next"]


def test_the_record_is_unchanged(records: CapturedRecords) -> None:
    """U46: the LogRecord comes out of our handler and formatter as it went in."""
    record = logging.LogRecord("app", 20, "/srv/app.py", 3, "hello %s", ({"a": 1},), None, "main")
    record.__dict__.update({"a": {"b": [1]}, "host": "x"})
    before = copy.deepcopy(record.__dict__)
    ShipperHandler().handle(record)
    from shipper.emit import EcsFormatter

    EcsFormatter().format(record)
    assert record.__dict__ == before


def test_another_handlers_formatting_does_not_show(records: CapturedRecords, logger: logging.Logger) -> None:
    """U46: what another formatter hangs on the record (`message`, `asctime`, `exc_text`) is not taken for extras."""
    stream = logging.NullHandler()
    stream.handle = lambda record: bool(logging.Formatter("%(asctime)s %(message)s").format(record))  # type: ignore[method-assign]
    logger.handlers.insert(0, stream)
    try:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            logger.exception("bad")
    finally:
        logger.removeHandler(stream)
    (document,) = records.documents
    assert "labels" not in document
    assert document["error"]["type"] == "ZeroDivisionError"


def test_a_record_through_a_queue(records: CapturedRecords, logger: logging.Logger) -> None:
    """A record that a QueueHandler prepared (text in place of arguments and exception) keeps what is left of it."""
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    queued = logging.handlers.QueueHandler(waiting)
    record = logger.makeRecord("app", 40, "/srv/app.py", 3, "bad %s", ("luck",), None, "main")
    try:
        [].pop()
    except IndexError as error:
        record.exc_info = (type(error), error, error.__traceback__)
    prepared = pickle.loads(  # noqa: S301 - our own
        pickle.dumps(queued.prepare(record))
    )
    done = threading.Thread(target=ShipperHandler().handle, args=(prepared,), name="listener")
    done.start()
    done.join()
    (document,) = records.documents
    assert document["message"] == "bad luck"
    assert document["error"]["type"] == "IndexError"
    assert document["error"]["message"] == "pop from empty list"
    assert document["process"]["thread"] == {"name": "MainThread"}


def test_names_that_logging_refuses(records: CapturedRecords, logger: logging.Logger) -> None:
    """U45: `extra(name=...)` puts a name that `logging` refuses under labels, where structlog's road puts it."""
    with pytest.raises(KeyError):
        logger.info("hello", extra={"name": "x"})  # noqa: G101 - the point
    logger.info("hello", extra=extra(name="x", order="A-1"))
    shipper.get_logger("a").info("hello", name="x", order="A-1")
    assert [document["labels"] for document in records.documents] == [{"name": "x", "order": "A-1"}] * 2


def test_context_in_executors_tasks_and_threads(records: CapturedRecords, logger: logging.Logger) -> None:
    """U52: context is read on the caller's side: it follows asyncio tasks, and executors by `copy_context`."""

    async def request(name: str) -> None:
        with shipper.context(request=name):
            await asyncio.sleep(0)
            logger.info("task")
            await asyncio.to_thread(logger.info, "to_thread")

    async def main() -> None:
        await asyncio.gather(request("a"), request("b"))

    asyncio.run(main())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with shipper.context(request="c"):
            pool.submit(contextvars.copy_context().run, logger.info, "copied").result()
        pool.submit(logger.info, "bare").result()
    found = sorted(
        (document["message"], document.get("labels", {}).get("request")) for document in records.documents
    )
    assert found == [
        ("bare", None), ("copied", "c"), ("task", "a"), ("task", "b"), ("to_thread", "a"), ("to_thread", "b"),
    ]  # fmt: skip


def test_thread_of_the_call(records: CapturedRecords, logger: logging.Logger) -> None:
    """U53: thread name and native id are those of the logging call."""
    seen: list[int] = []

    def work() -> None:
        seen.append(threading.get_native_id())
        logger.info("hello")

    thread = threading.Thread(target=work, name="loader-1")
    thread.start()
    thread.join()
    assert records.documents[0]["process"]["thread"] == {"name": "loader-1", "id": seen[0]}


def test_no_reference_to_replaced_streams(spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """U54: a standard error that was closed or taken away is no reason to fail."""
    import io
    import sys

    closed = io.StringIO()
    pipeline = shipper.configure()
    monkeypatch.setattr(sys, "stderr", closed)
    pipeline.emitter.report("one")
    closed.close()
    pipeline.emitter.refuse("x", "two")
    monkeypatch.setattr(sys, "stderr", None)
    pipeline.emitter.refuse("y", "three")
