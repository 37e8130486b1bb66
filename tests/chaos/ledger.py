"""What producer programs say of themselves: which logging calls returned, and what they were doing when they died.

A token names one logging call: `<life>.<thread>/<number>`, where a life is one process. Its message follows from the
token, so that a stored record can be compared to the byte with what was logged. A ledger is a file per thread; a line
is written to it (by one `write`, so that it is with the operating system) after the call with its number returned:

    <number> <records that this process had refused so far> <evicted> <made by shipper itself, such as heartbeats>
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SUFFIX: Final = ".ledger"
_STATE_BYTES: Final = 24
SHIPPED_BY_AGENT: Final = ("steady", "clock")
"""Lives of these kinds are shipped by the agent only, and so fall under its limit of a record whoever else adopts."""
_LETTERS: Final = str.maketrans("0123456789", "ghijklmnop")
_OVERSIZED: Final = 8_000
"""Characters of a record that the agent's `kafka.max_record_bytes` (see `stage`) does not let pass."""


def message_of(token: str) -> str:
    """Return the message that is logged under a token: of 20 to 900 characters, now and then far more."""
    seed = zlib.crc32(token.encode())
    is_oversized = seed % 211 == 0 and token.startswith(SHIPPED_BY_AGENT)
    size = _OVERSIZED if is_oversized else seed % 880
    # Letters only: what looks like a number of a card or telephone would rightly be masked.
    word = f"{seed:08x} ".translate(_LETTERS)
    return f"{token} {(word * (size // 9 + 1))[:size]}|"


class Ledger:
    """The ledger of one thread."""

    def __init__(self, folder: Path, writer: str) -> None:
        self.writer = writer
        self.number = 0
        path = folder / f"{writer}{SUFFIX}"
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def next_token(self) -> str:
        """Return the token of the next call."""
        self.number += 1
        return f"{self.writer}/{self.number}"

    def returned(self, refused: int = 0, evicted: int = 0, own: int = 0) -> None:
        """Note that the call returned, and what the process has counted."""
        os.write(self._descriptor, b"%d %d %d %d\n" % (self.number, refused, evicted, own))


class StateFile:
    """What a process does just now, for whoever kills it."""

    def __init__(self, folder: Path, life: str) -> None:
        self._descriptor = os.open(folder / f"{life}.state", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def set(self, state: str) -> None:
        """Replace the state."""
        os.pwrite(self._descriptor, state.encode().ljust(_STATE_BYTES), 0)


def read_state(folder: Path, life: str) -> str:
    """Return what a process said last; "starting" if it said nothing yet."""
    try:
        return (folder / f"{life}.state").read_text("ascii").strip() or "starting"
    except OSError:
        return "starting"


@dataclass(frozen=True, slots=True)
class Account:
    """What one thread logged.

    Attributes:
        returned: calls 1 to this number returned; the one behind it may have been made.
        refused, evicted: drops of its whole process, as of its last line.
        own: records that shipper itself made in the process; they may be among its drops.
    """

    writer: str
    returned: int
    refused: int = 0
    evicted: int = 0
    own: int = 0

    @property
    def life(self) -> str:
        """The process."""
        return self.writer.rpartition(".")[0]


def read_ledgers(folder: Path) -> Iterator[Account]:
    """Yield all accounts in a folder, those that are empty included.

    Raises:
        ValueError: a ledger is not 1, 2, 3 ...: the harness itself is wrong.
    """
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        lines = path.read_text("ascii").splitlines()
        numbers = [line.split() for line in lines]
        if [int(fields[0]) for fields in numbers] != list(range(1, len(lines) + 1)):
            raise ValueError(f"{path} is not a ledger")
        counts = (max((int(fields[n]) for fields in numbers), default=0) for n in (1, 2, 3))
        yield Account(path.name.removesuffix(SUFFIX), len(lines), *counts)
