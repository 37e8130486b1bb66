"""One at a time, by a document with an expiry: who may take it, and when."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from shipper.clock import ManualClock
from shipper.lease import Lease, LeaseHeld, new_holder
from tests.unit.detect.memory_store import MemoryStore


def lease(store: MemoryStore, clock: ManualClock, holder: str, *, outlives_process: bool = False) -> Lease:
    """A lease of a minute for work that is started by hand."""
    return Lease(
        store,
        "state",
        "lease-x",
        clock,
        holder,
        length_s=60,
        work="Another try",
        outlives_process=outlives_process,
    )


@pytest.fixture
def store() -> MemoryStore:
    """An empty store."""
    return MemoryStore()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def parent() -> str:
    """A holder that runs: the process that started this one."""
    return f"{socket.gethostname()}-{os.getppid()}-abc123"


@pytest.fixture
def gone() -> str:
    """A holder whose process has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return f"{socket.gethostname()}-{process.pid}-abc123"


def test_a_holder_that_runs_keeps_it(store: MemoryStore, clock: ManualClock, parent: str) -> None:
    """The second one is refused in one sentence that says who has it and until when."""
    lease(store, clock, parent).take()
    with pytest.raises(
        LeaseHeld, match=r"^Another try \(.*abc123\) works on this namespace until .*Z at the latest"
    ) as held:
        lease(store, clock, new_holder()).take()
    assert "\n" not in str(held.value)


def test_a_holder_that_died_loses_it_at_once(store: MemoryStore, clock: ManualClock, gone: str) -> None:
    """Who was killed and is started again by hand need not wait."""
    lease(store, clock, gone).take()
    lease(store, clock, new_holder()).take()


def test_a_former_process_of_our_number_is_gone(store: MemoryStore, clock: ManualClock) -> None:
    """In a restarted container everybody is process 1."""
    first, second = new_holder(), new_holder()
    lease(store, clock, first).take()
    lease(store, clock, second).take()


def test_of_another_host_nothing_is_known(store: MemoryStore, clock: ManualClock, gone: str) -> None:
    """Its processes cannot be seen from here: its lease has to run out."""
    lease(store, clock, f"else{gone}").take()
    with pytest.raises(LeaseHeld):
        lease(store, clock, new_holder()).take()
    clock.advance(61)
    lease(store, clock, new_holder()).take()


def test_a_job_outlives_its_process(store: MemoryStore, clock: ManualClock, gone: str) -> None:
    """Jobs in containers may share a host's name, so a job's lease runs out and is not taken from it."""
    lease(store, clock, gone).take()
    with pytest.raises(LeaseHeld):
        lease(store, clock, new_holder(), outlives_process=True).take()


def test_long_work_keeps_it(store: MemoryStore, clock: ManualClock, parent: str) -> None:
    """Called again and again, it is renewed now and then, and only then."""
    mine = lease(store, clock, parent)
    mine.take()
    written = store.documents["state", "lease-x"].version
    mine.keep()
    assert store.documents["state", "lease-x"].version == written
    for _ in range(5):
        clock.advance(40)
        mine.keep()
        with pytest.raises(LeaseHeld):
            lease(store, clock, "other").take()
    assert store.documents["state", "lease-x"].version == written + 5


@pytest.mark.parametrize("expires", ["", "soon", "2026-11-21", None])
def test_what_is_no_lease_holds_nobody_up(
    store: MemoryStore, clock: ManualClock, expires: str | None
) -> None:
    """A document in its place that says no moment is replaced."""
    store.create("state", "lease-x", {"holder": "elsewhere-1-a", "expires": expires})
    lease(store, clock, new_holder()).take()
