"""The structlog road: our logger, our links in other chains, the formatter and the test kit."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import importlib.metadata
import json
import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog

import shipper
from shipper.emit import EcsFormatter
from shipper.emit.processors import RenderEcs, merge_context
from shipper.errors import ConfigurationError
from shipper.testing import CapturedRecords, capture


@pytest.fixture
def records() -> Any:
    """All that is logged during the test."""
    with capture() as found:
        yield found


def test_logger_before_configure(records: CapturedRecords) -> None:
    """`shipper.get_logger()` works before `configure()`; its name is the calling module."""
    shipper.get_logger().info("hello", a=1)
    shipper.get_logger("other", b=2).info("hello")
    first, second = records.documents
    assert first["log"]["logger"] == __name__
    assert second["log"]["logger"] == "other"
    assert second["labels"] == {"b": "2"}


def test_structlogs_own_get_logger(records: CapturedRecords) -> None:
    """After `configure()` structlog's own `get_logger()` ships, bound values and positional arguments included."""
    log = structlog.get_logger().bind(order="A-1")
    shipper.configure()
    log = structlog.get_logger("named").bind(order="A-1")
    log.warning("%s of %d", "one", 2, extra="x")
    log.unbind("order").info("bare")
    first, second = records.documents
    assert first["message"] == "one of 2"
    assert first["log"] == {
        "level": "warning",
        "logger": "named",
        "origin": {
            "file": {"name": "test_logger.py", "line": first["log"]["origin"]["file"]["line"]},
            "function": "test_structlogs_own_get_logger",
        },
    }
    assert first["labels"] == {"order": "A-1", "extra": "x"}
    assert "labels" not in second


def test_structlog_stays_as_it_is_on_request(records: CapturedRecords) -> None:
    """`configure(structlog=False)` leaves structlog's configuration alone."""
    before = structlog.get_config()["processors"]
    shipper.configure(structlog=False)
    assert structlog.get_config()["processors"] is before


def test_levels(records: CapturedRecords) -> None:
    """`configure(level=...)` is the threshold of structlog loggers, also of those that exist already."""
    log = shipper.get_logger()
    shipper.configure(level="warning")
    for name in ("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal"):
        getattr(log, name)(name)
    log.log(logging.INFO, "too low")
    log.log(35, "thirty-five")
    assert records.messages == ["warning", "warn", "error", "exception", "critical", "fatal", "thirty-five"]
    assert [document["log"]["level"] for document in records.documents] == [
        "warning", "warning", "error", "error", "critical", "critical", "warning",
    ]  # fmt: skip
    assert records.documents[-1]["event"]["severity"] == 35
    assert log.is_enabled_for(30)
    assert not log.is_enabled_for(20)
    assert log.get_effective_level() == 30


def test_async_methods(records: CapturedRecords) -> None:
    """U53: the async twins log on the calling thread, with its name, its context and its exception."""

    async def main() -> None:
        with shipper.context(request="r"):
            await shipper.get_logger().ainfo("hello %d", 1)
            try:
                int("x")
            except ValueError:
                await shipper.get_logger().aexception("bad")

    asyncio.run(main())
    first, second = records.documents
    assert first["message"] == "hello 1"
    assert first["labels"] == {"request": "r"}
    assert first["process"]["thread"]["name"] == threading.current_thread().name
    assert first["log"]["origin"]["function"] == "main"
    assert second["error"]["type"] == "ValueError"


def test_a_keyword_called_event(records: CapturedRecords) -> None:
    """A keyword `event`, `self` or `level` is data: it never takes the message's place and never raises."""
    log = shipper.get_logger()
    log.info("hello", event="x", self="y", level="z")
    log.info("hello", event={"action": "login"})
    first, second = records.documents
    assert first["message"] == "hello"
    assert first["labels"] == {"event": "x", "self": "y", "level": "z"}
    assert second["event"]["action"] == "login"


def test_wrong_arguments_do_not_raise(records: CapturedRecords) -> None:
    """U16: where structlog's own logger raises on wrong `%` arguments, ours keeps them as text."""
    shipper.get_logger().info("%d apples", "many")
    assert records.messages == ['%d apples [arguments that do not fit: ["many"]]']


def test_stack_info(records: CapturedRecords) -> None:
    """`stack_info=True` puts the stack of the call into `error.stack_trace`, on both roads."""
    shipper.get_logger().info("hello", stack_info=True)
    logger = logging.getLogger("stack")
    from shipper.emit import ShipperHandler

    handler = ShipperHandler()
    logger.addHandler(handler)
    logger.warning("hello", stack_info=True)
    logger.removeHandler(handler)
    for document in records.documents:
        assert document["error"]["stack_trace"].startswith("Stack (most recent call last):\n")
        assert "test_stack_info" in document["error"]["stack_trace"]


