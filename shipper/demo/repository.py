"""The git repository of the demo: the example's files, committed one step at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from shipper.assets import asset
from shipper.errors import ConfigurationError


class Repository:
    """A repository whose commits are made as the simulated time goes by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._source = asset("examples") / "biopsy"
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    def commit(self, message: str, when_us: int, *files: str) -> str:
        """Copy `files` of the example into the repository and commit them; return the commit's hash."""
        for name in files:
            shutil.copy(self._source / name, self.folder / Path(name).name)
        self._git("add", "--all")
        date = datetime.fromtimestamp(when_us / 1e6, UTC).isoformat()
        self._git("commit", "--quiet", "--message", message, date=date)
        return self._git("rev-parse", "HEAD").strip()

    def note(self, message: str, when_us: int, line: str) -> str:
        """Add a line to the project's README and commit it; return the commit's hash."""
        with (self.folder / "README.md").open("a") as readme:
            readme.write(f"\n{line}\n")
        return self.commit(message, when_us)

    def _git(self, *arguments: str, date: str = "") -> str:
        # The user's own configuration (hooks, signing, templates) has no say in a throw-away repository.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")} | {
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_AUTHOR_NAME": "Demo",
            "GIT_AUTHOR_EMAIL": "demo@example.org",
            "GIT_COMMITTER_NAME": "Demo",
            "GIT_COMMITTER_EMAIL": "demo@example.org",
        }
        if date:
            environment |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        try:
            answer = subprocess.run(
                ["git", *arguments],
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
        except FileNotFoundError:
            raise ConfigurationError("The demo needs git; install it and run the command again.") from None
        except subprocess.CalledProcessError as error:
            raise ConfigurationError(f"git {arguments[0]} failed: {error.stderr.strip()}.") from None
        return answer.stdout
