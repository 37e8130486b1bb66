"""`shipper kibana` for people and for continuous integration."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipper.assets import asset
from shipper.cli.kibana import app
from shipper.errors import ConfigurationError
from shipper.kibana.generate import FILE

ROOT = Path(__file__).parents[3]


def test_generate_check_fails_on_a_stale_file(tmp_path: Path) -> None:
    """`generate --check` exits 1 and names the stale file; `generate` mends it; then the check is content."""
    for folder in ("kibana", "schema"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / FILE).write_text("{}\n")
    run = CliRunner()
    stale = run.invoke(app, ["generate", "--check", "--root", str(tmp_path)])
    assert (stale.exit_code, FILE in stale.output) == (1, True)
    assert run.invoke(app, ["generate", "--root", str(tmp_path)]).output.strip() == f"written: {FILE}"
    assert run.invoke(app, ["generate", "--check", "--root", str(tmp_path)]).output.strip() == "Up to date."


def test_generate_outside_a_repository_is_one_sentence(tmp_path: Path) -> None:
    """Without sources there is nothing to generate from; the sentence says where to run it."""
    answer = CliRunner().invoke(app, ["generate", "--root", str(tmp_path)])
    assert isinstance(answer.exception, ConfigurationError)
    assert "run this in the repository" in str(answer.exception)


def test_check_prints_findings(tmp_path: Path) -> None:
    """`check` exits 0 on the shipped file; 1 on a spoilt one, with findings as text or JSON."""
    run = CliRunner()
    assert run.invoke(app, ["check"]).exit_code == 0
    spoilt = tmp_path / "spoilt.ndjson"
    spoilt.write_text(asset(FILE).read_text("utf-8").replace("10.3.0", "10.9.0"))
    answer = run.invoke(app, ["check", str(spoilt)])
    assert (answer.exit_code, "[migration]" in answer.output) == (1, True)
    findings = json.loads(run.invoke(app, ["check", str(spoilt), "--json"]).output)
    assert {finding["code"] for finding in findings} == {"migration"}


@pytest.mark.parametrize("command", ["generate", "check"])
def test_each_command_has_help(command: str) -> None:
    """Each command explains itself."""
    assert "Kibana" in CliRunner().invoke(app, ["--help"]).output
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0
