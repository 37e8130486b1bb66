"""Folders under a spool root: made whole, found, told from each other, removed whole."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from shipper.spool.checkpoint import FILE_NAME as CHECKPOINT
from shipper.spool.checkpoint import START, Position, encode_file
from shipper.spool.disk import Disk
from shipper.spool.drops import FILE_BYTES as DROPS_BYTES
from shipper.spool.drops import FILE_NAME as DROPS
from shipper.spool.drops import empty_file
from shipper.spool.end import encode_end
from shipper.spool.lock import FolderLock, is_held, try_lock

WRITER_LOCK: Final = "writer.lock"
READER_LOCK: Final = "reader.lock"
META: Final = "meta.json"
FORMAT_VERSION: Final = 3
PRODUCER_ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_BEING_MADE: Final = ".new-"
_BEING_REMOVED: Final = ".gone-"
LEFT_BEHIND_S: Final = 60.0
"""A half-made folder that is younger has a maker who is at work: between his first two steps he holds no lock yet."""
_SEGMENT: Final = re.compile(r"(\d{10,20})\.segment")


@dataclass(frozen=True, slots=True)
class SpoolMeta:
    """Who writes a folder and where its records belong; what an adopter must know.

    Attributes:
        service: name of the application, for people.
        namespace: part of the index names of its records.
        destination: opaque name of where they go; "" if the writer leaves that to whoever ships.
        shipped_by: `thread`: the writer's process ships while it lives; `agent`: others do.
        pid, host, started_us: of the writer.
    """

    producer_id: str
    service: str = ""
    namespace: str = "default"
    destination: str = ""
    shipped_by: str = "thread"
    pid: int = 0
    host: str = ""
    started_us: int = 0


def segment_path(directory: Path, number: int) -> Path:
    """Return the path of a segment."""
    return directory / f"{number:010d}.segment"


def list_segments(directory: Path) -> list[int]:
    """Return the numbers of the segments of a folder, rising; none if the folder is gone."""
    try:
        names = os.listdir(directory)  # noqa: PTH208  # names only: this runs at each poll
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for name in names if (match := _SEGMENT.fullmatch(name)))


def create_folder(
    root: Path, meta: SpoolMeta, disk: Disk, acknowledged: Position = START, drops: bytes = b""
) -> tuple[Path, FolderLock]:
    """Make the folder of a new producer with its lock held; it appears under its name only when complete.

    Args:
        acknowledged: where its first reader starts.
        drops: what its writer has given up already, see `DropTally.content`; empty: nothing.

    Raises:
        OSError: the root cannot be made or written to, or the folder exists, or (a repeat helps) another
            process took the half-made folder for one that its maker left behind, or this is a child that was
            forked in here: then nothing of the parent's is touched.
    """
    disk.check_owner()
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory = root / meta.producer_id
    if directory.exists():
        raise FileExistsError(errno.EEXIST, "the folder of this producer exists", str(directory))
    prepared = root / f"{_BEING_MADE}{meta.producer_id}"
    prepared.mkdir(mode=0o700, exist_ok=True)
    disk.check_owner()
    lock = try_lock(prepared / WRITER_LOCK)
    if lock is None:  # only someone who takes us for dead looks here, and then sweeps it away
        raise FileNotFoundError(errno.ENOENT, "the half-made folder was taken away", str(prepared))
    try:
        (prepared / READER_LOCK).touch(mode=0o600)
        # Their room is taken now, so that a full disk cannot keep a reader from acknowledging.
        disk.store(lock.descriptor, encode_end(1), 0)
        disk.write_file(prepared / CHECKPOINT, encode_file(acknowledged), durable=False)
        _write_drops(prepared / DROPS, drops or empty_file(), disk)
        disk.write_file(prepared / META, _encode_meta(meta), durable=False)
        disk.replace(prepared, directory)
    except BaseException:
        lock.release()
        if not disk.veto:  # else we are a child that was forked in here, and the parent is still at it
            shutil.rmtree(prepared, ignore_errors=True)
        raise
    return directory, lock


def _write_drops(path: Path, content: bytes, disk: Disk) -> None:
    disk.unlink(path)  # of an attempt that failed
    descriptor = disk.create(path)
    try:
        # Allocated before it is written, as a segment is: it may be mapped.
        disk.allocate(descriptor, 0, DROPS_BYTES)
        disk.store(descriptor, content, 0)
    finally:
        os.close(descriptor)


def _encode_meta(meta: SpoolMeta) -> bytes:
    filled = {**asdict(meta), "pid": os.getpid(), "host": socket.gethostname()}
    return json.dumps({"format": FORMAT_VERSION, **filled}, ensure_ascii=False).encode()


def read_meta(directory: Path) -> SpoolMeta:
    """Return a folder's meta data; where `meta.json` is missing or damaged, only the producer id is known."""
    try:
        found: Any = json.loads((directory / META).read_bytes())
    except (OSError, ValueError):
        found = {}
    if not isinstance(found, dict):
        found = {}
    known: dict[str, Any] = {}
    for name, default in asdict(SpoolMeta("")).items():
        if isinstance(found.get(name), type(default)):
            known[name] = found[name]
    return SpoolMeta(**{**known, "producer_id": directory.name})


def scan(root: Path) -> list[Path]:
    """Return all folders of producers under `root`, oldest first; none if there is no root."""
    found: list[tuple[float, Path]] = []
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if PRODUCER_ID_PATTERN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                        found.append((entry.stat(follow_symlinks=False).st_mtime, Path(entry.path)))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [path for _, path in sorted(found)]


def writer_is_alive(directory: Path) -> bool:
    """Return whether the process that writes this folder lives and has it open."""
    return is_held(directory / WRITER_LOCK)


def remove_folder(directory: Path) -> None:
    """Delete a folder: first from its name, atomically, then for good.

    Only for the holder of the reader lease of a dead writer's folder. Raises OSError.
    """
    gone = directory.with_name(_BEING_REMOVED + directory.name)
    directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep(root: Path, *, left_behind_s: float = LEFT_BEHIND_S) -> None:
    """Delete what processes left that died while making or removing a folder; nothing in there was promised.

    Args:
        left_behind_s: half-made folders that changed within so many seconds are left alone.
    """
    try:
        paths = list(root.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in paths:
        name = path.name
        if name.startswith(_BEING_REMOVED):
            shutil.rmtree(path, ignore_errors=True)
        elif name.startswith(_BEING_MADE) and _is_left_behind(path, left_behind_s):
            # Renamed first: should its maker live after all, its next step fails and it starts again.
            gone = root / (_BEING_REMOVED + name)
            with contextlib.suppress(OSError):
                path.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)


def _is_left_behind(half_made: Path, left_behind_s: float) -> bool:
    try:
        # Either way: a clock that was set back must not keep it for ever.
        age_s = abs(time.time() - half_made.stat().st_mtime)
    except FileNotFoundError:
        return False
    return age_s >= left_behind_s and not writer_is_alive(half_made)
