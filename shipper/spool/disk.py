"""The calls that the spool makes of the operating system to change the disk.

One place, so that tests can let each of them fail, or let the process die at it. Reading is not here.
All raise OSError.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_CANNOT_ALLOCATE: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_ZEROS: Final = bytes(1 << 16)

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk says that is well and has no room."""


class Disk:
    """The real disk; tests subclass it.

    Attributes:
        veto: -1 in a forked child whose parent's this was, else 0. Whatever a fork in a signal handler interrupted
            must not go on, in the child, with the parent's files: or-ed to a descriptor it gives none.
    """

    veto = 0

    def check_owner(self) -> None:
        """Raise OSError in a forked child whose parent's files these are."""
        if self.veto:
            raise OSError(errno.EBADF, "the files are another process's")

    def create(self, path: Path) -> int:
        """Create a file that must not exist; return its descriptor, for reading, writing and mapping."""
        self.check_owner()
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, descriptor: int, data: bytes) -> int:
        """Write at the end; return how many bytes were taken, possibly fewer than given."""
        return os.write(descriptor | self.veto, data)

    def store(self, descriptor: int, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`, within what is allocated; after an error a part of it may be there."""
        written = os.pwrite(descriptor | self.veto, data, offset)
        while written < len(data):
            written += os.pwrite(descriptor | self.veto, data[written:], offset + written)

    def allocate(self, descriptor: int, start: int, end: int) -> None:
        """Let the file reach from `start`, its end, to `end`, with blocks of its own, reading as zeros.

        A file with holes will not do: a store into a mapped hole kills the process when the disk is full.
        """
        if end <= start:
            return
        try:
            os.posix_fallocate(descriptor | self.veto, start, end - start)
        except AttributeError:  # no such call on this system
            self.zero(descriptor, start, end)
        except OSError as error:
            if error.errno not in _CANNOT_ALLOCATE:
                raise
            self.zero(descriptor, start, end)

    def zero(self, descriptor: int, start: int, end: int) -> None:
        """Write zeros from byte `start` to byte `end`."""
        while start < end:
            start += os.pwrite(descriptor | self.veto, _ZEROS[: end - start], start)

    def truncate(self, descriptor: int, size_bytes: int) -> None:
        """Cut the file."""
        os.ftruncate(descriptor | self.veto, size_bytes)

    def trim(self, path: Path, size_bytes: int) -> None:
        """Cut a file that nobody writes any more."""
        os.truncate(path, size_bytes)

    def sync(self, descriptor: int) -> None:
        """Wait until the file's bytes are on the disk itself."""
        os.fdatasync(descriptor)

    def sync_directory(self, path: Path) -> None:
        """Wait until the folder's entries are on the disk itself."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        """Rename atomically over `target`."""
        self.check_owner()
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Delete a file; one that is gone already is no error."""
        self.check_owner()
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """Bytes that an ordinary user can still write to the file system of `path`."""
        figures = os.statvfs(path)
        return figures.f_bavail * figures.f_frsize

    def overwrite(self, path: Path, offset: int, data: bytes, *, durable: bool) -> None:
        """Write into an existing file, in place; it must reach that far. `durable`: it is on the disk afterwards."""
        with _closing(os.open(path, os.O_WRONLY | os.O_CLOEXEC)) as descriptor:
            if os.fstat(descriptor).st_size < offset + len(data):
                raise FileNotFoundError(errno.ENOENT, "the file was cut", str(path))
            os.pwrite(descriptor, data, offset)
            if durable:
                self.sync(descriptor)

    def write_file(self, path: Path, content: bytes, *, durable: bool) -> None:
        """Replace the whole content of `path` atomically; `durable`: it is on the disk itself afterwards."""
        temporary = path.with_name(path.name + ".tmp")
        self.unlink(temporary)
        with _closing(self.create(temporary)) as descriptor:
            written = 0
            while written < len(content):
                written += self.write(descriptor, content[written:])
            if durable:
                self.sync(descriptor)
        self.replace(temporary, path)
        if durable:
            self.sync_directory(path.parent)


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
