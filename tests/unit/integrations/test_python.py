"""Python's own messages: warnings, uncaught exceptions, absl; and processes that Python starts."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import shipper
from shipper.emit import ShipperHandler
from shipper.integrations.python import asyncio_handler, install, tell
from tests.unit.emit.spooled import documents_under
from tests.unit.integrations.program import of_logger, run


@pytest.fixture
def installed(shipper_records: Any) -> Iterator[Any]:
    """Everything installed, and taken back at the end."""
    before = sys.excepthook, threading.excepthook, list(logging.getLogger().handlers), warnings.showwarning
    take_back = install(level="info")
    yield shipper_records
    take_back()
    assert (sys.excepthook, threading.excepthook) == before[:2]
    assert logging.getLogger().handlers == before[2]
    assert warnings.showwarning is before[3]


def test_warnings(installed: Any) -> None:
    """A warning is one record at level warning, with its category, and the place that it is about."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)
        logging.captureWarnings(True)
        warnings.warn("use the other: one", DeprecationWarning, stacklevel=1)
        warnings.warn_explicit("two\nlines", UserWarning, "/srv/app/model.py", 7)
    first, second = installed.documents
    assert first["message"] == "DeprecationWarning: use the other: one"
    assert first["log"]["level"] == "warning"
    assert first["log"]["logger"] == "py.warnings"
    assert first["log"]["origin"]["file"]["name"] == "test_python.py"
    assert first["labels"] == {"warning_category": "DeprecationWarning"}
    assert second["message"].startswith("UserWarning: two")
    assert second["log"]["origin"]["file"] == {"name": "model.py", "line": 7}


@pytest.mark.parametrize("message", ["nothing like a warning", "a:b: c", "", ":1: X: ", "x" * 100_000])
def test_a_warning_in_another_form(message: str, shipper_records: Any) -> None:
    """What the logger `py.warnings` says in another form stays an ordinary record."""
    record = logging.makeLogRecord({"name": "py.warnings", "levelno": 30, "msg": "%s", "args": (message,)})
    ShipperHandler().handle(record)
    (found,) = shipper_records.messages
    assert found[:1000] == message[:1000]


@pytest.mark.parametrize("logger", ["uvicorn.access", "gunicorn.access", "py.warnings", "celery.app.trace"])
@pytest.mark.parametrize(
    "args", [(), (1, 2, 3, 4, 5), ({"s": "x"},), ({"h": object()},), ("a", "b", "c", None, "d")]
)
def test_a_library_of_another_version(logger: str, args: Any, shipper_records: Any) -> None:
    """Whatever a known logger's record holds, one record leaves and nothing raises."""
    record = logging.LogRecord(logger, 20, "/srv/x.py", 1, "hello", args, None)
    record.data = args
    ShipperHandler().handle(record)
    assert len(shipper_records) == 1


