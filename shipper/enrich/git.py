"""Which commit runs: from settings, a build stamp, or the repository; never raises, never waits long.

Looked for, in this order:

1. settings (`SHIPPER_GIT_COMMIT`, `SHIPPER_GIT_BRANCH`, `SHIPPER_GIT_DIRTY`): source `environment`;
2. upwards from the start folder, whatever comes first: a file `_git_stamp.json` (written at build time by
   `write_stamp`): source `build`; a `.git` (folder, worktree or submodule): source `repository`.

Commit and branch are read from the files of the repository, so that neither a missing `git` nor a folder
of another owner matters; only `dirty` and `diff_hash` ask `git`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

STAMP_NAME: Final = "_git_stamp.json"
"""Name of the build stamp; it lies in the package's folder or above it."""

GIT_TIMEOUT_S: Final = 1.5
"""Longest wait for `git`, in seconds; then `dirty` stays unknown."""

_HASH: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?\Z")
_MOST_LINKS: Final = 5


@dataclass(frozen=True, slots=True)
class GitFacts:
    """What is known about the running commit; None is unknown.

    Attributes:
        branch: None also on a detached head.
        dirty: whether tracked files differ from the commit.
        diff_hash: 16 hexadecimal digits over the difference, when dirty.
        source: repository, build or environment.
    """

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    diff_hash: str | None = None
    source: str | None = None

    def fields(self) -> dict[str, object]:
        """Return the declared fields that are known; none without a commit."""
        if self.commit is None:
            return {}
        return {f"git.{name}": value for name, value in asdict(self).items() if value is not None}


def git_facts(starts: Iterable[Path], *, use_stamps: bool = True) -> GitFacts:
    """Return the facts for the first of the start folders that has any."""
    for start in starts:
        facts = _facts_from(start, use_stamps)
        if facts.source is not None:
            return facts
    return GitFacts()


def write_stamp(package: Path, source: Path | None = None) -> Path:
    """Write the facts of the repository around `source` (default: `package`) into `package`; return the file.

    For a build: `python -m shipper.enrich.git FOLDER [SOURCE]`. Without a repository the stamp says so.

    Raises:
        OSError: the folder cannot be written to.
    """
    facts = git_facts([source if source is not None else package], use_stamps=False)
    path = package / STAMP_NAME
    path.write_text(json.dumps(asdict(replace(facts, source="build"))) + "\n", "utf-8")
    return path


def _facts_from(start: Path, use_stamps: bool) -> GitFacts:
    try:
        folder = start.resolve()
        for place in (folder, *folder.parents):
            stamp = place / STAMP_NAME
            if use_stamps and stamp.is_file():
                return _read_stamp(stamp)
            if (place / ".git").exists():
                return _read_repository(place)
    except (OSError, ValueError, RuntimeError):
        return GitFacts()
    return GitFacts()


def _read_stamp(path: Path) -> GitFacts:
    found = json.loads(path.read_text("utf-8"))
    if not isinstance(found, dict):
        return GitFacts()
    commit, branch, diff_hash = (
        value if isinstance(value := found.get(name), str) and value else None
        for name in ("commit", "branch", "diff_hash")
    )
    dirty = found.get("dirty")
    return GitFacts(commit, branch, dirty if isinstance(dirty, bool) else None, diff_hash, "build")


def _read_repository(place: Path) -> GitFacts:
    git_folder = _git_folder(place / ".git")
    commit, branch = _read_head(git_folder)
    if commit is None:  # a reference format that we do not read (reftable)
        commit, branch = _ask_head(place)
    if commit is None:
        return GitFacts()
    dirty, diff_hash = _difference(place)
    return GitFacts(commit, branch, dirty, diff_hash, "repository")


def _git_folder(entry: Path) -> Path:
    if entry.is_dir():
        return entry
    text = entry.read_text("utf-8", "replace").strip()  # a worktree or submodule: a file that points on
    return (entry.parent / text.removeprefix("gitdir:").strip()).resolve()


def _read_head(git_folder: Path) -> tuple[str | None, str | None]:
    """Return commit and branch; the branch is None on a detached head, the commit None if unreadable."""
    common = git_folder
    pointer = git_folder / "commondir"
    if pointer.is_file():
        common = (git_folder / pointer.read_text("utf-8").strip()).resolve()
    value = (git_folder / "HEAD").read_text("utf-8", "replace").strip()
    branch = value.removeprefix("ref:").strip() if value.startswith("ref:") else None
    for _ in range(_MOST_LINKS):
        if not value.startswith("ref:"):
            break
        value = _read_reference(git_folder, common, value.removeprefix("ref:").strip())
    commit = value if _HASH.match(value) else None
    return commit, None if branch is None else branch.removeprefix("refs/heads/")


def _read_reference(git_folder: Path, common: Path, name: str) -> str:
    if ".." in name or name.startswith("/"):
        return ""
    for folder in (git_folder, common):
        path = folder / name
        if path.is_file():
            return path.read_text("utf-8", "replace").strip()
    packed = common / "packed-refs"
    if packed.is_file():
        for line in packed.read_text("utf-8", "replace").splitlines():
            commit, _, packed_name = line.partition(" ")
            if packed_name == name:
                return commit
    return ""


def _ask_head(place: Path) -> tuple[str | None, str | None]:
    commit = _git(place, "rev-parse", "--verify", "HEAD")
    branch = _git(place, "symbolic-ref", "--short", "--quiet", "HEAD")
    found = commit.decode("ascii", "replace").strip() if commit is not None else ""
    if not _HASH.match(found):
        return None, None
    return found, branch.decode("utf-8", "replace").strip() or None if branch is not None else None


def _difference(place: Path) -> tuple[bool | None, str | None]:
    difference = _git(place, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--no-textconv")
    if difference is None:
        return None, None
    if not difference:
        return False, None
    return True, hashlib.sha256(difference).hexdigest()[:16]


def _git(place: Path, *arguments: str) -> bytes | None:
    """Return what `git` prints, or None if it is missing, refuses (an owner it does not trust) or is slow."""
    # The caller's GIT_DIR (we may run inside a hook) would answer for another repository; a file-system
    # monitor would start a daemon; an optional lock would write into the repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(place), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return done.stdout if done.returncode == 0 else None


if __name__ == "__main__":
    import sys

    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: python -m shipper.enrich.git FOLDER [SOURCE]")
    sys.stdout.write(f"{write_stamp(*(Path(argument) for argument in sys.argv[1:]))}\n")
