"""Records as lines of a file or of standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shipper.clock import ManualClock
from shipper.config import load_settings
from shipper.errors import ConfigurationError, RecordRefused
from shipper.kafka.dead_letters import decode
from shipper.record import Record, RecordBatch
from shipper.ship.dead_letter import Refusal
from shipper.ship.destination import destination_name
from shipper.ship.line_sink import LineSink, LinesUnavailable

PROGRAM = Path(__file__).parents[2] / "fault" / "append_and_exit.py"


def batch(*payloads: bytes) -> RecordBatch:
    """Return records of one producer."""
    return RecordBatch("p", [(n, 1, 20, "ml.app", payload) for n, payload in enumerate(payloads, 1)])


def test_documents_are_lines(tmp_path: Path) -> None:
    """Each accepted record is one line, in order, appended to what is there; the folder is made."""
    path = tmp_path / "logs" / "out.jsonl"
    for payload in (b'{"a":1}', b'{"b":2}'):
        sink = LineSink(path, ManualClock())
        assert all(delivery.is_accepted for delivery in sink.send(batch(payload, payload)))
        sink.close(1)
    assert path.read_bytes() == b'{"a":1}\n{"a":1}\n{"b":2}\n{"b":2}\n'
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_record_with_a_lines_end_is_refused_alone(tmp_path: Path) -> None:
    """It would be two lines, neither of them a document: a dead letter, and its neighbours are written."""
    sink = LineSink(tmp_path / "out", ManualClock())
    records = batch(b"{}", b"{\n}", b"[]")
    first, second, third = sink.send(records)
    assert first.is_accepted
    assert third.is_accepted
    assert isinstance(second.error, RecordRefused)
    assert sink.write([Refusal(records[1], second.error, "p/1@72")])[0].is_accepted
    assert (tmp_path / "out").read_bytes() == b"{}\n[]\n"
    letter = decode((tmp_path / "out.dead-letters").read_bytes())
    assert letter is not None
    assert (letter.event_id, letter.payload, letter.position) == ("p-2", b"{\n}", "p/1@72")
    sink.close(1)


def test_rotation_is_followed(tmp_path: Path) -> None:
    """After the file was renamed or removed, lines go into a new one of the old name; none goes astray."""
    path = tmp_path / "out"
    sink = LineSink(path, ManualClock())
    sink.send(batch(b"1"))
    path.rename(tmp_path / "out.1")
    sink.send(batch(b"2"))
    path.unlink()
    sink.send(batch(b"3"))
    sink.close(1)
    assert ((tmp_path / "out.1").read_bytes(), path.read_bytes()) == (b"1\n", b"3\n")


def test_a_disk_that_takes_half_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written of the batch is taken back: the next attempt does not continue a torn line, and doubles nothing."""
    path = tmp_path / "out"
    sink = LineSink(path, ManualClock())
    sink.send(batch(b"before"))
    real = os.write
    budget = [7]

    def write(descriptor: int, data: bytes) -> int:
        if budget[0] <= 0:
            raise OSError(28, "No space left on device")
        taken = real(descriptor, bytes(data[: budget[0]]))
        budget[0] -= taken
        return taken

    monkeypatch.setattr("shipper.ship.line_sink.os.write", write)
    deliveries = sink.send(batch(b"one", b"two", b"three"))
    assert all(isinstance(d.error, LinesUnavailable) and d.is_retriable for d in deliveries)
    assert str(deliveries[0].error) == f"{path} cannot be written to: No space left on device."
    assert path.read_bytes() == b"before\n"
    budget[0] = 1000
    assert all(delivery.is_accepted for delivery in sink.send(batch(b"one", b"two", b"three")))
    assert path.read_bytes() == b"before\none\ntwo\nthree\n"
    sink.close(1)


def test_the_disk_has_it_before_the_spool_gives_it_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With fsync a record is accepted after `fdatasync` has succeeded, and only then; without, none is called."""
    calls: list[int] = []

    def fdatasync(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("shipper.ship.line_sink.os.fdatasync", fdatasync)
    path = tmp_path / "out"
    (delivery,) = LineSink(path, ManualClock()).send(batch(b"x"))
    assert delivery.is_retriable
    assert len(calls) == 1
    assert path.read_bytes() == b""
    (delivery,) = LineSink(path, ManualClock(), fsync=False).send(batch(b"x"))
    assert delivery.is_accepted
    assert len(calls) == 1


def test_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    """Several sinks on one file: each line is whole, whoever writes at the same time."""
    path = tmp_path / "out"

    def work(letter: bytes) -> None:
        sink = LineSink(path, ManualClock(), fsync=False)
        for _ in range(50):
            sink.send(batch(*[letter * 3000] * 5))
        sink.close(1)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in (b"a", b"b", b"c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = path.read_bytes().splitlines()
    assert len(lines) == 750
    assert set(lines) == {b"a" * 3000, b"b" * 3000, b"c" * 3000}


@pytest.mark.parametrize("to", ["stdout", "file"])
def test_the_agent_ships_there(tmp_path: Path, to: str) -> None:
    """`ship.to` decides for the agent too: no broker is needed; what it says of itself does not stand among the records."""
    root, path = tmp_path / "spool", tmp_path / "out"
    subprocess.run(
        [sys.executable, str(PROGRAM), str(root), "one", "300", "_exit"], check=True, capture_output=True
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHIPPER_")}
    variables = {"SHIPPER_SPOOL_DIRECTORY": str(root), "SHIPPER_SHIP_TO": to}
    if to == "file":
        variables["SHIPPER_SHIP_FILE"] = str(path)
    run = subprocess.run(
        [sys.executable, "-m", "shipper", "agent", "--once"],
        env={**kept, **variables},
        cwd=tmp_path,
        capture_output=True,
        check=True,
        timeout=60,
    )
    said, lines = (run.stderr, run.stdout) if to == "stdout" else (run.stdout, path.read_bytes())
    assert said.startswith(b"300 delivered")
    assert [json.loads(line)["sequence"] for line in lines.splitlines()] == list(range(1, 301))
    assert list(root.iterdir()) == []


def test_a_forked_child_leaves_the_parents_file_open(tmp_path: Path) -> None:
    """Forgetting in the child closes its own descriptor only."""
    path = tmp_path / "out"
    sink = LineSink(path, ManualClock())
    sink.send(batch(b"1"))
    child = os.fork()
    if not child:
        sink.abandon_in_child()
        os._exit(0)
    os.waitpid(child, 0)
    sink.send(batch(b"2"))
    sink.close(1)
    assert path.read_bytes() == b"1\n2\n"


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """U39: to = file needs a file, a file needs to = file, and the first pause is not longer than the longest."""
    for ship in ({"to": "file"}, {"file": tmp_path / "x"}, {"retry_initial_s": 20, "retry_max_s": 10}):
        with pytest.raises(ConfigurationError):
            load_settings(ship=ship)
    one = load_settings(ship={"to": "file", "file": "relative"})
    assert destination_name(one.ship, one.kafka) == f"file:{Path('relative').absolute()}"
    assert destination_name(load_settings(ship={"to": "stdout"}).ship, one.kafka) == "stdout:"


def test_plain_lists_are_written_too(tmp_path: Path) -> None:
    """Any sequence of records is a batch."""
    sink = LineSink(tmp_path / "out", ManualClock())
    assert sink.send([Record("p", 1, 1, 20, "ml.app", b"{}")])[0].is_accepted
    sink.close(1)
