"""Processes that die at a chosen instant, for tests: forked, killed by SIGKILL, waited for."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from shipper.spool.disk import Disk

BEFORE, HALF, AFTER = "before", "half", "after"
"""Die before a call to the disk, in the middle of it (half of a write's bytes are in the file), or behind it."""


class DyingDisk(Disk):
    """Kills the process at the `fatal`-th change of the disk (1 = the first); `count` tells how many there were."""

    def __init__(self, fatal: int = 0, moment: str = BEFORE) -> None:
        self.count = 0
        self._fatal = fatal
        self._moment = moment

    def _is_fatal(self) -> bool:
        self.count += 1
        if self.count == self._fatal and self._moment == BEFORE:
            die()
        return self.count == self._fatal

    def create(self, path: Path) -> int:
        is_fatal = self._is_fatal()
        descriptor = super().create(path)
        if is_fatal:
            die()
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        is_fatal = self._is_fatal()
        if is_fatal and self._moment == HALF:
            super().write(descriptor, data[: len(data) // 2])
            die()
        written = super().write(descriptor, data)
        if is_fatal:
            die()
        return written

    def store(self, descriptor: int, data: bytes, offset: int) -> None:
        is_fatal = self._is_fatal()
        if is_fatal and self._moment == HALF:
            super().store(descriptor, data[: len(data) // 2], offset)
            die()
        super().store(descriptor, data, offset)
        if is_fatal:
            die()

    def overwrite(self, path: Path, offset: int, data: bytes, *, durable: bool) -> None:
        is_fatal = self._is_fatal()
        if is_fatal and self._moment == HALF:
            super().overwrite(path, offset, data[: len(data) // 2], durable=durable)
            die()
        super().overwrite(path, offset, data, durable=durable)
        if is_fatal:
            die()

    def allocate(self, descriptor: int, start: int, end: int) -> None:
        is_fatal = self._is_fatal()
        if is_fatal and self._moment == HALF:
            super().allocate(descriptor, start, (start + end) // 2)
            die()
        super().allocate(descriptor, start, end)
        if is_fatal:
            die()

    def zero(self, descriptor: int, start: int, end: int) -> None:
        is_fatal = self._is_fatal()
        if is_fatal and self._moment == HALF:
            super().zero(descriptor, start, (start + end) // 2)
            die()
        super().zero(descriptor, start, end)
        if is_fatal:
            die()

    def trim(self, path: Path, size_bytes: int) -> None:
        is_fatal = self._is_fatal()
        super().trim(path, size_bytes)
        if is_fatal:
            die()

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        is_fatal = self._is_fatal()
        super().truncate(descriptor, size_bytes)
        if is_fatal:
            die()

    def sync(self, descriptor: int) -> None:
        is_fatal = self._is_fatal()
        super().sync(descriptor)
        if is_fatal:
            die()

    def sync_directory(self, path: Path) -> None:
        is_fatal = self._is_fatal()
        super().sync_directory(path)
        if is_fatal:
            die()

    def replace(self, source: Path, target: Path) -> None:
        is_fatal = self._is_fatal()
        super().replace(source, target)
        if is_fatal:
            die()

    def unlink(self, path: Path) -> None:
        is_fatal = self._is_fatal()
        super().unlink(path)
        if is_fatal:
            die()


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_child(work: Callable[[Callable[[int], None]], None]) -> tuple[int, list[int]]:
    """Run `work(tell)` in a forked child; return how it ended and the numbers that it told before.

    A number is told by one write to a pipe, so it counts exactly if `tell` returned. The end is 0, or minus the
    signal, or 1 after an exception. The child dies after 60 seconds at the latest.
    """
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        signal.alarm(60)
        try:
            work(lambda number: _tell(writable, number))
        except BaseException:  # noqa: BLE001  # a test's child must not run on as a second test runner
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
        os._exit(0)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    numbers = [int.from_bytes(told[at : at + 8], "little") for at in range(0, len(told), 8)]
    return os.waitstatus_to_exitcode(status), numbers


def _tell(descriptor: int, number: int) -> None:
    os.write(descriptor, number.to_bytes(8, "little"))
