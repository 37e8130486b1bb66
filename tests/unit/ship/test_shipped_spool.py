"""A spool whose worker starts with the first record."""

from __future__ import annotations

from pathlib import Path

from shipper.ecs.encode import stamp, stamp_template
from shipper.ship.shipped_spool import ShippedSpool
from shipper.spool.frame import frame_tag
from tests.unit.spool.bench import Bench


class Worker:
    """Starts at the `starts_at`-th attempt."""

    def __init__(self, starts_at: int) -> None:
        self.attempts = 0
        self._starts_at = starts_at

    def start(self) -> bool:
        self.attempts += 1
        return self.attempts >= self._starts_at


def test_a_running_worker_costs_a_record_nothing(tmp_path: Path) -> None:
    """U13: the worker is started by the first record, and tried again until it runs; then nobody asks it any more."""
    bench = Bench(tmp_path / "spool")
    writer, worker = bench.writer(), Worker(3)
    spool = ShippedSpool(writer, worker)
    tag = frame_tag(20, "ml.app")
    for number in range(1, 21):
        if number % 2:
            assert spool.put(1, tag, b"<%d#%d#%d#", 0, b">") == number
        else:
            assert spool.append(b"<", b">", timestamp_us=1, level=20, dataset="ml.app") == number
    assert worker.attempts == 3
    assert spool.put == writer.put
    states = [spool.is_closed]
    writer.close()
    states.append(spool.is_closed)
    assert states == [False, True]
    assert bench.sequences() == list(range(1, 21))


def test_put_and_append_store_the_same(tmp_path: Path) -> None:
    """The quick twin has the same meaning: payload, time, level and dataset come back alike, a suffix in pieces too."""
    bench = Bench(tmp_path / "spool")
    writer = bench.writer()
    writer.append(b"a", b"b", timestamp_us=-7, level=300, dataset="ml.é")
    writer.put(-7, frame_tag(300, "ml.é"), b"%b#%d#%d#", b"a", b"b")
    writer.put(-7, frame_tag(300, "ml.é"), b"%b#%d#%d#", b"a", b"b", b"c", b"", b"d")
    writer.close()
    with bench.reader() as reader:
        first, second, third = bench.drain(reader)
    assert third.payload == b"a#3#3#bcd"
    assert first.payload == b"a#1#1#b"
    assert second.payload == b"a#2#2#b"
    assert (first.timestamp_us, first.level, first.dataset) == (-7, 255, "ml.é")
    assert (second.timestamp_us, second.level, second.dataset) == (-7, 255, "ml.é")


def test_the_template_is_the_stamp() -> None:
    """What the spool fills in is what the encoder says a stamp is."""
    assert stamp_template("0f3a") % (12, 12) == stamp("0f3a", 12)