def test_other_renderers(records: CapturedRecords) -> None:
    """`RenderEcs` gives the document as text, with an id and sequence of its own; `merge_context` adds context."""
    render = RenderEcs(service="checkout")
    documents = [json.loads(render(None, "info", {"event": "hello", "a": 1})) for _ in range(2)]
    assert [document["event"]["sequence"] for document in documents] == [1, 2]
    assert documents[0]["service"]["name"] == "checkout"
    assert len(records) == 0
    with shipper.context(a=1):
        assert merge_context(None, "info", {"event": "x", "b": 2}) == {"event": "x", "a": 1, "b": 2}


def test_structlogs_capture_logs() -> None:
    """U55: structlog's own `capture_logs` sees what our loggers log, cached ones included."""
    shipper.configure()
    log, cached = shipper.get_logger(), structlog.get_logger()
    with capture():
        cached.info("first use")
    with structlog.testing.capture_logs() as found:
        log.info("one", a=1)
        cached.info("two")
    assert found == [{"event": "one", "a": 1, "log_level": "info"}, {"event": "two", "log_level": "info"}]


def test_formatter_takes_no_format() -> None:
    """`EcsFormatter` refuses a format or date format: an argument that does nothing is a mistake."""
    with pytest.raises(ConfigurationError, match="no format"):
        EcsFormatter("%(message)s")


def test_formatter_follows_the_model() -> None:
    """The formatter has the facts of the current pipeline, also when they change."""
    formatter = EcsFormatter()
    record = logging.makeLogRecord({"msg": "hello", "levelno": 20, "name": "app"})
    shipper.configure(service="a")
    assert json.loads(formatter.format(record))["service"]["name"] == "a"
    shipper.bind_model("fraud", "9")
    document = json.loads(formatter.format(record))
    assert document["ml"]["model"] == {"name": "fraud", "version": "9"}
    assert document["event"]["sequence"] == 2


def test_formatter_with_wrong_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """A formatter whose settings are not usable still puts out each record, and says what is wrong."""
    formatter = EcsFormatter(colour="red")
    record = logging.makeLogRecord({"msg": "hello", "levelno": 20, "name": "app"})
    assert json.loads(formatter.format(record))["message"] == "hello"
    assert "colour" in capsys.readouterr().err


def test_bound_model_reaches_all_threads(records: CapturedRecords) -> None:
    """`bind_model` is for the whole process; `with model` for a block, a call's own fields before both."""
    shipper.configure(model={"name": "fraud", "version": "7", "digest": "sha256:x"})
    log = shipper.get_logger()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(log.info, "before").result()
        shipper.bind_model("fraud", "8")
        pool.submit(log.info, "after").result()
        with shipper.model("fraud", "9"):
            pool.submit(contextvars.copy_context().run, log.info, "block").result()
            log.info("call", **{"ml.model.version": "10"})
    assert [document["ml"]["model"] for document in records.documents] == [
        {"name": "fraud", "version": "7", "digest": "sha256:x"},
        {"name": "fraud", "version": "8"},
        {"name": "fraud", "version": "9"},
        {"name": "fraud", "version": "10"},
    ]


def test_capture_opens_nothing(spool_root: Path) -> None:
    """U55: while logs are captured there is no spool, no thread and no network, whatever is configured."""
    shipper.configure(ship={"mode": "thread"}, kafka={"bootstrap_servers": "192.0.2.1:9092"})
    threads = threading.active_count()
    with capture() as outer, capture() as inner:
        shipper.get_logger().info("hello")
    assert (len(outer), len(inner)) == (0, 1)
    assert not spool_root.exists()
    assert threading.active_count() == threads
    inner.clear()
    assert inner.documents == []


@pytest.mark.slow
def test_pytest_plugin(tmp_path: Path) -> None:
    """U55: the fixture `shipper_records` holds what a test logs, as documents."""
    (tmp_path / "test_app.py").write_text(
        "import shipper\n"
        "def test_it(shipper_records):\n"
        "    shipper.get_logger('app').info('hello', order='A-1')\n"
        "    assert shipper_records.documents[-1]['labels'] == {'order': 'A-1'}\n"
    )
    is_installed = importlib.metadata.entry_points(group="pytest11", name="shipper")
    plugin = [] if is_installed else ["-p", "shipper.testing.plugin"]
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, str(tmp_path)],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "1 passed" in answer.stdout, answer.stdout + answer.stderr


def test_import_is_light() -> None:
    """`import shipper` loads none of the libraries that its parts use; logging to the spool loads no Kafka client."""
    code = (
        "import sys, shipper\n"
        "heavy = {'kafka', 'elasticsearch', 'pandas', 'numpy', 'pydantic', 'structlog', 'orjson', 'typer', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "shipper.get_logger().info('hello')\n"
        "print(sorted({'kafka', 'elasticsearch', 'pandas', 'numpy', 'typer'} & set(sys.modules)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert answer.stdout.splitlines() == ["[]", "[]"]


def test_version() -> None:
    """The version in the documents is the one of the distribution."""
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    assert f'version = "{shipper.__version__}"' in text


def test_public_names() -> None:
    """Each public name can be loaded, and no other."""
    for name in shipper.__all__:
        assert getattr(shipper, name) is not None
    with pytest.raises(AttributeError):
        _ = shipper.nothing  # type: ignore[attr-defined]
