"""Where the servers live and as whom they run."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from shipper.errors import StackError
from shipper.stack import placement
from shipper.stack.placement import Account, Placement, make_folder, place, reaches, server_account

STRANGER = Account(54_321, 54_321)
"""An account that owns nothing here."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def test_ordinary_users_run_the_servers_themselves(tmp_path: Path) -> None:
    """Without root, everything is in the folders that were chosen."""
    assert server_account(1000) is None
    chosen = place(tmp_path / "stack", tmp_path / "cache", None)
    assert chosen == Placement(None, tmp_path / "stack", tmp_path / "cache" / "software")


def test_root_never_runs_a_server() -> None:
    """Elasticsearch refuses to run as root, so root starts it as an account without rights."""
    account = server_account(0)
    assert account is not None
    assert account.uid != 0


def test_closed_folders_move_to_a_public_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a home of mode 700 the account could read nothing: data and software go elsewhere."""
    monkeypatch.setattr(placement, "PUBLIC_STATE", tmp_path / "public" / "state")
    monkeypatch.setattr(placement, "PUBLIC_CACHE", tmp_path / "public" / "cache")
    home = tmp_path / "root"
    home.mkdir(mode=0o700)
    chosen = place(home / "stack", home / "cache", STRANGER)
    other = place(home / "stack2", home / "cache", STRANGER)
    assert chosen.home.parent == tmp_path / "public" / "state"
    assert chosen.software == tmp_path / "public" / "cache" / "software"
    assert other.home != chosen.home, "two stacks side by side must not share data"


def test_data_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the chosen folder later does not lose the data that lie in the public place."""
    monkeypatch.setattr(placement, "PUBLIC_STATE", tmp_path / "public")
    tmp_path.chmod(0o755)
    home = tmp_path / "root"
    home.mkdir(mode=0o700)
    before = place(home / "stack", home / "cache", STRANGER)
    before.home.mkdir(parents=True)
    home.chmod(0o755)
    assert place(home / "stack", home / "cache", STRANGER).home == before.home


def test_reaching_looks_at_every_folder_on_the_way(tmp_path: Path) -> None:
    """One closed folder on the way closes all below it; a link counts as what it points to."""
    account = Account(STRANGER.uid, STRANGER.gid)
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    opened = all(account.may_enter(folder.stat()) for folder in tmp_path.parents)
    for folder in (tmp_path, tmp_path / "a", inner):
        folder.chmod(0o755)
    assert reaches(account, inner) is opened
    assert reaches(account, inner / "not yet there") is opened
    (tmp_path / "a").chmod(0o750)
    (tmp_path / "link").symlink_to(inner)
    assert not reaches(account, inner)
    assert not reaches(account, tmp_path / "link")


@pytest.mark.parametrize(
    ("owner", "group", "mode", "expected"),
    [
        (54_321, 0, 0o700, True),
        (54_321, 0, 0o077, False),
        (0, 54_321, 0o070, True),
        (0, 54_321, 0o707, False),
        (0, 0, 0o005, True),
        (0, 0, 0o770, False),
    ],
)
def test_rights_are_those_of_the_first_class_that_fits(
    owner: int, group: int, mode: int, expected: bool
) -> None:
    """As in the kernel: the owner's bits count for the owner, even if the others have more."""
    status = os.stat_result((stat.S_IFDIR | mode, 0, 0, 1, owner, group, 0, 0, 0, 0))
    assert STRANGER.may_enter(status) is expected
    assert STRANGER.may_read(status) is expected


@as_root
def test_folders_for_the_servers_are_passable_whatever_the_umask(tmp_path: Path) -> None:
    """A strict umask of root must not lock the servers' account out."""
    before = os.umask(0o077)
    try:
        folder = make_folder(tmp_path / "x" / "y", Placement(STRANGER, tmp_path, tmp_path), owned=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o755
    assert (folder.stat().st_uid, (tmp_path / "x").stat().st_uid) == (STRANGER.uid, 0)


@as_root
def test_somebody_elses_folder_is_not_taken(tmp_path: Path) -> None:
    """Data that another user wrote are not quietly used or given away by root."""
    theirs = tmp_path / "data"
    theirs.mkdir()
    os.chown(theirs, 1234, 1234)
    with pytest.raises(StackError, match="belongs to user 1234"):
        make_folder(theirs, Placement(STRANGER, tmp_path, tmp_path), owned=True)


def test_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A file where a folder should be is explained with the settings that help."""
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match="SHIPPER_STACK_DIRECTORY"):
        make_folder(tmp_path / "file" / "folder", Placement(None, tmp_path, tmp_path))
