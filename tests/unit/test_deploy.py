"""The examples under deploy/: systemd's own checker, Kubernetes' own schemas, and what only we can check."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from shipper.cli.main import app
from shipper.config import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "systemd" / "shipper-agent.service"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OLDEST, NEWEST = "1.29", "1.33"


def documents(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a manifest."""
    return [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document]


def pods(path: Path) -> Iterator[dict[str, Any]]:
    """Give the pod specifications of a manifest."""
    for document in documents(path):
        if "template" in document.get("spec", {}):
            yield document["spec"]["template"]["spec"]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all containers of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def settings_of(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings that these variables give; refuses names that are none."""
    known = {
        f"SHIPPER_{name}_{key}".upper()
        for name, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {})
    }
    assert set(variables) <= known
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings()


def check_command(words: list[str]) -> None:
    """Assert that `shipper` takes these words."""
    answer = CliRunner().invoke(app, [*words, "--help"])
    assert answer.exit_code == 0, answer.output


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_manifests_fit_the_schemas(path: Path, version: str) -> None:
    """Each object is valid for Kubernetes of both versions, unknown keys included."""
    for document in documents(path):
        kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_what_a_manifest_refers_to_is_there(path: Path) -> None:
    """Volumes and selectors match; agents run as a user without rights, on a file system that they cannot write."""
    for document in documents(path):
        spec = document.get("spec", {})
        if "selector" in spec:
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    for pod in pods(path):
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in containers(pod):
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
            assert not container["securityContext"]["allowPrivilegeEscalation"]
            if "agent" in container.get("args", []):
                user = {**pod["securityContext"], **container["securityContext"]}
                assert (user["runAsUser"], user["runAsNonRoot"], user["readOnlyRootFilesystem"]) == (
                    10001,
                    True,
                    True,
                )
                assert not any(":latest" in one["image"] for one in containers(pod))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_agents_get_usable_settings(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are settings of ours, valid together; the command takes the arguments; spool and secrets are mounted."""
    maps = {d["metadata"]["name"]: d["data"] for d in documents(path) if d["kind"] == "ConfigMap"}
    agents = [one for pod in pods(path) for one in containers(pod) if "agent" in one.get("args", [])]
    assert agents
    for agent in agents:
        variables = {pair["name"]: pair["value"] for pair in agent.get("env", [])}
        for source in agent.get("envFrom", []):
            variables |= maps[source["configMapRef"]["name"]]
        settings = settings_of(variables, monkeypatch)
        mounts = [mount["mountPath"] for mount in agent["volumeMounts"]]
        kafka = settings.kafka
        files = (kafka.sasl_password_file, kafka.ssl_cafile, kafka.ssl_certfile, kafka.ssl_keyfile)
        for place in (settings.spool.directory, *filter(None, files)):
            assert any(place.is_relative_to(mount) for mount in mounts), place
        check_command(agent["args"])


def test_an_application_beside_its_agent_marks_its_spool_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same folder, same brokers, same topic: otherwise the agent would take the spool for somebody else's."""
    (pod,) = pods(DEPLOY / "kubernetes" / "sidecar.yaml")
    found = []
    for container in containers(pod):
        with monkeypatch.context() as patch:
            settings = settings_of({pair["name"]: pair["value"] for pair in container["env"]}, patch)
            found.append((settings.spool.directory, settings.kafka.bootstrap_servers, settings.kafka.topic))
    assert found[0] == found[1]


def test_the_unit_is_accepted_by_systemd(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong, with the program at a place that exists."""
    checker = shutil.which("systemd-analyze")
    if checker is None:
        pytest.skip("systemd is not installed")
    text = UNIT.read_text("utf-8").replace("/opt/shipper/bin/shipper", shutil.which("true") or "/bin/true")
    copy = tmp_path / UNIT.name
    copy.write_text(text)
    run = subprocess.run(
        [checker, "verify", "--man=no", "--recursive-errors=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_the_unit_and_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes its arguments, the settings are ours and valid together, the spool is the unit's own state."""
    lines = UNIT.read_text("utf-8").splitlines()
    unit = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z][A-Za-z]+=", line))
    program, *words = shlex.split(unit["ExecStart"])
    assert program.endswith("/shipper")
    check_command(words)
    text = (DEPLOY / "systemd" / "agent.env").read_text("utf-8")
    variables = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    variables |= dict([unit["Environment"].split("=", 1)])
    settings = settings_of(variables, monkeypatch)
    assert settings.spool.directory.relative_to("/var/lib") == Path(unit["StateDirectory"].split()[-1])
    assert settings.kafka.sasl_password_file is not None
    assert (unit["Restart"], unit["NoNewPrivileges"], unit["ProtectSystem"]) == ("always", "yes", "strict")
