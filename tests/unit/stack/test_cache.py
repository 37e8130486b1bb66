"""The download cache: a file is whole and verified, or absent, whatever the repository does."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.errors import ChecksumMismatch, DownloadFailed
from shipper.stack import cache as cache_module
from shipper.stack import maven
from shipper.stack.artifacts import Artifact
from shipper.stack.cache import ArtifactCache
from shipper.stack.progress import SilentProgress
from tests.unit.stack.maven_server import (
    Answer,
    Handler,
    MavenServer,
    altered,
    cut_short,
    cut_short_unannounced,
    hanging_up,
    maven_server,
    whole,
)


@pytest.fixture
def repository() -> Iterator[MavenServer]:
    """A repository on this machine."""
    with maven_server() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "RETRY_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def cache(tmp_path: Path, repository: MavenServer) -> ArtifactCache:
    """An empty cache that fetches from it."""
    return ArtifactCache(tmp_path / "cache", repository.url)


def fetch(cache: ArtifactCache, *artifacts: Artifact) -> None:
    """Fetch without telling anybody."""
    cache.fetch("Fetching", artifacts, SilentProgress())


def test_fetches_all_once(cache: ArtifactCache, repository: MavenServer) -> None:
    """What is there is not downloaded again; what is missing is, several at a time."""
    artifacts = [repository.add(os.urandom(50_000 + i), name=f"n{i}") for i in range(9)]
    assert cache.missing(artifacts) == tuple(artifacts)
    fetch(cache, *artifacts)
    fetch(cache, *artifacts)
    assert cache.missing(artifacts) == ()
    assert sorted(repository.asked) == sorted(artifact.file_name for artifact in artifacts)
    assert all(cache.verify(artifact).read_bytes() for artifact in artifacts)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (cut_short, DownloadFailed, "cut short"),
        (cut_short_unannounced, DownloadFailed, "only 2000 of 4000 bytes arrived"),
        (hanging_up, DownloadFailed, "no connection"),
        (altered, ChecksumMismatch, "wrong checksum"),
    ],
)
def test_bad_download_is_never_used(
    cache: ArtifactCache,
    repository: MavenServer,
    tmp_path: Path,
    answer: Answer,
    error: type[Exception],
    words: str,
) -> None:
    """A torn or altered download is one sentence, leaves nothing behind, and the next run succeeds."""
    artifact = repository.add(os.urandom(4000))
    repository.answers[artifact.file_name] = answer
    with pytest.raises(error, match=words) as caught:
        fetch(cache, artifact)
    assert "run the command again" in str(caught.value)
    assert cache.missing([artifact]) == (artifact,)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    repository.answers.clear()
    fetch(cache, artifact)
    assert cache.verify(artifact)


def test_passing_trouble_is_tried_again(cache: ArtifactCache, repository: MavenServer) -> None:
    """A transfer that breaks off twice and then works is a success, without a word."""
    artifact = repository.add(os.urandom(4000))
    answers = iter([cut_short, hanging_up, whole])

    def moody(request: Handler, content: bytes) -> None:
        next(answers)(request, content)

    repository.answers[artifact.file_name] = moody
    fetch(cache, artifact)
    assert cache.verify(artifact)
    assert len(repository.asked) == 3


def test_unknown_file_and_unreachable_repository(cache: ArtifactCache, tmp_path: Path) -> None:
    """404 and a closed port are failed downloads, in words that tell them apart."""
    with maven_server() as other:
        artifact = other.add(b"content")
        with pytest.raises(DownloadFailed, match="does not have it"):
            fetch(cache, artifact)
        url = other.url
    with pytest.raises(DownloadFailed, match="no connection to the repository"):
        fetch(ArtifactCache(tmp_path / "c2", url), artifact)


def test_silent_repository_ends_in_time(
    cache: ArtifactCache, repository: MavenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that stops sending is given up after the read timeout."""
    monkeypatch.setattr(maven, "READ_TIMEOUT_S", 0.2)
    release = threading.Event()

    def stall(request: Handler, content: bytes) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[:10])
        request.wfile.flush()
        release.wait(10)

    artifact = repository.add(os.urandom(4000))
    repository.answers[artifact.file_name] = stall
    try:
        with pytest.raises(DownloadFailed):
            fetch(cache, artifact)
    finally:
        release.set()


def test_file_damaged_in_the_cache(cache: ArtifactCache, repository: MavenServer) -> None:
    """A wrong size is fetched again; a wrong content is found before use and removed."""
    artifact = repository.add(os.urandom(4000))
    fetch(cache, artifact)
    path = cache.path(artifact)
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.missing([artifact]) == (artifact,)
    fetch(cache, artifact)
    path.write_bytes(bytes(4000))
    with pytest.raises(ChecksumMismatch, match="it was removed"):
        cache.verify(artifact)
    assert cache.missing([artifact]) == (artifact,)


def test_remains_of_a_killed_download_are_cleared(
    cache: ArtifactCache, repository: MavenServer, tmp_path: Path
) -> None:
    """What a killed command left in the download folder is removed by the next one."""
    left = tmp_path / "cache" / "downloads" / "fetch-old" / "half.jar"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    fetch(cache, repository.add(b"content"))
    assert not left.exists()


def test_interruption_stops_the_other_downloads(cache: ArtifactCache, repository: MavenServer) -> None:
    """When one download fails, the others end within a block instead of running on."""
    good, bad = repository.add(os.urandom(3 << 20), name="good"), repository.add(b"bad", name="bad")
    started, release = threading.Event(), threading.Event()

    def slow(request: Handler, content: bytes) -> None:
        started.set()
        release.wait(10)
        whole(request, content)

    def fail_after_start(request: Handler, content: bytes) -> None:
        started.wait(10)
        altered(request, content)

    repository.answers = {good.file_name: slow, bad.file_name: fail_after_start}
    try:
        with pytest.raises(ChecksumMismatch):
            fetch(cache, good, bad)
    finally:
        release.set()
    assert cache.missing([good]) == (good,)


def test_wrong_pin_is_not_accepted(cache: ArtifactCache, repository: MavenServer) -> None:
    """A file longer than pinned is as wrong as an altered one."""
    artifact = repository.add(os.urandom(4000))
    with pytest.raises(ChecksumMismatch):
        fetch(cache, dataclasses.replace(artifact, size=3000))


def test_ssl_cert_file_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE is honoured where REQUESTS_CA_BUNDLE is not set, and only while downloading."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "/certificates.pem")
    with maven.certificates():
        assert os.environ["REQUESTS_CA_BUNDLE"] == "/certificates.pem"
    assert "REQUESTS_CA_BUNDLE" not in os.environ
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/mine.pem")
    with maven.certificates():
        assert os.environ["REQUESTS_CA_BUNDLE"] == "/mine.pem"
    assert os.environ["REQUESTS_CA_BUNDLE"] == "/mine.pem"
