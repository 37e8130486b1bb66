"""The agent: ships what nobody else ships, leaves the rest alone, comes to an end when asked."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.clock import ManualClock, SystemClock
from shipper.ship.agent import Agent, AgentStatus
from shipper.ship.fleet import Adoption, Fleet
from shipper.ship.shipment import Shipping
from shipper.spool.directory import SpoolMeta, scan
from shipper.spool.policy import SpoolPolicy
from shipper.spool.writer import SpoolWriter
from tests.unit.ship.rig import AWAY, Rig, ToldSink


def fill(
    rig: Rig,
    name: str,
    count: int = 5,
    *,
    shipped_by: str = "thread",
    destination: str = "",
    namespace: str = "default",
    is_dead: bool = True,
) -> SpoolWriter:
    """Make a folder with records."""
    writer = SpoolWriter.open(
        rig.bench.root,
        SpoolPolicy(free_space_floor_bytes=0),
        producer_id=name,
        stamp=b"%d=%d ",
        clock=SystemClock(),
        shipped_by=shipped_by,
        destination=destination,
        namespace=namespace,
    )
    for _ in range(count):
        rig.bench.append(writer)
    if is_dead:
        writer.close()
    return writer


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A rig on the machine's clock, for the agent waits by it."""
    return Rig(tmp_path / "spool", SystemClock(), linger_s=0.01)


def adoption(rig: Rig) -> Adoption:
    """Adopt as an agent does."""
    return Adoption(
        rig.bench.root,
        lambda meta: meta.destination in ("", "here"),
        is_agent=True,
        max_folders=100,
        interval_s=0.05,
    )


def test_once_drains_everything_that_is_meant_for_us(rig: Rig) -> None:
    """U25: dead writers' folders and live ones that leave shipping to an agent are sent; others are not touched."""
    fill(rig, "dead")
    alive = fill(rig, "alive", shipped_by="agent", is_dead=False)
    threaded = fill(rig, "threaded", is_dead=False)
    fill(rig, "foreign", destination="elsewhere")
    agent = Agent(rig.shipping, adoption(rig))
    assert agent.run_once(threading.Event(), 10)
    status = agent.status()
    assert (status.counts.emitted, status.counts.delivered, status.counts.waiting) == (10, 10, 0)
    assert (status.finished_folders, status.foreign_folders) == (1, 1)
    assert sorted(path.name for path in scan(rig.bench.root)) == ["alive", "foreign", "threaded"]
    assert rig.sink.is_closed
    for writer in (alive, threaded):
        writer.close()
    assert rig.bench.sequences(rig.bench.root / "threaded") == [1, 2, 3, 4, 5]
    assert rig.bench.sequences(rig.bench.root / "alive") == []


def test_once_says_when_it_could_not_send_everything(rig: Rig) -> None:
    """With the destination away --once ends at its timeout and says so; nothing is lost."""
    fill(rig, "dead")
    rig.sink.answer = lambda _record: AWAY
    agent = Agent(rig.shipping, adoption(rig))
    assert not agent.run_once(threading.Event(), 0.3)
    assert "nowhere:9092" in agent.status().health.trouble
    assert rig.bench.sequences(rig.bench.root / "dead") == [1, 2, 3, 4, 5]


def test_once_with_nothing_to_do_ends_at_once(rig: Rig) -> None:
    """No root, no folders: done."""
    assert Agent(rig.shipping, adoption(rig)).run_once(threading.Event(), 10)


def test_it_runs_until_it_is_stopped_and_finds_new_folders(rig: Rig) -> None:
    """The agent notices folders that appear later, prints its status from time to time, and stops when told."""
    stop, statuses = threading.Event(), list[AgentStatus]()
    agent = Agent(rig.shipping, adoption(rig), on_status=statuses.append, status_interval_s=0.05)
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    try:
        for name in ("one", "two"):
            fill(rig, name)
            for _ in range(1000):
                if not (rig.bench.root / name).exists():
                    break
                stop.wait(0.01)
            assert not (rig.bench.root / name).exists()
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert agent.status().finished_folders == 2
    assert statuses
    assert agent.status().as_dict()["folders"] == 0


def test_each_namespace_has_its_own_sink(rig: Rig) -> None:
    """Records keep the namespace of the process that made them, whoever ships them."""
    sinks: dict[str, ToldSink] = {}

    def shipping_for(meta: SpoolMeta) -> Shipping:
        sink = sinks.setdefault(meta.namespace, ToldSink())
        return replace(rig.shipping, sink=sink, dead_letters=sink)

    fill(rig, "one", 2, namespace="red")
    fill(rig, "two", 3, namespace="blue")
    agent = Agent(rig.shipping, adoption(rig), shipping_for=shipping_for)
    assert agent.run_once(threading.Event(), 10)
    assert {name: len(sink.accepted) for name, sink in sinks.items()} == {"red": 2, "blue": 3}


def test_memory_in_an_outage_does_not_grow_with_the_number_of_folders(tmp_path: Path) -> None:
    """U17: with no broker in reach only one folder's batch is held in memory, however many folders there are."""
    rig = Rig(tmp_path / "spool", linger_s=0)
    for number in range(20):
        fill(rig, f"p{number}", 30)
    rig.sink.answer = lambda _record: AWAY
    fleet = Fleet(rig.shipping, rig.counters, replace(adoption(rig), max_folders=20))
    fleet.adopt()
    assert len(fleet.adopted) == 20
    for _ in range(100):
        wait_s = fleet.turn()
        assert sum(shipment.waiting_records for shipment in fleet.adopted.values()) <= 10
        rig.advance(wait_s or 0)
    rig.sink.answer = lambda _record: None
    for _ in range(200):
        wait_s = fleet.turn()
        if wait_s is None:
            break
        rig.advance(wait_s)
    assert fleet.finished_folders == 20
    assert rig.counters.snapshot().delivered == 600
    fleet.close()


def test_not_more_folders_than_allowed_at_a_time(tmp_path: Path) -> None:
    """Descriptors are bounded: the rest is taken when there is room."""
    rig = Rig(tmp_path / "spool", linger_s=0)
    assert isinstance(rig.clock, ManualClock)
    for number in range(5):
        fill(rig, f"p{number}", 1)
    fleet = Fleet(rig.shipping, rig.counters, replace(adoption(rig), max_folders=2, interval_s=1))
    for _ in range(50):
        fleet.adopt()
        assert len(fleet.adopted) <= 2
        fleet.turn()
        rig.advance(0.3)
    assert fleet.finished_folders == 5
    fleet.close()
