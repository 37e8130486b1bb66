"""Git facts from every place that has them, without raising and without waiting."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.enrich import git
from shipper.enrich.git import GitFacts, git_facts, write_stamp


def run(folder: Path, *arguments: str) -> str:
    """Run git in a folder, without the configuration of whoever runs the tests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {
        "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on branch `main`."""
    folder = tmp_path / "repository"
    (folder / "package" / "deep").mkdir(parents=True)
    (folder / "package" / "app.py").write_text("print(1)\n")
    run(folder, "init", "-q", "-b", "main")
    run(folder, "add", ".")
    run(folder, "commit", "-q", "-m", "one")
    return folder


def test_sub_folder(repository: Path) -> None:
    """Commit and branch are found from any folder inside; a clean tree is not dirty."""
    commit = run(repository, "rev-parse", "HEAD")
    facts = git_facts([repository / "package" / "deep"])
    assert facts == GitFacts(commit, "main", False, None, "repository")


def test_dirty(repository: Path) -> None:
    """A change of tracked files makes it dirty, with a hash that names the difference; new files do not."""
    (repository / "new.txt").write_text("x")
    assert git_facts([repository]).dirty is False
    (repository / "package" / "app.py").write_text("print(2)\n")
    first = git_facts([repository])
    assert first.dirty is True
    assert first.diff_hash is not None
    assert len(first.diff_hash) == 16
    assert git_facts([repository]).diff_hash == first.diff_hash
    (repository / "package" / "app.py").write_text("print(3)\n")
    assert git_facts([repository]).diff_hash != first.diff_hash


def test_packed_references(repository: Path) -> None:
    """After `git gc` the branch lies in `packed-refs` and is still found."""
    commit = run(repository, "rev-parse", "HEAD")
    run(repository, "pack-refs", "--all")
    assert not (repository / ".git" / "refs" / "heads" / "main").exists()
    assert git_facts([repository]).commit == commit


def test_branch_with_slashes_and_detached_head(repository: Path) -> None:
    """A branch keeps its slashes; a detached head has a commit and no branch."""
    run(repository, "checkout", "-q", "-b", "feature/x")
    assert git_facts([repository]).branch == "feature/x"
    run(repository, "checkout", "-q", "--detach")
    facts = git_facts([repository])
    assert facts.branch is None
    assert facts.commit == run(repository, "rev-parse", "HEAD")
    assert "git.branch" not in facts.fields()


def test_worktree_and_submodule(repository: Path, tmp_path: Path) -> None:
    """A worktree and a submodule, whose `.git` is a file, have their own commit and branch."""
    tree = tmp_path / "tree"
    run(repository, "worktree", "add", "-q", "-b", "side", str(tree))
    (tree / "x").write_text("x")
    run(tree, "add", "x")
    run(tree, "commit", "-q", "-m", "two")
    facts = git_facts([tree / "package"])
    assert (facts.commit, facts.branch) == (run(tree, "rev-parse", "HEAD"), "side")
    assert git_facts([repository]).branch == "main"
    outer = tmp_path / "outer"
    outer.mkdir()
    run(outer, "init", "-q", "-b", "trunk")
    run(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository), "inner")
    assert git_facts([outer / "inner"]).commit == run(repository, "rev-parse", "HEAD")


def test_without_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the `git` program commit and branch are still known; whether it is dirty is not."""
    monkeypatch.setenv("PATH", "")
    facts = git_facts([repository])
    assert facts.commit is not None
    assert facts.branch == "main"
    assert facts.dirty is None


def test_slow_git(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `git` that hangs is given up after the timeout; the rest of the facts stays."""
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent))
    monkeypatch.setattr(git, "GIT_TIMEOUT_S", 0.2)
    facts = git_facts([repository])
    assert facts.commit is not None
    assert facts.dirty is None


def test_folder_of_another_owner(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `git` refuses (\"dubious ownership\"), commit and branch are known, dirty is not."""
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    for path in (repository, repository / ".git"):
        os.chown(path, 12_345, 12_345)
    monkeypatch.setenv("HOME", str(repository.parent))
    facts = git_facts([repository])
    assert facts.branch == "main"
    assert facts.commit is not None
    assert facts.dirty is None


def test_environment_of_a_hook_does_not_mislead(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`GIT_DIR` and its kin, as a hook of another repository sets them, do not change the answer."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    assert git_facts([repository]).dirty is False


def test_repository_without_a_commit(tmp_path: Path) -> None:
    """A repository without any commit has no facts."""
    run(tmp_path, "init", "-q")
    assert git_facts([tmp_path]) == GitFacts()
    assert git_facts([tmp_path]).fields() == {}


@pytest.mark.parametrize("content", ["", "gitdir: /nowhere", "\0\xff", "ref: ../../etc/passwd"])
def test_damaged_repositories(tmp_path: Path, content: str) -> None:
    """A `.git` that makes no sense gives no facts and no exception."""
    (tmp_path / ".git").write_text(content)
    assert git_facts([tmp_path]) == GitFacts()
    (tmp_path / ".git").unlink()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text(content)
    assert git_facts([tmp_path]) == GitFacts()


def test_first_start_with_facts_wins(repository: Path, tmp_path: Path) -> None:
    """Start folders are tried in order; a folder outside of any repository, or that is gone, gives way."""
    assert git_facts([tmp_path / "gone", repository]).branch == "main"
    assert git_facts([]) == GitFacts()


def test_build_stamp(repository: Path, tmp_path: Path) -> None:
    """An installed package carries a stamp, written at build time; it wins over a repository further up."""
    installed = repository / ".venv" / "package"
    shutil.copytree(repository / "package", installed)
    commit = run(repository, "rev-parse", "HEAD")
    path = write_stamp(installed, repository / "package")
    run(repository, "commit", "-q", "--allow-empty", "-m", "later")
    assert git_facts([installed / "deep"]) == GitFacts(commit, "main", False, None, "build")
    assert git_facts([repository]).commit != commit
    write_stamp(installed)
    assert json.loads(path.read_text())["commit"] == run(repository, "rev-parse", "HEAD")


def test_stamp_command(repository: Path) -> None:
    """`python -m shipper.enrich.git FOLDER` writes the stamp and names the file."""
    answer = subprocess.run(
        [sys.executable, "-m", "shipper.enrich.git", str(repository / "package")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = Path(answer.stdout.strip())
    assert path.name == "_git_stamp.json"
    assert json.loads(path.read_text())["branch"] == "main"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"commit": 5, "dirty": "x"}', "\xff"])
def test_damaged_stamps(tmp_path: Path, content: str) -> None:
    """A stamp that makes no sense gives no facts and no exception."""
    (tmp_path / "_git_stamp.json").write_text(content)
    assert git_facts([tmp_path]).fields() == {}
