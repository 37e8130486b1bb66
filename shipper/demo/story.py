"""The demo's story in order: train, serve, deploy, break; a broker restart and a kill on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from shipper.demo.data import held_out_rows
from shipper.demo.plan import Phase, Plan, finding_time, write_requests
from shipper.demo.processes import Children, wait_until
from shipper.demo.repository import Repository

ALPHA: Final = {"1": "0.001", "2": "0.01"}
"""Strength of the regularisation by model version."""

LOST_CALLS_AT_MOST: Final = 4
"""Logging calls of one request: a killed process can have made these since its last journal line."""


@dataclass(slots=True)
class Truth:
    """What was done to the system, kept apart from what the system says of itself.

    Attributes:
        calls: by process id, the logging calls that had returned when the process last said so.
        killed: process ids that got SIGKILL.
        commits: hash by phase name.
    """

    calls: dict[int, int] = field(default_factory=dict)
    killed: set[int] = field(default_factory=set)
    commits: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    findings: int = 0
    broker_restarts: int = 0


class Story:
    """Plays the plan with real processes; `say` gets a line for each step."""

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        children: Children,
        restart_broker: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._run = folder / "run"
        self._run.mkdir(parents=True)
        self._repository = Repository(folder / "repository")
        self._children = children
        self._restart_broker = restart_broker
        self._say = say
        self._truth = Truth()
        self._requests: dict[str, dict[str, Any]] = {}

    def play(self) -> Truth:
        """Play all phases; return what was done.

        Raises:
            DemoFailed: a process did not do its part.
        """
        rows = held_out_rows(self._plan.seed)
        self._write_history()
        for phase in self._plan.phases:
            path = self._requests_file(phase)
            self._truth.requests += write_requests(path, self._plan, phase, rows)
            with path.open() as lines:
                self._requests |= {(request := json.loads(line))["id"]: request for line in lines}
            self._commit(phase)
            if phase.name != "fault":
                self._train(phase)
            self._serve(phase)
            self._collect_findings(phase)
        self._read_journals()
        return self._truth

    def _write_history(self) -> None:
        start_us = self._plan.start_us
        day_us = 24 * 3_600_000_000
        steps = (
            ("Start the biopsy project", ("README.md",)),
            ("Train a model of benign and malignant nuclei", ("features.py", "train.py")),
            ("Answer requests", ("scoring.py",)),
        )
        for days, (message, files) in zip((9, 8, 5), steps, strict=True):
            self._repository.commit(message, start_us - days * day_us, *files)

    def _commit(self, phase: Phase) -> None:
        if phase.name == "version 1":
            commit = self._repository.commit(
                phase.commit_message, phase.start_us - 7_200_000_000, "labels.py"
            )
        elif phase.name == "version 2":
            commit = self._repository.note(
                phase.commit_message,
                phase.start_us - 3_600_000_000,
                "Version 2 is regularised ten times more.",
            )
        else:
            commit = self._repository.commit(
                phase.commit_message, phase.start_us - 900_000_000, "history/new_imaging/features.py"
            )
        self._truth.commits[phase.name] = commit
        self._say(f"commit {commit[:10]} {phase.commit_message}")

    def _train(self, phase: Phase) -> None:
        self._say(f"training version {phase.version}")
        self._children.script(
            f"train {phase.version}",
            self._repository.folder,
            "train.py",
            f"--model-version={phase.version}",
            f"--alpha={ALPHA[phase.version]}",
            f"--seed={self._plan.seed}",
            f"--at={phase.start_us - 1_800_000_000}",
            f"--out={self._model_file(phase)}",
            f"--journal={self._run / 'training.jsonl'}",
        ).wait(60)

    def _serve(self, phase: Phase) -> None:
        self._say(f"serving: {phase.name}")
        child = self._start_scoring(phase)
        if phase.name == "version 2":
            total = sum(1 for _ in self._requests_file(phase).open())
            journal = self._journal(phase)
            wait_until(lambda: _lines(journal) > total * 0.2, 60, "A fifth of the requests", child)
            self._say("the broker restarts")
            restart = threading.Thread(target=self._restart_broker, name="restart-broker")
            restart.start()
            self._truth.broker_restarts += 1
            wait_until(lambda: _lines(journal) > total * 0.5, 60, "Half of the requests", child)
            child.kill()
            self._truth.killed.add(child.pid)
            self._say(
                f"kill -9 of the scoring service (process {child.pid}) after {_lines(journal)} requests"
            )
            child = self._start_scoring(phase)
            child.wait(60)
            restart.join()
        child.wait(60)

    def _start_scoring(self, phase: Phase) -> Any:
        return self._children.script(
            f"scoring {phase.name}",
            self._repository.folder,
            "scoring.py",
            f"--model-file={self._model_file(phase)}",
            f"--model-version={phase.version}",
            f"--requests={self._requests_file(phase)}",
            f"--journal={self._journal(phase)}",
        )

    def _collect_findings(self, phase: Phase) -> None:
        findings = sorted(
            (
                finding
                for earlier in self._plan.phases
                if earlier.start_us <= phase.start_us
                for finding in self._findings(earlier)
                if phase.start_us <= finding["at"] < phase.end_us
            ),
            key=lambda finding: finding["at"],
        )
        path = self._run / f"findings-{phase.name.replace(' ', '-')}.jsonl"
        path.write_text("".join(json.dumps(finding) + "\n" for finding in findings))
        self._truth.findings += len(findings)
        self._say(f"{len(findings)} findings come in")
        self._children.script(
            f"labels {phase.name}",
            self._repository.folder,
            "labels.py",
            f"--findings={path}",
            f"--journal={self._run / 'labels.jsonl'}",
        ).wait(60)

    def _findings(self, phase: Phase) -> list[dict[str, Any]]:
        findings = []
        for line in self._journal(phase).read_text().splitlines():
            answer = json.loads(line)
            at = finding_time(self._plan, answer["id"], answer["at"])
            if at is None or answer["label"] is None:
                continue
            findings.append(
                {
                    "id": answer["id"],
                    "at": at,
                    "predicted_at": answer["at"],
                    "label": answer["label"],
                    "truth": self._requests[answer["id"]]["truth"],
                    "version": phase.version,
                    "commit": self._truth.commits[phase.name],
                }
            )
        return findings

    def _read_journals(self) -> None:
        for path in sorted(self._run.glob("*.jsonl")):
            if path.name.startswith(("requests", "findings")):
                continue
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                self._truth.calls[entry["process"]] = entry["calls"]

    def _requests_file(self, phase: Phase) -> Path:
        return self._run / f"requests-{phase.name.replace(' ', '-')}.jsonl"

    def _journal(self, phase: Phase) -> Path:
        return self._run / f"journal-{phase.name.replace(' ', '-')}.jsonl"

    def _model_file(self, phase: Phase) -> Path:
        return self._run / f"model-{phase.version}.pickle"


def _lines(path: Path) -> int:
    """Number of lines of a file that may not exist yet."""
    return path.read_bytes().count(b"\n") if path.exists() else 0
