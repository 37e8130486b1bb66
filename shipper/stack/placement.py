"""Under which account the servers run, and in which folders, so that this account can reach them.

Elasticsearch refuses to run as root. Started by root, both servers run as `nobody`; then the folders
that they use must be reachable for it, which `/root` (mode 700) is not. Such folders move to a public
place that root alone can write; the state file and `shipper stack path` say where.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipper.errors import StackError

_NOBODY: Final = 65534
PUBLIC_STATE: Final = Path("/var/lib/shipper")
PUBLIC_CACHE: Final = Path("/var/cache/shipper")


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged account: numeric user and group."""

    uid: int
    gid: int

    def may_enter(self, mode: os.stat_result) -> bool:
        """Whether the account may pass through the folder with this status."""
        return self._has(mode, stat.S_IXUSR, stat.S_IXGRP, stat.S_IXOTH)

    def may_read(self, mode: os.stat_result) -> bool:
        """Whether the account may read the file with this status."""
        return self._has(mode, stat.S_IRUSR, stat.S_IRGRP, stat.S_IROTH)

    def _has(self, mode: os.stat_result, user: int, group: int, other: int) -> bool:
        if mode.st_uid == self.uid:
            return bool(mode.st_mode & user)
        return bool(mode.st_mode & (group if mode.st_gid == self.gid else other))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the servers' own data (`home`) and their unpacked software (`software`) lie.

    `account` is None where the servers run as the caller.
    """

    account: Account | None
    home: Path
    software: Path


def server_account(effective_uid: int) -> Account | None:
    """None for an ordinary user; for root the account `nobody` of this machine."""
    if effective_uid != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:  # images without a user database
        return Account(_NOBODY, _NOBODY)
    return Account(entry.pw_uid, entry.pw_gid)


def place(directory: Path, cache: Path, account: Account | None) -> Placement:
    """Choose the folders for a stack whose settings name `directory` and `cache`; makes none of them."""
    directory, cache = directory.absolute(), cache.absolute()
    if account is None:
        return Placement(None, directory, cache / "software")
    # Two stacks of root side by side: the name of the folder tells them apart.
    name = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
    home, software = PUBLIC_STATE / f"stack-{name}", cache / "software"
    # Once data lies in the public place it stays there, even if the chosen folder was opened since.
    if not home.exists() and reaches(account, directory):
        home = directory
    if not reaches(account, software):
        software = PUBLIC_CACHE / "software"
    return Placement(account, home, software)


def reaches(account: Account, path: Path) -> bool:
    """Whether `account` may pass through every existing folder on the way to `path`, links resolved."""
    resolved = path.resolve()
    for folder in (resolved, *resolved.parents):
        try:
            status = folder.stat()
        except FileNotFoundError:
            continue  # we will make it, readable
        if folder.is_dir() and not account.may_enter(status):
            return False
    return True


def make_folder(path: Path, placement: Placement, *, owned: bool = False) -> Path:
    """Make the folder and its missing parents passable for the servers' account; return it.

    Args:
        owned: the account shall own it, because the server writes there.

    Raises:
        StackError: it cannot be made, or what lies there belongs to somebody else.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    account = placement.account
    try:
        path.mkdir(parents=True, exist_ok=True)
        if account is None:
            return path
        for folder in missing:
            folder.chmod(0o755)  # whatever the umask says
        if owned and path in missing:
            os.chown(path, account.uid, account.gid)
        owner = path.lstat().st_uid
    except OSError as error:
        raise StackError(
            f"The folder {path} cannot be made ({error.strerror}); choose folders of your own with "
            "SHIPPER_STACK_DIRECTORY and SHIPPER_STACK_CACHE."
        ) from error
    if owner != (account.uid if owned else 0):
        raise StackError(
            f"The folder {path} belongs to user {owner}; run the command as that user, or choose another "
            "folder with SHIPPER_STACK_DIRECTORY."
        )
    return path
