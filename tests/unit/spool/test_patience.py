"""The waiting budget: none for debug and info, 50 ms for warning and above, more only on request."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from shipper.clock import SystemClock
from shipper.errors import ConfigurationError
from shipper.spool.patience import IN_VAIN_AT_ONCE
from shipper.spool.policy import SpoolPolicy
from shipper.spool.writer import SpoolWriter
from shipper.spool_settings import SpoolSettings
from tests.unit.spool.bench import Bench

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a spool root; how a segment is written makes no difference here."""
    return Bench(tmp_path / "spool")


def full(bench: Bench, **policy: Any) -> SpoolWriter:
    """Return a writer, on the machine's clock, whose spool has no room for any level."""
    writer = bench.writer("p", max_bytes=1 << 16, clock=SystemClock(), **policy)
    writer._patience = type(writer._patience)(SpoolPolicy(warning_wait_s=0), SystemClock())
    for level in LEVELS.values():
        while bench.append(writer, bytes(500), level=level) is not None:
            pass
    writer._patience = type(writer._patience)(writer._policy, SystemClock())
    return writer


def waited_s(bench: Bench, writer: SpoolWriter, level: int) -> float:
    """Append one record that is refused; return how long it took."""
    before = time.monotonic()
    assert bench.append(writer, bytes(500), level=level) is None
    return time.monotonic() - before


def test_the_budget_by_default() -> None:
    """U12: the number in the documentation is the one in the code: 0 s below warning, 0.05 s from warning on."""
    for policy in (SpoolPolicy(), SpoolPolicy(**SpoolSettings().model_dump(exclude={"directory"}))):
        assert [policy.wait_s(rank) for rank in range(4)] == [0, 0, 0.05, 0.05]


@pytest.mark.parametrize("level", LEVELS.values(), ids=LEVELS.keys())
def test_the_budget_as_measured(bench: Bench, level: int) -> None:
    """U12: in a full spool debug and info wait for nothing, warning and above 50 ms and not longer."""
    writer = full(bench, warning_wait_s=0.05)
    taken = min(waited_s(bench, writer, level) for _ in range(3))
    assert (0.045 < taken < 0.08) if level >= 30 else taken < 0.02
    assert writer.drops["spool_full"] >= 3
    writer.close()


def test_room_made_in_time_is_used(bench: Bench) -> None:
    """A warning that waits is stored as soon as a reader has made room."""
    writer = full(bench, warning_wait_s=20.0)

    def read() -> None:
        with bench.reader() as reader:
            reader.acknowledge(bench.drain(reader)[-1].position)

    thread = threading.Timer(0.05, read)
    thread.start()
    before = time.monotonic()
    assert bench.append(writer, level=30) is not None
    assert 0.03 < time.monotonic() - before < 10
    thread.join()
    writer.close()


def test_waiting_in_vain_ends(bench: Bench) -> None:
    """U12: while nothing is shipped for hours, warnings wait five times, and then once a second in all."""
    writer = full(bench, warning_wait_s=0.05)
    writer._patience = type(writer._patience)(writer._policy, bench.clock)
    began_s = bench.clock.monotonic_s()
    for _ in range(100):
        assert bench.append(writer, bytes(500), level=40) is None
    assert bench.clock.monotonic_s() - began_s == pytest.approx(0.05 * IN_VAIN_AT_ONCE)
    waits = 0
    for _ in range(60):
        bench.clock.advance(1)
        for _ in range(100):
            before_s = bench.clock.monotonic_s()
            assert bench.append(writer, bytes(500), level=40) is None
            waits += bench.clock.monotonic_s() > before_s
    assert 58 <= waits <= 70
    writer.close()


def test_block_waits_each_time(bench: Bench) -> None:
    """`block` is on request, with its own ceiling, for all levels and each time."""
    writer = full(bench, when_full="drop_newest")
    writer._patience = type(writer._patience)(
        SpoolPolicy(when_full="block", block_timeout_s=0.2, warning_wait_s=0.05), bench.clock
    )
    for level in LEVELS.values():
        for _ in range(10):
            before_s = bench.clock.monotonic_s()
            assert bench.append(writer, bytes(500), level=level) is None
            assert bench.clock.monotonic_s() - before_s == pytest.approx(0.2)
    writer.close()


def test_what_no_wait_can_mend_is_not_waited_for(bench: Bench) -> None:
    """A record that can never fit, or a closed writer, refuses an error at once."""
    writer = bench.writer("p", max_bytes=1 << 16, warning_wait_s=60)
    assert bench.append(writer, bytes(1 << 17), level=50) is None
    writer.close()
    assert bench.append(writer, level=50) is None
    assert bench.clock.monotonic_s() == 0


def test_a_negative_wait_is_refused() -> None:
    """U39: no value out of range."""
    with pytest.raises(ConfigurationError, match="warning_wait_s"):
        SpoolPolicy(warning_wait_s=-1)
