"""The cache of downloaded archives: whole and verified, or absent.

Layout: `<cache>/artifacts/<file>`; downloads go to `<cache>/downloads/<unique>/` and move over by rename
once their checksum is right, so that a crash leaves nothing that looks finished.
"""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shipper.errors import ChecksumMismatch, DownloadFailed
from shipper.stack.artifacts import Artifact, sha256_of, total_bytes
from shipper.stack.progress import Advance, Progress

_CONNECTIONS: Final = 4
RETRY_PAUSES_S: Final = (1.0, 4.0)
"""Before the second and the third attempt at one file."""


class ArtifactCache:
    """Archives under `root`; `repository` is a Maven repository's URL, or empty for the public one."""

    def __init__(self, root: Path, repository: str = "") -> None:
        self._files = root / "artifacts"
        self._downloads = root / "downloads"
        self._repository = repository

    def path(self, artifact: Artifact) -> Path:
        """Where the file is, once fetched."""
        return self._files / artifact.file_name

    def missing(self, artifacts: Sequence[Artifact]) -> tuple[Artifact, ...]:
        """Those that are absent or whose size is wrong; reads no content."""
        return tuple(artifact for artifact in artifacts if not self._has(artifact))

    def _has(self, artifact: Artifact) -> bool:
        try:
            return self.path(artifact).stat().st_size == artifact.size
        except OSError:
            return False

    def verify(self, artifact: Artifact) -> Path:
        """Return the file after comparing its whole content with the pin.

        Raises:
            ChecksumMismatch: it differs; the file is removed.
        """
        path = self.path(artifact)
        found = sha256_of(path)
        if found != artifact.sha256:
            path.unlink(missing_ok=True)
            raise ChecksumMismatch(str(path), artifact.sha256, found)
        return path

    def fetch(self, text: str, artifacts: Sequence[Artifact], progress: Progress) -> None:
        """Download what is missing; the caller holds the cache's lock.

        Raises:
            DownloadFailed: an archive did not arrive whole.
            ChecksumMismatch: an archive is not the pinned one.
        """
        missing = self.missing(artifacts)
        if not missing:
            return
        self._files.mkdir(parents=True, exist_ok=True)
        # The caller holds the lock: whatever lies here was left by a download that was killed.
        shutil.rmtree(self._downloads, ignore_errors=True)
        self._downloads.mkdir(parents=True)
        try:
            with progress.transfer(text, total_bytes(missing)) as advance:
                _Crew(self, sorted(missing, key=lambda a: -a.size), advance).run()
        finally:
            shutil.rmtree(self._downloads, ignore_errors=True)

    def fetch_one(self, artifact: Artifact, advance: Advance) -> None:
        """Download, verify and move one file into place; see `fetch`."""
        from shipper.stack.maven import download  # noqa: PLC0415 -- its library takes 0.2 s to load

        folder = Path(tempfile.mkdtemp(prefix="fetch-", dir=self._downloads))
        arrived_bytes = 0

        def count(size: int) -> None:
            nonlocal arrived_bytes
            advance(size)
            arrived_bytes += size

        try:
            file = download(artifact, folder, self._repository, count)
        except DownloadFailed:
            advance(-arrived_bytes)  # a further attempt begins at zero
            raise
        size = file.stat().st_size
        if size < artifact.size:
            raise DownloadFailed(artifact.file_name, f"only {size} of {artifact.size} bytes arrived")
        found = sha256_of(file)
        if found != artifact.sha256 or size > artifact.size:
            file.unlink()
            raise ChecksumMismatch(artifact.file_name, artifact.sha256, found)
        file.chmod(0o644)  # a server that runs under another account reads it
        file.replace(self.path(artifact))


class _Stopped(Exception):
    """Raised into a download that nobody waits for any more."""


class _Crew:
    """A few threads that fetch from one list.

    Daemon threads rather than an executor: the interpreter waits for an executor's threads at exit, and
    Ctrl-C must not wait for a slow repository.
    """

    def __init__(self, cache: ArtifactCache, artifacts: Sequence[Artifact], advance: Advance) -> None:
        self._cache = cache
        self._expected = len(artifacts)
        self._advance = advance
        self._todo: queue.SimpleQueue[Artifact] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        for artifact in artifacts:
            self._todo.put(artifact)

    def run(self) -> None:
        """Fetch all; the first error, or Ctrl-C, stops the others within a block."""
        from shipper.stack.maven import certificates  # noqa: PLC0415

        with certificates():
            for _ in range(min(_CONNECTIONS, self._expected)):
                threading.Thread(target=self._work, daemon=True, name="shipper-fetch").start()
            try:
                for _ in range(self._expected):
                    error = self._done.get()
                    if error is not None:
                        raise error
            finally:
                self._stop.set()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                artifact = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                self._fetch(artifact)
            except Exception as error:  # noqa: BLE001 -- carried to the caller's thread and raised there
                self._done.put(error)
            else:
                self._done.put(None)

    def _fetch(self, artifact: Artifact) -> None:
        """Fetch one file; a transfer that failed is tried again, since networks are like that."""
        for pause_s in RETRY_PAUSES_S:
            try:
                return self._cache.fetch_one(artifact, self._count)
            except DownloadFailed:
                if self._stop.wait(pause_s):
                    raise
        return self._cache.fetch_one(artifact, self._count)

    def _count(self, arrived_bytes: int) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._advance(arrived_bytes)
