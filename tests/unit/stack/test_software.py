"""Unpacked software is whole or absent, readable for the servers' account, and repaired when damaged."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.clock import SystemClock
from shipper.config import StackSettings
from shipper.errors import ChecksumMismatch, ResourceShortage, StackError
from shipper.stack import software
from shipper.stack.artifacts import Lock
from shipper.stack.cache import ArtifactCache
from shipper.stack.placement import Account, Placement
from shipper.stack.progress import SilentProgress
from shipper.stack.provision import provide_software
from shipper.stack.software import install, is_complete, locate, missing_pieces
from tests.unit.stack.maven_server import MavenServer, maven_server


def archive(**files: str) -> bytes:
    """A zip with a top folder, as distributions have it; `bin/run` is executable."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in {"es/bin/run": "#!", "es/config/jvm.options": "-x", **files}.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o700 if name.endswith("run") else 0o600) << 16
            file.writestr(entry, text)
    return content.getvalue()


@pytest.fixture
def repository() -> Iterator[MavenServer]:
    """A repository on this machine."""
    with maven_server() as running:
        yield running


@pytest.fixture
def lock(repository: MavenServer) -> Lock:
    """A lock of one jar and one small distribution."""
    jar = repository.add(b"jar", name="kafka_2.13")
    return Lock((jar, repository.add(archive(), name="elasticsearch", packaging="zip")))


@pytest.fixture
def placement(tmp_path: Path) -> Placement:
    """An ordinary user's folders."""
    return Placement(None, tmp_path / "home", tmp_path / "cache" / "software")


def provide(lock: Lock, repository: MavenServer, placement: Placement) -> None:
    """Provide the software from the repository."""
    settings = StackSettings(cache=placement.software.parent, maven_repository=repository.url)
    provide_software(lock, settings, placement, SilentProgress(), SystemClock())


def test_everything_is_unpacked_and_readable(
    lock: Lock, repository: MavenServer, placement: Placement
) -> None:
    """Programs keep their executable bit, all is readable for everybody, no partial folder stays."""
    provide(lock, repository, placement)
    found = locate(lock, placement)
    assert (found.kafka / "kafka_2.13-1.0.jar").read_bytes() == b"jar"
    modes = {
        name: stat.S_IMODE((found.elasticsearch / name).stat().st_mode)
        for name in ("bin", "bin/run", "config/jvm.options")
    }
    assert modes == {"bin": 0o755, "bin/run": 0o755, "config/jvm.options": 0o644}
    assert not list(placement.software.glob("*.partial"))
    assert missing_pieces(lock, placement) == ()


def test_ready_software_needs_no_repository_and_no_right_to_write(
    lock: Lock, repository: MavenServer, placement: Placement
) -> None:
    """The second start asks nobody and writes nothing."""
    provide(lock, repository, placement)
    asked = len(repository.asked)
    (placement.software / "lock").unlink()
    provide(lock, repository, placement)
    assert len(repository.asked) == asked
    assert not (placement.software / "lock").exists()


@pytest.mark.parametrize("damage", ["missing", "longer", "list", "list gone"])
def test_damaged_software_is_built_anew(
    lock: Lock, repository: MavenServer, placement: Placement, damage: str
) -> None:
    """A file that is gone or has another size, or a torn list, is repaired from the verified archives."""
    provide(lock, repository, placement)
    folder = locate(lock, placement).elasticsearch
    match damage:
        case "missing":
            (folder / "bin" / "run").unlink()
        case "longer":
            (folder / "bin" / "run").write_text("something else", "utf-8")
        case "list":
            (folder / ".complete.json").write_text('{"bin/run": ', "utf-8")
        case _:
            (folder / ".complete.json").unlink()
    assert missing_pieces(lock, placement) == (folder,)
    asked = len(repository.asked)
    provide(lock, repository, placement)
    assert (folder / "bin" / "run").read_text("utf-8") == "#!"
    assert len(repository.asked) == asked, "the archive is in the cache"


def test_interrupted_unpacking_leaves_nothing_to_mistake(
    lock: Lock, repository: MavenServer, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was being filled when the command was killed is not taken for the software."""
    left = placement.software / f"{locate(lock, placement).kafka.name}.partial"
    left.mkdir(parents=True)
    (left / "half.jar").touch()
    assert not is_complete(left)
    provide(lock, repository, placement)
    assert not left.exists()
    assert not (locate(lock, placement).kafka / "half.jar").exists()


def test_archive_damaged_in_the_cache_is_not_unpacked(
    lock: Lock, repository: MavenServer, placement: Placement
) -> None:
    """The checksum is compared again at unpacking; the damaged file is removed and named."""
    files = placement.software.parent / "artifacts"
    provide(lock, repository, placement)
    (locate(lock, placement).kafka / "kafka_2.13-1.0.jar").unlink()
    (files / "kafka_2.13-1.0.jar").unlink()
    (files / "kafka_2.13-1.0.jar").write_bytes(b"raj")
    with pytest.raises(ChecksumMismatch, match=r"kafka_2\.13-1\.0\.jar"):
        provide(lock, repository, placement)
    provide(lock, repository, placement)
    assert missing_pieces(lock, placement) == ()


def test_archive_may_not_write_elsewhere(repository: MavenServer, placement: Placement) -> None:
    """A name that climbs out of the folder is refused."""
    evil = repository.add(archive(**{"es/../../evil": "x"}), name="elasticsearch", packaging="zip")
    lock = Lock((repository.add(b"jar", name="kafka_2.13"), evil))
    with pytest.raises(StackError, match="outside of itself"):
        provide(lock, repository, placement)
    assert not (placement.software / "evil").exists()


def test_no_room_on_the_disk(
    lock: Lock, repository: MavenServer, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too little disk is said before anything is downloaded."""
    monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 1 << 20}))
    with pytest.raises(ResourceShortage, match="SHIPPER_STACK_CACHE"):
        provide(lock, repository, placement)
    assert repository.asked == []


def test_java_image_is_copied_only_where_the_account_cannot_read_it(
    lock: Lock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment below a closed home is unreadable for the servers' account: it gets a copy."""
    image = tmp_path / "venv" / "java"
    for name in ("bin/java", "lib/modules", "lib/server/libjvm.so"):
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).touch(mode=0o755)
    monkeypatch.setattr(software, "_java_image", lambda: image)
    monkeypatch.setattr(software, "reaches", lambda _account, path: "venv" not in path.parts)
    stranger = Placement(Account(54_321, 54_321), tmp_path, tmp_path / "software")
    assert locate(lock, stranger).java.parent == stranger.software
    monkeypatch.setattr(software, "reaches", lambda _account, _path: True)
    assert locate(lock, stranger).java == image
    (image / "lib" / "modules").chmod(0o600)
    assert locate(lock, stranger).java.parent == stranger.software
    assert locate(lock, Placement(None, tmp_path, tmp_path)).java == image


def test_install_copies_the_java_image(
    lock: Lock, repository: MavenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy is readable whatever the image's own modes are."""
    image = tmp_path / "venv" / "java"
    (image / "bin").mkdir(parents=True)
    (image / "bin" / "java").touch(mode=0o700)
    monkeypatch.setattr(software, "_java_image", lambda: image)
    placement = Placement(Account(54_321, 54_321), tmp_path, tmp_path / "software")
    placement.software.mkdir()
    cache = ArtifactCache(tmp_path / "cache", repository.url)
    install(lock, cache, placement, SilentProgress())
    copied = locate(lock, placement).java_program
    assert copied.is_relative_to(placement.software)
    assert stat.S_IMODE(copied.stat().st_mode) == 0o755
