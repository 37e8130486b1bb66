"""The pages on running it and on who may do what: every command is one that shipper takes, every variable a setting, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shipper.cli.main import app
from shipper.config import Settings

ROOT = Path(__file__).parents[2]
PAGES = [
    *(
        ROOT / "docs" / "how-to" / f"{name}.md"
        for name in (
            *(
                "compose",
                "kubernetes",
                "systemd",
                "sizing",
                "watch",
                "logstash",
                "set-up",
                "retention",
                "erase",
            ),
            *(
                "back-up",
                "dead-letters",
                "migrate",
                "secure-elasticsearch",
                "secure-kafka",
                "ship",
                "run-the-stack",
            ),
        )
    ),
    ROOT / "docs" / "explanation" / "scaling.md",
]
_NOT_SETTINGS = {"SHIPPER_IMAGE"}
"""A variable of docker-compose.yml alone."""
_PLACEHOLDERS = {"NAME", "FILE"}


def commands(text: str) -> set[str]:
    """Return what follows `shipper` wherever a command is meant: in code spans and at prompts."""
    said: list[str] = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    joined = text.replace("\\\n", " ")
    for block in re.findall(r"```console\n(.*?)```", joined, re.DOTALL):
        said += [line.strip()[2:] for line in block.splitlines() if line.strip().startswith(("$ ", "# "))]
    said += re.findall(r"^    (shipper .*)$", joined, re.MULTILINE)
    found = set()
    for line in said:
        for part in re.split(r"&&|\|\||;", line.split(" # ")[0]):
            match = re.match(
                r"\s*(?:[A-Z_]+=\S+ |\.\.\. )*(?:\S*/)?(?:kubectl .* -- )?shipper ([a-z].*)", part
            )
            if match and not re.search(r"[<…]", match[1]):
                found.add(match[1].strip())
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one_of_ours(page: Path) -> None:
    """A page that names a command which does not exist leaves its reader alone."""
    said = commands(page.read_text("utf-8"))
    assert said
    for command in said:
        answer = CliRunner().invoke(app, [*shlex.split(command), "--help"])
        assert answer.exit_code == 0, f"{command}: {answer.output}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_variable_is_a_setting(page: Path) -> None:
    """Ours are settings; those of Logstash's pipelines stand in these."""
    known = {
        f"SHIPPER_{name}_{key}".removesuffix("_").upper()
        for name, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {"": None})
    }
    files = [*ROOT.glob("logstash/pipelines/*.conf"), *ROOT.glob("logstash/config/*.yml")]
    pipelines = "".join(path.read_text("utf-8") for path in files)
    known |= set(re.findall(r"\$\{(SHIPPER_\w+)", pipelines)) | _NOT_SETTINGS
    assert set(re.findall(r"\b(SHIPPER_[A-Z_]+[A-Z])\b(?!_\.)", page.read_text("utf-8"))) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Pages and files that are named exist."""
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#:]+\.md)", text):
        assert (page.parent / target).is_file(), target
    for path in re.findall(r"`((?:deploy|prometheus|grafana|logstash|es_templates)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path
