"""Downloads one pinned file by its Maven coordinate; the only importer of `jgo`.

No repository is named here: `jgo` knows the public one, a setting can name another. Whether the file is
the right one is judged by the caller (`cache.py`), who knows its checksum.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests
from jgo.maven import MavenContext, PythonResolver

from shipper.errors import DownloadFailed
from shipper.stack.artifacts import Artifact
from shipper.stack.progress import Advance

READ_TIMEOUT_S: Final = 30
"""A repository that sends nothing for this long has failed."""

# Its warnings (a checksum that it compares but does not enforce) would reach the terminal as bare text.
logging.getLogger("jgo").addHandler(logging.NullHandler())


def download(artifact: Artifact, folder: Path, repository: str, advance: Advance) -> Path:
    """Download `artifact` into `folder` (empty, private to this call) and return the file.

    Args:
        repository: base URL of a Maven repository, or empty for the public one.
        advance: told the bytes as they arrive; what it raises ends the download and passes through.

    Raises:
        DownloadFailed: no connection, no such file, or the transfer stopped.
    """
    context = maven_context(folder, repository, advance)
    wanted = (
        context.project(artifact.group, artifact.name)
        .at_version(artifact.version)
        .artifact(packaging=artifact.packaging)
    )
    try:
        return Path(wanted.resolve())
    except requests.RequestException as error:
        raise DownloadFailed(artifact.file_name, _reason(error)) from error
    except RuntimeError as error:  # what jgo raises when no repository has the file
        raise DownloadFailed(artifact.file_name, "the repository does not have it") from error
    except OSError as error:
        raise DownloadFailed(artifact.file_name, error.strerror or str(error)) from error


def maven_context(folder: Path, repository: str, advance: Advance | None = None) -> MavenContext:
    """A context of jgo that keeps everything under `folder`, never in the user's own Maven folder."""

    @contextmanager
    def told(_name: str, _total_bytes: int) -> Iterator[Advance]:
        yield advance or (lambda _count: None)

    return MavenContext(
        resolver=PythonResolver(progress_callback=told),
        repo_cache=folder,
        remote_repos={"configured": repository.rstrip("/")} if repository else None,
        timeout=READ_TIMEOUT_S,
    )


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
    ):
        if isinstance(error, kind):
            return words
    return type(error).__name__
