"""What no logger can beat: build a dict, encode it, hand the bytes over."""

from __future__ import annotations

import mmap
import os
import time

import orjson

from benchmarks.contender import MESSAGE, Contender, Fields, Place, Subject, lines_in, size_of

_ROOM = 1 << 28


def _open_file(place: Place) -> Subject:
    path = place.directory / "floor.log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def emit(fields: Fields) -> None:
        document = {"time": time.time_ns(), "level": "info", "event": MESSAGE, **fields}
        os.write(descriptor, orjson.dumps(document) + b"\n")

    return Subject(emit, lambda: os.close(descriptor), lines_in(path), size_of(path))


def _open_map(place: Place) -> Subject:
    path = place.directory / "floor.map"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.posix_fallocate(descriptor, 0, _ROOM)
    area = mmap.mmap(descriptor, _ROOM)
    end = 0

    def emit(fields: Fields) -> None:
        nonlocal end
        document = {"time": time.time_ns(), "level": "info", "event": MESSAGE, **fields}
        line = orjson.dumps(document) + b"\n"
        begin, end = end, end + len(line)
        area[begin : begin + len(line)] = line

    def finish() -> None:
        area.close()
        os.close(descriptor)

    return Subject(emit, finish)


FLOOR = (
    Contender("floor", "a dict, orjson, one os.write", _open_file, peer="structlog"),
    Contender("floor-mmap", "the same into a shared memory map", _open_map, peer="structlog"),
)
