"""Loggers that cost little: classes made for a name's level, and structlog's proxy without its detour."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

import shipper
from shipper.emit.lazy import QuickProxy
from shipper.emit.levels import LEVELS, Override
from shipper.emit.logger import BoundLogger
from tests.unit.emit.spooled import documents_under

OFTEN = 12
"""So often that the shape of a call is planned."""


def messages(spool_root: Path) -> list[str]:
    """Return what is in the spool."""
    return [document["message"] for document in documents_under(spool_root)]


@pytest.fixture
def _configured(spool_root: Path) -> None:
    shipper.configure(level="info", ship={"mode": "agent"})


@pytest.mark.usefixtures("_configured")
def test_a_level_that_changes_reaches_loggers_that_exist(spool_root: Path) -> None:
    """Bound loggers, proxies and loggers bound from them follow a level that is set and taken back, at once."""
    named, proxy = shipper.get_logger("app.model"), structlog.get_logger("app.model")
    proxy.info("first")
    bound = named.bind(number=1)
    loggers: list[Any] = [named, proxy, bound]
    for log in loggers:
        log.debug("hidden")
    LEVELS.set(Override("app", 10))
    for log in loggers:
        log.debug("shown")
    LEVELS.reset("app")
    LEVELS.set(Override("app.model", 40))
    for log in loggers:
        log.warning("hidden")
        log.error("error")
    assert messages(spool_root) == ["first", *["shown"] * 3, *["error"] * 3]


@pytest.mark.usefixtures("_configured")
def test_a_logger_without_a_name_takes_the_level_of_its_module(spool_root: Path) -> None:
    """A level that is set for the calling module counts for a logger without a name, and only there."""
    log = structlog.get_logger()
    log.info("first")
    LEVELS.set(Override(__name__, 10))
    log.debug("shown")
    exec("log.debug('hidden')", {"log": log, "__name__": "elsewhere"})  # noqa: S102 - another module
    LEVELS.set(Override(__name__, 40))
    log.info("hidden")
    exec("log.info('elsewhere')", {"log": log, "__name__": "elsewhere"})  # noqa: S102 - another module
    assert messages(spool_root) == ["first", "shown", "elsewhere"]


@pytest.mark.usefixtures("_configured")
def test_names_made_from_data_keep_their_levels(spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cap of classes the methods ask for the level themselves."""
    monkeypatch.setattr("shipper.emit.levelled._MOST_CLASSES", 0)
    LEVELS.set(Override("tenant", 30))
    for number in range(3):
        log = shipper.get_logger(f"tenant.{number}")
        log.info("hidden")
        log.warning("shown")
    LEVELS.reset("tenant")
    log.info("later")
    assert messages(spool_root) == ["shown"] * 3 + ["later"]


class Louder(BoundLogger):
    """A logger of the user's own."""

    def shout(self, event: str) -> None:
        """Log louder."""
        self.warning(event.upper())


@pytest.mark.usefixtures("_configured")
def test_a_class_of_the_users_own(spool_root: Path) -> None:
    """A subclass keeps its methods and its type, and follows levels, too."""
    log: Any = structlog.wrap_logger(None, wrapper_class=Louder, cache_logger_on_first_use=True).bind()
    assert isinstance(log, Louder)
    log.shout("shown")
    log.debug("hidden")
    LEVELS.set(Override("", 40))
    log.shout("hidden")
    assert messages(spool_root) == ["SHOWN"]


@pytest.mark.usefixtures("_configured")
def test_disabled_methods_do_nothing_and_async_twins_can_be_awaited(spool_root: Path) -> None:
    """A disabled call takes what an enabled one takes; nothing of it is looked at."""

    class Hostile:
        def __str__(self) -> str:
            raise AssertionError("looked at")

        __repr__ = __str__

    log: Any = shipper.get_logger("app")
    log.debug(Hostile(), Hostile(), key=Hostile())
    log.debug()
    asyncio.run(log.adebug("hidden", key=1))
    asyncio.run(log.ainfo("shown", key=1))
    assert messages(spool_root) == ["shown"]


@pytest.mark.usefixtures("_configured")
def test_the_proxy_gets_its_loggers_methods(spool_root: Path) -> None:
    """After its first use the proxy is still structlog's, binds as before, and says where its calls stand."""
    log = structlog.get_logger("app", color="red")
    assert type(log).__name__ == "BoundLoggerLazyProxy"
    for _ in range(OFTEN):
        log.info("hello", number=1)
    assert isinstance(log, QuickProxy)
    assert isinstance(log, type(structlog.get_logger()))
    log.bind(shape="round").info("bound")
    log.new(shape="square").info("new")
    log.error("failed")
    documents = documents_under(spool_root)
    assert {document["log"]["origin"]["function"] for document in documents} == {
        "test_the_proxy_gets_its_loggers_methods"
    }
    assert all(document["log"]["logger"] == "app" for document in documents)
    assert [document["labels"] for document in documents[OFTEN - 1 : OFTEN + 2]] == [
        {"color": "red", "number": "1"},
        {"color": "red", "shape": "round"},
        {"color": "red", "shape": "square"},
    ]


