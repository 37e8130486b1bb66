"""Downloads one pinned file by its Maven coordinate; the only importer of `jgo`.

No repository is named here: `jgo` knows the public one, a setting can name another. Whether the file is
the right one is judged by the caller (`cache.py`), who knows its checksum.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import requests
from jgo.maven import Artifact as MavenArtifact
from jgo.maven import MavenContext, PythonResolver
from jgo.util import http

from shipper.errors import DownloadFailed
from shipper.stack.artifacts import Artifact
from shipper.stack.progress import Advance

READ_TIMEOUT_S: Final = 30
"""A repository that sends nothing for this long has failed."""
_BLOCK_BYTES: Final = 1 << 17
_ABSENT: Final = (403, 404, 410)
"""Some repositories answer 403 for what they do not have."""


def download(artifact: Artifact, folder: Path, repository: str, advance: Advance) -> Path:
    """Download `artifact` into `folder` (empty, private to this call) and return the file.

    Args:
        repository: base URL of a Maven repository, or empty for the public one.
        advance: told the bytes as they arrive; what it raises ends the download and passes through.

    Raises:
        DownloadFailed: no connection, no such file, or the transfer stopped.
    """
    context = _context(folder, repository, advance)
    wanted = (
        context.project(artifact.group, artifact.name)
        .at_version(artifact.version)
        .artifact(packaging=artifact.packaging)
    )
    try:
        return Path(wanted.resolve())
    except requests.RequestException as error:
        raise DownloadFailed(artifact.file_name, _reason(error)) from error
    except OSError as error:
        raise DownloadFailed(artifact.file_name, error.strerror or str(error)) from error


def dependencies(coordinate: str, folder: Path, repository: str) -> set[str]:
    """Coordinates (`group:name:version`) of an artefact and of all that it needs at run time; for pinning."""
    context = _context(folder, repository, lambda _count: None)
    inputs, transitive = context.resolver.resolve([context.create_dependency(coordinate)])
    return {f"{d.groupId}:{d.artifactId}:{d.version}" for d in (*inputs, *transitive)}


def _context(folder: Path, repository: str, advance: Advance) -> MavenContext:
    """A context of jgo that keeps everything under `folder`, never in the user's own Maven folder."""
    return MavenContext(
        resolver=_Resolver(advance),
        repo_cache=folder,
        remote_repos={"configured": repository.rstrip("/")} if repository else None,
    )


class _Resolver(PythonResolver):
    """Resolves as jgo does, but closes each connection and asks for no weak checksums beside the files."""

    def __init__(self, advance: Advance) -> None:
        super().__init__()
        self._advance = advance

    def download(self, artifact: MavenArtifact) -> Path:
        """Download one file from the first repository that has it; called by jgo."""
        target = artifact.cached_path
        assert target is not None  # noqa: S101 -- there is always a folder, see _context
        for base in artifact.context.remote_repos.values():
            url = f"{base}/{artifact.component.path_prefix.as_posix()}/{artifact.filename}"
            with closing(http.get(url, stream=True, timeout=READ_TIMEOUT_S)) as answer:
                if answer.status_code in _ABSENT:
                    continue
                answer.raise_for_status()
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    for block in answer.iter_content(_BLOCK_BYTES):
                        file.write(block)
                        self._advance(len(block))
                return target
        raise DownloadFailed(artifact.filename, "the repository does not have it")


@contextmanager
def certificates() -> Iterator[None]:
    """While open, SSL_CERT_FILE counts also for `requests`, which only knows REQUESTS_CA_BUNDLE."""
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if not bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        yield
        return
    os.environ["REQUESTS_CA_BUNDLE"] = bundle
    try:
        yield
    finally:
        os.environ.pop("REQUESTS_CA_BUNDLE", None)


def _reason(error: requests.RequestException) -> str:
    """Name the trouble in a few words; the whole chain stays reachable as the cause."""
    for kind, words in (
        (requests.exceptions.SSLError, "the certificate is not trusted; see SSL_CERT_FILE"),
        (requests.exceptions.ProxyError, "the proxy refused"),
        (requests.exceptions.Timeout, f"no answer within {READ_TIMEOUT_S} s"),
        (requests.exceptions.ChunkedEncodingError, "the transfer was cut short"),
        (requests.exceptions.ConnectionError, "no connection to the repository"),
        (
            requests.exceptions.HTTPError,
            f"the repository answered {getattr(error.response, 'status_code', '?')}",
        ),
    ):
        if isinstance(error, kind):
            return words
    return type(error).__name__
