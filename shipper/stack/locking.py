"""One command at a time in a folder: an advisory lock that ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shipper.clock import Clock
from shipper.errors import StackError

_POLL_S: Final = 0.1


@contextmanager
def folder_lock(folder: Path, *, clock: Clock, patience_s: float) -> Iterator[None]:
    """Hold `<folder>/lock` while open, waiting up to `patience_s` for whoever holds it; makes the folder.

    Raises:
        StackError: the folder cannot be used, or the other one did not end in time.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = _acquire(folder / "lock", clock, clock.monotonic_s() + patience_s)
    except OSError as error:
        raise StackError(
            f"The folder {folder} cannot be used ({error.strerror}); choose one of your own with "
            "SHIPPER_STACK_DIRECTORY or SHIPPER_STACK_CACHE."
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _acquire(path: Path, clock: Clock, deadline_s: float) -> int:
    never = threading.Event()
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_file_at(descriptor, path):
                return descriptor
        except BlockingIOError:
            if clock.monotonic_s() >= deadline_s:
                os.close(descriptor)
                raise StackError(
                    f"Another shipper command is still at work in {path.parent}; wait for it or end it."
                ) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        clock.wait(never, _POLL_S)


def _is_file_at(descriptor: int, path: Path) -> bool:
    """Whether the open file still stands at `path`: a lock on a removed one protects nothing."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