@pytest.mark.usefixtures("_configured")
def test_loggers_are_copied_and_pickled(spool_root: Path) -> None:
    """A model that holds a logger can be copied and pickled; the logger comes back usable."""
    proxy = structlog.get_logger("app", color="red")
    proxy.info("first")
    for log in (proxy, shipper.get_logger("app", color="red")):
        for twin in (copy.copy(log), copy.deepcopy(log), pickle.loads(pickle.dumps(log))):  # noqa: S301
            twin.info("twin")
            twin.debug("hidden")
    documents = documents_under(spool_root)
    assert [document["message"] for document in documents] == ["first", *["twin"] * 6]
    assert all(document["labels"] == {"color": "red"} for document in documents)
    assert all(document["log"]["logger"] == "app" for document in documents)


@pytest.mark.usefixtures("_configured")
def test_structlogs_own_test_tools_still_capture(spool_root: Path) -> None:
    """U55: `capture_logs` sees what a logger says that was used before, and the spool does not."""
    log = structlog.get_logger("app")
    for _ in range(OFTEN):
        log.info("before")
    with capture_logs() as captured:
        log.info("inside", number=1)
    log.info("after")
    assert captured == [{"event": "inside", "number": 1, "log_level": "info"}]
    assert messages(spool_root) == ["before"] * OFTEN + ["after"]


def test_a_proxy_that_keeps_nothing_stays_as_it_was(spool_root: Path) -> None:
    """Without `cache_logger_on_first_use` a later configuration counts for loggers that exist."""
    shipper.configure(ship={"mode": "agent"})
    structlog.configure(cache_logger_on_first_use=False)
    log = structlog.get_logger("app")
    log.info("one")
    assert type(log).__name__ == "BoundLoggerLazyProxy"
    assert messages(spool_root) == ["one"]


def test_the_books_balance_over_both_ways(spool_root: Path) -> None:
    """Records of the general and the quick way are counted alike, from several threads."""
    pipeline = shipper.configure(ship={"mode": "agent"})
    log = structlog.get_logger("app")

    def work() -> None:
        for number in range(200):
            log.info("quick", number=number)
            if not number % 10:
                log.info("general", items=[number])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = pipeline.counts()
    documents = documents_under(spool_root)
    assert counts.emitted == counts.waiting == len(documents) == 4 * 220
    assert sorted(document["event"]["sequence"] for document in documents) == list(range(1, 881))
    assert counts == pipeline.counts(), "looking at the counters changes them"


@pytest.mark.parametrize(
    "fields",
    [
        {f"name{number}": number for number in range(5000)},
        {"a": {f"name{number}": number for number in range(5000)}},
        {"x" * 100_000: 1},
        {"a": {f"b{number}": {f"c{inner}": 1 for inner in range(100)} for number in range(100)}},
    ],
    ids=["wide", "wide inside", "long", "wide and deep"],
)
def test_shapes_that_are_too_large_are_not_kept(fields: dict[str, Any], spool_root: Path) -> None:
    """What a plan will never be made for leaves nothing behind, however often it comes."""
    pipeline = shipper.configure(ship={"mode": "agent"})
    log = structlog.get_logger("app")
    for _ in range(OFTEN):
        log.info("large", **fields)
    road = pipeline.emitter.fused
    assert road is not None
    assert not road._plans._sightings
    assert messages(spool_root) == ["large"] * OFTEN


def test_nested_values_take_the_quick_way(spool_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features in a dictionary of their own cost no more than features side by side."""
    shipper.configure(ship={"mode": "agent"})
    log = structlog.get_logger("app")
    fields: dict[str, Any] = {"features": {"age": 31.5, "city": "Bern"}, "ml": {"prediction": {"score": 0.5}}}
    for _ in range(OFTEN):
        log.info("served", **fields)
    monkeypatch.setattr("shipper.ecs.encode.Encoder.encode", None)
    log.info("served", **fields)
    *_, before, last = documents_under(spool_root)
    for document in (before, last):
        del document["@timestamp"], document["event"], document["log"]
    assert last == before
    assert last["labels"] == {"features.age": "31.5", "features.city": "Bern"}
