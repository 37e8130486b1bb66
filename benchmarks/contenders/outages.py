"""Ours while something is wrong: what the caller pays must stay what it was."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from benchmarks.contender import MESSAGE, Contender, Fields, MissingPeer, Place, Subject
from benchmarks.contenders import shipped
from benchmarks.contenders.remote_peers import closed_port
from benchmarks.record import make_records

if TYPE_CHECKING:  # peers run without it
    from shipper.record import Record
    from shipper.ship.dead_letter import Refusal
    from shipper.ship.sink import Delivery

_THREAD = {"mode": "thread", "close_timeout_s": 0.5}
_SMALL_DISK = "24m"
_CLONE_NEWNS = 0x00020000
_FULL_WITHIN_S = 60


class Destination:
    """Takes every record after `delay_s` for each batch, from memory to nowhere."""

    def __init__(self, delay_s: float) -> None:
        from shipper.ship.sink import ACCEPTED  # noqa: PLC0415 - peers run without it

        self._accepted = ACCEPTED
        self._delay_s = delay_s
        self._never = threading.Event()

    def send(self, batch: Sequence[Record]) -> Sequence[Delivery]:
        """Accept the batch."""
        if self._delay_s:
            self._never.wait(self._delay_s)
        return [self._accepted] * len(batch)

    def write(self, refusals: Sequence[Refusal]) -> Sequence[Delivery]:
        """Accept dead letters."""
        return [self._accepted] * len(refusals)

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""

    def abandon_in_child(self) -> None:
        """Nothing is inherited."""


def _subject(place: Place, **groups: Any) -> Subject:
    pipeline = shipped.configure(place, redaction=True, **groups)
    return Subject(_logging(), pipeline.close)


def _logging() -> Callable[[Fields], None]:
    log = structlog.get_logger()

    def emit(fields: Fields) -> None:
        log.info(MESSAGE, **fields)

    return emit


def _full(place: Place, **spool: Any) -> Subject:
    """Return a subject whose spool takes no more."""
    pipeline = shipped.configure(place, redaction=True, spool=spool)
    emit = _logging()
    records = make_records(1000, seed=1)
    deadline_s = time.monotonic() + _FULL_WITHIN_S
    while not pipeline.counts().dropped:
        for fields in records:
            emit(fields)
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"the spool did not become full within {_FULL_WITHIN_S} s")
    return Subject(emit, pipeline.close)


def _open_healthy(place: Place) -> Subject:
    return _subject(place)


def _open_thread(place: Place, *, delay_s: float) -> Subject:
    return _subject(place, ship=_THREAD, sink=Destination(delay_s))


def _open_refused(place: Place) -> Subject:
    kafka = {"bootstrap_servers": f"127.0.0.1:{closed_port()}"}
    return _subject(place, ship=_THREAD, kafka=kafka)


_LISTENING: list[socket.socket] = []


def _open_silent(place: Place) -> Subject:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(64)
    _LISTENING.append(server)  # connects, and never gets an answer
    kafka = {"bootstrap_servers": f"127.0.0.1:{server.getsockname()[1]}"}
    return _subject(place, ship=_THREAD, kafka=kafka)


def _open_kafka(place: Place) -> Subject:
    if not place.kafka:
        raise MissingPeer("needs a broker: name one with --kafka")
    return _subject(place, ship=_THREAD, kafka={"bootstrap_servers": place.kafka, "topic": "bench-emit"})


def _open_spool_full(place: Place) -> Subject:
    return _full(place, directory=place.directory / "spool", max_bytes=1 << 20)


def _open_disk_full(place: Place) -> Subject:
    mounted = place.directory / "small"
    mounted.mkdir()
    _mount_small_disk(str(mounted))
    return _full(place, directory=mounted / "spool", free_space_floor_bytes=0)


def _mount_small_disk(path: str) -> None:
    """Mount a small file system that only this process sees, and that goes with it.

    Raises:
        MissingPeer: this needs to be root.
    """
    if os.geteuid() != 0:
        raise MissingPeer("needs to be root, to mount a small file system")
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNS):
        raise MissingPeer("mounts cannot be made here")
    for command in (
        ["mount", "--make-rprivate", "/"],
        ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK}", "tmpfs", path],
    ):
        if subprocess.run(command, check=False, capture_output=True).returncode:
            raise MissingPeer("a small file system cannot be mounted here")


_PEER = "shipper-healthy"


def _row(name: str, says: str, opener: Any, peer: str = _PEER) -> Contender:
    return Contender(name, says, opener, peer=peer, is_ours=True)


OUTAGES = (
    _row(_PEER, "all is well: nobody else runs in the process", _open_healthy, peer=""),
    _row("shipper-busy", "the shipping thread has all it can do", partial(_open_thread, delay_s=0.0)),
    _row("shipper-slow", "the destination takes 20 ms for each batch", partial(_open_thread, delay_s=0.02)),
    _row("shipper-kafka-refuses", "Kafka down: connections are refused", _open_refused),
    _row("shipper-kafka-silent", "Kafka down: connections hang", _open_silent),
    _row("shipper-kafka", "a real Kafka takes the records meanwhile", _open_kafka),
    _row("shipper-spool-full", "the spool's cap is reached", _open_spool_full),
    _row("shipper-disk-full", "the file system is full", _open_disk_full),
    _row(
        "shipper-elasticsearch-down",
        "Elasticsearch down: no part of this path, so the same as healthy",
        _open_healthy,
    ),
)
