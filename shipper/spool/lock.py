"""Locks that say who is alive: advisory `flock` on a file of a folder.

Not `lockf`: a POSIX record lock vanishes when any descriptor of the file is closed anywhere in the process, and
two readers in one process would both get it. An `flock` belongs to the open file description, which fork shares;
so a child closes what it inherited and never unlocks (FORMAT.md).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class FolderLock:
    """A held lock; made by `try_lock`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def descriptor(self) -> int:
        """Of the locked file, open for reading and writing; -1 after `release`."""
        return self._descriptor

    def names(self, path: Path) -> bool:
        """Return whether `path` still names the file that is locked. Raises OSError."""
        return self._descriptor >= 0 and is_same_file(self._descriptor, path)

    def release(self) -> None:
        """Give the lock back; twice is harmless. In a forked child this only drops the inherited descriptor."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)


def try_lock(path: Path) -> FolderLock | None:
    """Take the exclusive lock on `path`, creating the file; None if another holds it.

    Raises:
        OSError: the file cannot be opened, for example because its folder is gone.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_same_file(descriptor, path):
            return FolderLock(descriptor)
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def is_held(path: Path) -> bool:
    """Return whether anyone holds the exclusive lock on `path`; a missing file is held by nobody."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # A shared lock, so that two who look at the same time do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether `path` still names the open file: it may have been deleted or replaced meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
