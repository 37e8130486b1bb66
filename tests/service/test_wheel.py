"""The installed package, away from the checkout: everything it needs travels inside the wheel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import uuid
import venv
import zipfile
from pathlib import Path

import pytest

from tests.service.running_stack import RunningStack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built without network."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with the wheel; third-party packages are borrowed."""
    home = tmp_path_factory.mktemp("venv")
    venv.create(home, with_pip=False)
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install"),
            *("--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)),
        ],
        check=True,
        capture_output=True,
    )
    (site_packages,) = (home / "lib").glob("python*/site-packages")
    # A path in a .pth file is added as it is: the editable install beside those packages stays out.
    (site_packages / "borrowed.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return home / "bin"


def run(
    installed: Path, folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the installed command in `folder`."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SHIPPER_"))}
    return subprocess.run(
        [str(installed / "shipper"), *arguments],
        cwd=folder,
        env={**clean, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_wheel_has_the_assets_and_nothing_else(wheel: Path) -> None:
    """Schema, templates, pipelines and dashboards are inside; tests and work folders are not."""
    names = zipfile.ZipFile(wheel).namelist()
    for asset in (
        "shipper/_assets/schema/fields.yml",
        "shipper/_assets/es_templates/index_templates/logs-ml.app.json",
        "shipper/_assets/logstash/pipelines/",
        "shipper/_assets/kibana/saved_objects/",
        "shipper/_assets/docker-compose.yml",
        "shipper/_assets/deploy/compose/certificates.sh",
        "shipper/_assets/prometheus/rules/shipper.yml",
        "shipper/_assets/grafana/dashboards/",
        "shipper/py.typed",
    ):
        assert any(name.startswith(asset) for name in names), asset
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"shipper"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_setup_works_from_the_wheel(
    installed: Path, wheel: Path, tmp_path: Path, stack: RunningStack
) -> None:
    """U37: `shipper setup --dry-run` and `shipper setup` elsewhere take the templates from inside the wheel."""
    unique = uuid.uuid4().hex[:12]
    environment = {
        **stack.environment,
        "SHIPPER_KAFKA_TOPIC": f"wheel-{unique}",
        "SHIPPER_KAFKA_DEAD_LETTER_TOPIC": f"wheel-dead-{unique}",
    }
    dry = run(installed, tmp_path, "setup", "--dry-run", "--json", environment=environment)
    assert dry.returncode == 0, dry.stderr
    found = json.loads(dry.stdout)
    assert "site-packages/shipper/_assets/es_templates" in found["templates"]["source"]
    assert [topic["created"] for topic in found["topics"]] == [True, True]
    done = run(installed, tmp_path, "setup", "--no-kafka", environment=environment)
    assert done.returncode == 0, done.stderr
    again = run(installed, tmp_path, "setup", "--no-kafka", "--json", environment=environment)
    assert json.loads(again.stdout)["templates"]["changes"] == []


@pytest.mark.parametrize(
    "command", [["--help"], ["--version"], ["schema", "show", "ml.metrics"], ["setup", "--help"]]
)
def test_commands_start_from_the_wheel(installed: Path, tmp_path: Path, command: list[str]) -> None:
    """Commands that need no server work from the wheel, in any folder."""
    done = run(installed, tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_generating_needs_a_checkout(installed: Path, tmp_path: Path) -> None:
    """`shipper schema generate` away from a checkout is one sentence and exit 2."""
    done = run(installed, tmp_path, "schema", "generate")
    assert done.returncode == 2
    assert "checkout" in done.stderr
