"""Do something at a chosen line of the spool, for tests: raise, or die."""

from __future__ import annotations

import dis
import linecache
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import shipper.spool

OURS = str(Path(shipper.spool.__file__).parent)


class Interrupted(BaseException):
    """What the application's signal handler raises; no `Exception`, as KeyboardInterrupt is none."""


def interrupt() -> None:
    """Do as a signal handler that raises."""
    raise Interrupted


class Interrupter:
    """Raises (or does something else) at the `fatal`-th line of the spool that is executed; `lines` counts them.

    Not where a `with` statement is left: there the interpreter looks for no signal, only for a trace function.
    """

    def __init__(self, fatal: int = 0, action: Callable[[], None] = interrupt) -> None:
        self.lines = 0
        self._fatal = fatal
        self._action = action

    def __call__(self, frame: FrameType, event: str, _argument: object) -> Interrupter | None:
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        if event == "line" and not self._is_leaving(frame):
            self.lines += 1
            if self.lines == self._fatal:
                self._action()
        return self

    def _is_leaving(self, frame: FrameType) -> bool:
        """Whether the line is that of a `with` for the second time: it begins by calling what is on the stack."""
        line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
        first = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        return line.lstrip().startswith("with ") and first not in ("LOAD_FAST", "LOAD_GLOBAL")

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch what this thread executes."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            yield
        finally:
            sys.settrace(before)