def test_an_uncaught_exception_in_a_thread(installed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that ends a thread is a record at level critical, and Python's own report follows as ever."""
    said: list[Any] = []
    monkeypatch.setattr(threading.excepthook, "_former", said.append)

    def fail() -> None:
        raise ValueError("on purpose")

    def leave() -> None:
        raise SystemExit

    for target in (fail, leave):
        thread = threading.Thread(target=target, name="worker-7")
        thread.start()
        thread.join()
    (document,) = installed.documents
    assert document["message"] == "an exception ended the thread worker-7"
    assert (document["log"]["level"], document["log"]["logger"]) == ("critical", "uncaught")
    assert document["error"]["type"] == "ValueError"
    assert document["process"]["thread"]["name"] == "worker-7"
    assert [one.exc_type for one in said] == [ValueError, SystemExit]


def test_an_uncaught_exception_ends_a_program(spool_root: Path) -> None:
    """The exception that ends a program is in the spool, and on standard error once; Ctrl-C is no error."""
    code = "import shipper\nfrom shipper.integrations.python import install\nshipper.configure()\ninstall()\n"
    said = run(code + "raise ValueError('on purpose')", expected=1)
    assert said.count("ValueError: on purpose") == 1
    run(code + "raise KeyboardInterrupt", expected=-2)
    run(code + "raise SystemExit(3)", expected=3)
    (document,) = documents_under(spool_root)
    assert document["error"]["type"] == "ValueError"
    assert document["message"] == "an exception ended the program"


def test_asyncio(installed: Any) -> None:
    """What nobody awaits is told by asyncio's logger, and with our handler also where that logger does not ship."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "lost", "exception": ValueError("one")})
        loop.set_exception_handler(asyncio_handler)
        loop.call_exception_handler({"message": "lost too", "exception": ValueError("two")})
        loop.call_exception_handler({"message": "no exception"})

    asyncio.run(main())
    by_asyncio = of_logger(installed.documents, "asyncio")
    assert [document["error"]["message"] for document in by_asyncio if "error" in document] == ["one", "two"]
    ours = of_logger(installed.documents, "uncaught")
    assert [document["message"] for document in ours] == ["lost too", "no exception"]


def test_installing_twice(installed: Any) -> None:
    """Installed twice, each thing is still told once, and what is taken back leaves the first in place."""
    hooks = sys.excepthook, threading.excepthook
    again = install()
    assert (sys.excepthook, threading.excepthook) == hooks
    logging.getLogger("any").info("hello")
    again()
    logging.captureWarnings(True)
    assert installed.messages == ["hello"]
    assert (sys.excepthook, threading.excepthook) == hooks
    tell("interrupted", (KeyboardInterrupt, KeyboardInterrupt(), None))
    assert installed.messages == ["hello"]


def test_absl(spool_root: Path) -> None:
    """absl (and what logs by it) comes in the same shape, with the place of the call, each line once."""
    run(
        "import shipper\nfrom absl import logging as absl_logging\n"
        "from shipper.integrations.python import install\n"
        "shipper.configure()\ninstall(level='info')\n"
        "absl_logging.set_verbosity(absl_logging.INFO)\n"
        "def work():\n    absl_logging.warning('loss is %s', 0.5)\n"
        "work()\nabsl_logging.info('done')\nabsl_logging.debug('too low')\n"
    )
    documents = documents_under(spool_root)
    assert [document["message"] for document in documents] == ["loss is 0.5", "done"]
    assert {document["log"]["logger"] for document in documents} == {"absl"}
    assert documents[0]["log"]["origin"]["function"] == "work"


def test_tensorflow_logger(installed: Any) -> None:
    """TensorFlow's Python logger has a handler of its own and hands up as well: one record each."""
    logger = logging.getLogger("tensorflow")
    own = logging.StreamHandler()
    logger.addHandler(own)
    try:
        logger.warning("%d ops retraced", 5)
    finally:
        logger.removeHandler(own)
    (document,) = installed.documents
    assert (document["message"], document["log"]["logger"]) == ("5 ops retraced", "tensorflow")


PROCESSES = """
import logging, multiprocessing, sys
import shipper

def work(number):
    shipper.get_logger("child").info("hello", number=number)

if __name__ == "__main__":
    shipper.configure(service="parent")
    shipper.get_logger("parent").info("hello")
    context = multiprocessing.get_context(sys.argv[1])
    workers = [context.Process(target=work, args=(number,)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    shipper.get_logger("parent").info("hello again")
"""


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, tmp_path: Path, spool_root: Path) -> None:
    """Each process of `multiprocessing`, however started, is a producer of its own; no record is lost or doubled."""
    (tmp_path / "job.py").write_text(PROCESSES)
    subprocess.run([sys.executable, "job.py", method], cwd=tmp_path, check=True, timeout=120)
    documents = documents_under(spool_root)
    assert len(documents) == len({document["event"]["id"] for document in documents}) == 5
    children = of_logger(documents, "child")
    assert sorted(document["numeric_labels"]["number"] for document in children) == [0, 1, 2]
    assert len({document["agent"]["ephemeral_id"] for document in documents}) == 4
    assert len({document["process"]["pid"] for document in children}) == 3


