"""A chain of the user's own that ends with ours: complete documents, and nothing raised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog

import shipper
from shipper.emit.logger import BoundLogger
from shipper.emit.processors import ship
from shipper.testing import CapturedRecords, capture
from tests.unit.emit.spooled import documents_under


@pytest.fixture
def records() -> Any:
    """All that is logged during the test."""
    with capture() as found:
        yield found


def test_a_chain_of_ones_own(records: CapturedRecords) -> None:
    """Our last link works in a chain of the user's own, behind links that others wrote."""

    def add_team(logger: object, name: str, event_dict: Any) -> Any:
        return {**event_dict, "team": "risk"}

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info, add_team, ship,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )  # fmt: skip
    log = structlog.get_logger()
    try:
        int("x")
    except ValueError:
        log.exception("bad", order="A-1")
    (document,) = records.documents
    assert document["labels"] == {"team": "risk", "order": "A-1"}
    assert document["error"]["type"] == "ValueError"
    assert document["error"]["stack_trace"].startswith("Traceback")
    assert document["log"]["origin"]["function"] == "test_a_chain_of_ones_own"


@pytest.mark.parametrize("renderer", [[], [structlog.processors.KeyValueRenderer()]])
def test_a_chain_that_ends_with_ours_needs_no_logger_factory(
    renderer: list[Any], records: CapturedRecords, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link of one's own before ours is all there is to configure; a renderer behind ours still prints its lines."""

    def add_team(logger: object, name: str, event_dict: Any) -> Any:
        return {**event_dict, "team": "risk"}

    pipeline = shipper.configure(structlog=False)
    structlog.configure(processors=[add_team, ship, *renderer], wrapper_class=BoundLogger)
    structlog.get_logger().info("hello", order="A-1")
    structlog.get_logger().bind(order="A-2").exception("bad", exc_info=False)
    assert [document["labels"] for document in records.documents] == [
        {"team": "risk", "order": "A-1"}, {"team": "risk", "order": "A-2"}
    ]  # fmt: skip
    assert pipeline.counts().dropped == {}
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.count("team='risk'") == (2 if renderer else 0)


def test_a_chain_that_fails(records: CapturedRecords, capsys: pytest.CaptureFixture[str]) -> None:
    """U16: a link of the user's chain that raises does not raise out of our logger; it is counted and reported."""

    def broken(logger: object, name: str, event_dict: Any) -> Any:
        raise RuntimeError("broken link")

    pipeline = shipper.configure()
    BoundLogger(None, [broken, ship], {}).info("hello")
    assert pipeline.counts().dropped == {"chain_failed": 1}
    assert "broken link" in capsys.readouterr().err


def test_hostile_keys_of_a_chain_do_not_raise(spool_root: Path) -> None:
    """U40: whatever a link puts into the event dict, and whatever calls the last link, nothing comes out of it."""

    class Refusing:
        def __hash__(self) -> int:
            return hash("timestamp")

        def __eq__(self, other: object) -> bool:
            raise RuntimeError("not to be compared")

    pipeline = shipper.configure()
    for _ in range(6):
        log = structlog.get_logger()
        log.info("ordinary", a=1)
        ship(None, "info", {"event": "hostile", Refusing(): 1, 5: 2})  # type: ignore[dict-item]
        ship(None, "notice", {"event": "odd level", "a": 1})
        ship(None, ["no", "name"], {"event": "no method", "a": 1})  # type: ignore[arg-type]
    pipeline.close()
    assert [d["message"] for d in documents_under(spool_root)].count("ordinary") == 6
    counts = pipeline.counts()
    assert counts.emitted == 25  # the last one is what is told at the end
    assert counts.dropped == {"emit_failed": 6}


def test_the_event_dict_is_unchanged(records: CapturedRecords) -> None:
    """U46: the last link returns the event dict as it came."""
    given = {"event": "hello", "a": {"b": [1]}, "exc_info": True, "timestamp": 5}
    before = {**given, "a": {"b": [1]}}
    assert ship(None, "info", given) is given
    assert given == before
