"""The interpreter of a process that is ours alone, and moves records all day."""

from __future__ import annotations

import gc
import sys
from typing import Final

_SWITCH_S: Final = 0.0005
_YOUNG_OBJECTS: Final = 50_000


def settle_interpreter() -> None:
    """Let threads take turns sooner, and look for garbage cycles less often; for `shipper agent` and `shipper index`.

    A batch is handed from thread to thread: by default one waits 5 ms until the other lets go of the interpreter. And
    records come by the thousand, in no cycle; by default each 700 objects all young ones are looked through, which
    costs several percent. Cycles that a client library makes are still found, some seconds later.
    """
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_YOUNG_OBJECTS)