def test_interactive(spool_root: Path) -> None:
    """An interactive interpreter, whose main module has no file and whose streams are replaced, logs as any program."""
    subprocess.run(
        [sys.executable, "-i", "-q"],
        input="import io, sys, shipper\nsys.stdout = sys.stderr = io.StringIO()\n"
        "log = shipper.get_logger()\nlog.info('one')\nsys.stderr.close()\nlog.info('two')\nexit()\n",
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    )
    documents = documents_under(spool_root)
    assert [document["message"] for document in documents] == ["one", "two"]
    assert {document["service"]["name"] for document in documents} == {"python"}


def module(**members: object) -> Any:
    """A stand-in for a module."""
    return SimpleNamespace(**members)


SURROUNDINGS = [
    ("gevent.monkey", module(is_module_patched=lambda name: name == "threading"), "gevent"),
    ("eventlet.patcher", module(is_monkey_patched=lambda name: name == "thread"), "eventlet"),
    ("uwsgi", module(opt={b"master": b"true"}), "uWSGI"),
]


@pytest.mark.parametrize(("name", "stand_in", "word"), SURROUNDINGS)
def test_unsupported_surroundings_are_told(
    name: str, stand_in: Any, word: str, spool_root: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """U11: where shipping by a thread is not supported, one sentence at the first record says so and what to do."""
    monkeypatch.setitem(sys.modules, name, stand_in)
    for mode, is_told in (("thread", True), ("agent", False)):
        shipper.configure(ship={"mode": mode}, kafka={"bootstrap_servers": "127.0.0.1:1"})
        shipper.get_logger().info("hello")
        shipper.get_logger().info("hello")
        shipper.close(0)
        said = capsys.readouterr().err
        assert (word in said and "shipper agent" in said and said.count("not supported") == 1) == is_told, (
            said
        )
    assert len(documents_under(spool_root)) == 4


@pytest.mark.parametrize(
    ("name", "stand_in"),
    [
        ("gevent.monkey", module(is_module_patched=lambda _: False)),
        ("gevent.monkey", module()),
        ("eventlet.patcher", module(is_monkey_patched=lambda _: False)),
        ("uwsgi", module(opt={b"enable-threads": True})),
        ("uwsgi", module(opt={"threads": b"4"})),
        ("uwsgi", None),
    ],
)
def test_supported_surroundings_are_not(name: str, stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the library is loaded but changes nothing, or looks otherwise than known, nothing is told."""
    from shipper.integrations.support import problems

    monkeypatch.setitem(sys.modules, name, stand_in)
    assert problems("thread") == []


JUPYTER = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel()
cells = [
    "import asyncio, logging, shipper; from shipper.integrations.python import install",
    "shipper.configure(service='notebook'); install(level='info'); log = shipper.get_logger('cell')",
    "log.info('one')",
    "with shipper.run('r-1'): await asyncio.sleep(0); log.info('two'); logging.info('three')",
    "log.info('four')",
    "shipper.flush(5)",
]
for cell in cells:
    answer = client.execute_interactive(cell, timeout=60, output_hook=lambda message: None)
    assert answer["content"]["status"] == "ok", answer
client.stop_channels()
manager.shutdown_kernel()
"""


@pytest.mark.slow
def test_jupyter(spool_root: Path, tmp_path: Path) -> None:
    """In a real Jupyter kernel, whose cells share one event loop, each line is one record with its own cell's context."""
    run(JUPYTER, directory=tmp_path)
    documents = documents_under(spool_root)
    assert [document["message"] for document in documents] == ["one", "two", "three", "four"]
    found = [document.get("ml", {}).get("run", {}).get("id") for document in documents]
    assert found == [None, "r-1", "r-1", None]
    assert {document["service"]["name"] for document in documents} == {"notebook"}
