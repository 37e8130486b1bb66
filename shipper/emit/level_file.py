"""The file by which a person changes levels of running processes: `levels.json` in the spool root.

::

    {"version": 1, "levels": [{"logger": "app.model", "level": "debug", "until_us": 1793880000000000,
                               "by": "alice", "service": "checkout"}]}

Who may write it may change what is logged, so a process believes it only if it belongs to the process's own user
(or root), nobody else can write it, and it is a plain file. It is replaced as a whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shipper.ecs.event import LEVELS, level_name
from shipper.emit.levels import MOST_OVERRIDES, Override, canonical
from shipper.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE: Final = "levels.json"
_LOCK: Final = ".levels.lock"
_VERSION: Final = 1
_MOST_BYTES: Final = 1 << 18
_LONGEST_NAME: Final = 200
_LONGEST_WHY: Final = 1000
_LATEST_US: Final = 1 << 62


class Entry(NamedTuple):
    """One line of the file: an override, and whom it is for.

    Attributes:
        service: only processes of this `service.name`; empty: of all.
    """

    override: Override
    service: str = ""


class Signature(NamedTuple):
    """Tells one state of the file from the next."""

    inode: int
    size: int
    mtime_ns: int


def check_name(logger: str) -> str:
    """Return the canonical name of a logger.

    Raises:
        ConfigurationError: it has more than 200 characters, or some that cannot be printed.
    """
    if len(logger) > _LONGEST_NAME or not logger.isprintable() or logger != logger.strip():
        raise ConfigurationError(
            f"{logger[:40]!r} is not a logger's name: at most {_LONGEST_NAME} printable characters."
        )
    return canonical(logger)


def check_level(level: str | int) -> int:
    """Return the number of a level given by name or as a number from 0 to 100.

    Raises:
        ConfigurationError: it is neither.
    """
    number = LEVELS.get(level.strip().lower()) if isinstance(level, str) else level
    if not isinstance(number, int) or isinstance(level, bool) or not 0 <= number <= 100:
        raise ConfigurationError(f"{level!r} is not a level; take one of {', '.join(LEVELS)}.")
    return number


def signature(root: Path) -> Signature | None:
    """Return the state of the file, None without one: one system call."""
    try:
        found = os.lstat(root / FILE)
    except OSError:
        return None
    return Signature(found.st_ino, found.st_size, found.st_mtime_ns)


def read(root: Path) -> list[Entry]:
    """Return what is set; nothing without a file.

    Raises:
        ConfigurationError: the file is not to be believed (see the module) or not well formed.
        OSError: it cannot be read.
    """
    path = root / FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return []
    except OSError as error:
        if path.is_symlink():
            raise ConfigurationError(f"{path} is a link, and is not believed.") from error
        raise
    try:
        _check_owner(path, os.fstat(descriptor))
        content = os.read(descriptor, _MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(content) > _MOST_BYTES:
        raise ConfigurationError(f"{path} is larger than {_MOST_BYTES} bytes, and is not believed.")
    try:
        return _parse(json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError, ConfigurationError) as error:
        raise ConfigurationError(f"{path} is not well formed ({error}), and is not believed.") from error


def change(root: Path, new: Callable[[list[Entry]], Iterable[Entry]]) -> list[Entry]:
    """Replace what is set by `new(present)`, as a whole and one writer at a time; returns it.

    A file that is not well formed counts as empty: the command that repairs it is the one that comes here.

    Raises:
        ConfigurationError: there would be more than `MOST_OVERRIDES`, or the file is somebody else's.
        OSError: the root cannot be written.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(root):
        try:
            present = read(root)
        except ConfigurationError:
            _check_owner(root / FILE, os.lstat(root / FILE))
            present = []
        entries = list(new(present))
        if len(entries) > MOST_OVERRIDES:
            raise ConfigurationError(f"More than {MOST_OVERRIDES} levels at a time; reset some first.")
        _write(root, entries)
        return entries


def _write(root: Path, entries: list[Entry]) -> None:
    levels = [
        {
            "logger": override.logger or "root",
            "level": spelled(override.level),
            "until_us": override.until_us,
            "by": override.by,
            "why": override.why,
            "service": service,
        }
        for override, service in entries
    ]
    temporary = root / f".{FILE}.{os.getpid()}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            _give_to_owner_of(root, descriptor)
            json.dump({"version": _VERSION, "levels": levels}, file, ensure_ascii=True, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(descriptor)
        temporary.replace(root / FILE)
    finally:
        temporary.unlink(missing_ok=True)


def spelled(level: int) -> str | int:
    """Return a level's name, or the number where it is none of the five."""
    name = level_name(level)
    return name if LEVELS[name] == level else level


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    descriptor = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _give_to_owner_of(root, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _give_to_owner_of(root: Path, descriptor: int) -> None:
    """Let the user whose processes log here read what root has written."""
    if os.geteuid() == 0:
        owner = root.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"{path} is not a plain file, and is not believed.")
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(f"{path} belongs to another user, and is not believed.")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigurationError(f"{path} can be written by others, and is not believed.")


def _parse(found: Any) -> list[Entry]:
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise ConfigurationError("it is not of version 1")
    return [_entry(one) for one in found["levels"][:MOST_OVERRIDES]]


def _entry(found: Any) -> Entry:
    until_us = found["until_us"]
    by, why, service = (found.get(key, "") for key in ("by", "why", "service"))
    if not isinstance(until_us, int) or not 0 <= until_us < _LATEST_US:
        raise ConfigurationError("an end is missing")  # what is set from outside always ends
    if not all(isinstance(text, str) for text in (by, why, service)):
        raise ConfigurationError("by, why and service are texts")
    logger, level = check_name(found["logger"]), check_level(found["level"])
    override = Override(logger, level, until_us, by[:_LONGEST_NAME], "file", why[:_LONGEST_WHY])
    return Entry(override, service)
