"""What takes part in the comparison, and how it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.record import MESSAGE, Fields


class MissingPeer(Exception):
    """The contender cannot run here; the text says why and what would help."""


class Kind(StrEnum):
    """How a contender is measured."""

    CALL = "call"
    """Each call timed by itself: p50, p99, p99.9; then the throughput of several threads."""
    LOOP = "loop"
    """Many calls in one loop of the contender's own: for calls that are shorter than reading a clock."""
    PROCESS = "process"
    """A figure of a whole process: the time of an import, its memory."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contender may work.

    Attributes:
        directory: empty folder of its own; all contenders' lie on one file system.
        kafka: address of a real broker, or "".
    """

    directory: Path
    kafka: str = ""


def nothing() -> None:
    """Do nothing."""


def _ignore(fields: Fields) -> None:
    """Log nothing: for subjects that are not measured by calls."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A contender that is ready to be measured, in a process of its own.

    Attributes:
        emit: logs one record; what is timed.
        finish: lets everything arrive and closes; not timed.
        stored: how many records it has really kept, after `finish`; None where that cannot be told.
        size: bytes that the kept records take.
        loop: runs the given number of calls (kind LOOP).
        figures: figures of a whole process (kind PROCESS).
    """

    emit: Callable[[Fields], object] = _ignore
    finish: Callable[[], object] = nothing
    stored: Callable[[], int] | None = None
    size: Callable[[], int] | None = None
    loop: Callable[[int], object] | None = None
    figures: Callable[[], Mapping[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Contender:
    """One row of the table.

    Attributes:
        name: as it is chosen on the command line.
        says: what it does, in a line.
        open: gets it ready; raises MissingPeer where it cannot run.
        peer: name of the contender that its ratios refer to; "" for none.
        is_ours: whether it is shipper.
        message_size: characters of the message; 0: the short one.
        threads: whether the throughput of several threads is measured as well.
    """

    name: str
    says: str
    open: Callable[[Place], Subject]
    peer: str = ""
    kind: Kind = Kind.CALL
    is_ours: bool = False
    message_size: int = 0
    threads: bool = True


def library(name: str) -> Any:
    """Import a peer's module.

    Raises:
        MissingPeer: it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise MissingPeer(f"{package} is not installed (pip install '.[bench]')") from error


def lines_in(path: Path) -> Callable[[], int]:
    """Return a function that counts the lines of a file."""

    def count() -> int:
        with path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

    return count


def size_of(path: Path) -> Callable[[], int]:
    """Return a function that says how large a file is."""
    return lambda: path.stat().st_size


__all__ = [
    "MESSAGE",
    "Contender",
    "Fields",
    "Kind",
    "MissingPeer",
    "Place",
    "Subject",
    "library",
    "lines_in",
    "nothing",
    "size_of",
]
