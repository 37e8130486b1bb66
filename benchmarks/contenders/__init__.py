"""All contenders by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.contender import Contender
from benchmarks.contenders.disabled import DISABLED
from benchmarks.contenders.exceptions import EXCEPTIONS
from benchmarks.contenders.floor import FLOOR
from benchmarks.contenders.outages import OUTAGES
from benchmarks.contenders.remote_peers import REMOTE_PEERS
from benchmarks.contenders.roads import ROADS
from benchmarks.contenders.stdlib_peers import STDLIB_PEERS
from benchmarks.contenders.structlog_peers import STRUCTLOG_PEERS
from benchmarks.contenders.whole_process import WHOLE_PROCESS

CONTENDERS: Final[Sequence[Contender]] = (
    *FLOOR, *STRUCTLOG_PEERS, *STDLIB_PEERS, *REMOTE_PEERS,
    *ROADS, *EXCEPTIONS, *DISABLED, *OUTAGES, *WHOLE_PROCESS,
)  # fmt: skip
"""In the order of the table."""


def find(name: str) -> Contender:
    """Return the contender of that name.

    Raises:
        KeyError: there is none.
    """
    for contender in CONTENDERS:
        if contender.name == name:
            return contender
    raise KeyError(name)
