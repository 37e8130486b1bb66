"""A process that is ours alone: how its interpreter and its memory are set up, and how it ends."""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import suppress
from typing import Final

_SWITCH_S: Final = 0.0005
_YOUNG_OBJECTS: Final = 50_000

# Of <malloc.h>, glibc.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 64 << 20
_LARGEST_KEPT_BYTES: Final = 32 << 20


def hasten_command() -> None:
    """Look for garbage cycles less often, and not at all at the end; for every command.

    What is imported comes by the hundred thousand objects and stays; by default all young ones are looked through for
    each 700. At its end Python looks through all there are, several times: a tenth of a second for what goes with the
    process anyway.
    """
    gc.set_threshold(_YOUNG_OBJECTS)
    atexit.register(gc.freeze)


def settle_interpreter() -> None:
    """Let threads take turns sooner, look for garbage cycles less often, keep freed memory; for `agent` and `index`.

    A batch is handed from thread to thread: by default one waits 5 ms until the other lets go of the interpreter. And
    records come by the thousand, in no cycle; by default each 700 objects all young ones are looked through, which
    costs several percent. Cycles that a client library makes are still found, some seconds later.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNG_OBJECTS)
    _keep_memory()


def _keep_memory() -> None:
    """Let the C library keep what batches free, up to 64 MiB, for those that follow.

    By default it gives each large buffer back at once, and the kernel clears its pages for the next one: a tenth of
    what shipping costs. Other C libraries than glibc have no such switch, and need none to work.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
