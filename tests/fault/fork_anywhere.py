"""A program that a signal handler could have forked at any line of ours: one child for each line.

fork_anywhere.py STEP FIRST; every STEPth line, from the FIRST on, that the first records run through. TOLD names the
file for what was logged, one number a line. Prints how many children there were. Run by `test_fork_anywhere.py`.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from pathlib import Path
from types import CodeType, FrameType
from typing import Final, NoReturn

import shipper
from shipper.emit import ShipperHandler

_OURS: Final = str(Path(shipper.__file__).parent)
_RECORDS: Final = 6
_LONGEST_S: Final = 60
_SLOW_S: Final = 5.0
_LOG: Final = shipper.get_logger("structlog")
_LOGGER: Final = logging.getLogger("stdlib")
_TOLD: Final = os.open(os.environ["TOLD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


class Forks:
    """Forks at lines that were not met before, and goes on when the child has ended."""

    def __init__(self, step: int, first: int) -> None:
        self._step = step
        self._first = first
        self._met: set[tuple[CodeType, int]] = set()
        self.children = 0

    def trace(self, frame: FrameType, event: str, _argument: object) -> object:
        """As `sys.settrace` wants it."""
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        place = (frame.f_code, frame.f_lineno)
        if event == "line" and place not in self._met:
            self._met.add(place)
            if len(self._met) % self._step == self._first % self._step:
                self._fork(frame)
        return self.trace

    def _fork(self, frame: FrameType) -> None:
        begin_s = time.monotonic()
        child = os.fork()
        if child == 0:
            sys.settrace(None)
            signal.alarm(_LONGEST_S)
            return
        self.children += 1
        status = os.waitpid(child, 0)[1]
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if status:
            raise SystemExit(f"a child that was forked at {place} ended with {status}")
        if time.monotonic() - begin_s > _SLOW_S:
            print(f"slow: forked at {place}", file=sys.stderr)


def say(number: int) -> None:
    """Log one record; tell of it, if its call returns in the process that made it."""
    key = os.getpid() * 1_000_000 + number
    if number % 2:
        _LOGGER.info("record", extra={"key": key})
    else:
        _LOG.info("record", key=key)
    if os.getpid() == key // 1_000_000:
        os.write(_TOLD, b"%d\n" % key)


def be_a_child() -> NoReturn:
    """After the call that was interrupted: three more, and no goodbye."""
    for number in range(3):
        say(number)
    os._exit(0)


def main() -> None:
    """Log under the eyes of `Forks`."""
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.addHandler(ShipperHandler())
    shipper.configure(service="forks")
    forks = Forks(int(sys.argv[1]), int(sys.argv[2]))
    parent = os.getpid()
    sys.settrace(forks.trace)  # type: ignore[arg-type]
    for number in range(_RECORDS):
        say(number)
        if os.getpid() != parent:
            be_a_child()
    sys.settrace(None)
    say(_RECORDS)
    print(forks.children, flush=True)
    os._exit(0)


main()
