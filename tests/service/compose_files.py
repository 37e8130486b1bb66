"""What docker-compose.yml and its scripts say, for tests that run its services as processes of this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any, Final

import yaml

from tests.unit.test_compose import ROOT, SECRETS, _config

SCRIPTS: Final = ROOT / "deploy" / "compose"
_FOLDERS: Final = ("authority", "public", "kafka", "elasticsearch", "kibana", "grafana")


def composed_services() -> dict[str, Any]:
    """Return all services by name, as the real compose program resolves them."""
    answer = _config("--profile", "*", "config", environment=SECRETS)
    assert answer.returncode == 0, answer.stderr
    services: dict[str, Any] = yaml.safe_load(answer.stdout)["services"]
    return services


def make_certificates(folder: Path, **variables: str) -> str:
    """Run `certificates.sh` for a folder that stands for its volumes; return what it says."""
    for name in _FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        ["sh", str(SCRIPTS / "certificates.sh")],
        env={"PATH": os.environ["PATH"], "CERTIFICATES": str(folder), **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
