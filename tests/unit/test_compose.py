"""docker-compose.yml, checked without an engine: its own structure, and by the real compose program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.assets import asset
from shipper.config import Settings
from shipper.stack.repin import ELASTICSEARCH, KAFKA

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
EXAMPLE = ROOT / ".env.example"
TEXT = FILE.read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
ONCE = {name for name, service in SERVICES.items() if service["restart"].startswith("on-failure")}
SECRETS = {
    "ELASTIC_PASSWORD": "one",
    "KIBANA_SYSTEM_PASSWORD": "two",
    "SHIPPER_ELASTICSEARCH_PASSWORD": "three",
    "KIBANA_ENCRYPTION_KEY": "0123456789abcdef0123456789abcdef",
}


def _example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = [line for line in EXAMPLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _mounts() -> list[tuple[str, str]]:
    """Service and source of every mount."""
    return [
        (name, mount.split(":")[0]) for name, each in SERVICES.items() for mount in each.get("volumes", [])
    ]


def test_everything_of_the_road_is_there() -> None:
    """The file has the four servers, the one-shot preparations and our services."""
    servers = {"kafka", "elasticsearch", "logstash", "kibana"}
    assert servers | {"setup", "indexer", "agent", "detector"} <= SERVICES.keys()
    assert SERVICES["indexer"]["profiles"] == ["indexer"]


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """Each image names an exact version: what runs today runs tomorrow."""
    image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", SERVICES[name]["image"])
    assert re.search(r":\d+\.\d+\.\d+$", image), image


def test_versions_are_those_of_the_embedded_stack() -> None:
    """The images are of the versions that the tests run against; our image is of this version."""
    elastic, kafka = ELASTICSEARCH.rsplit(":", 1)[1], KAFKA.rsplit(":", 1)[1]
    images = {SERVICES[name]["image"] for name in ("elasticsearch", "kibana", "logstash", "users")}
    assert images == {f"elasticsearch:{elastic}", f"kibana:{elastic}", f"logstash:{elastic}"}
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka}"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"shipper:{version}" in SERVICES["agent"]["image"]
    assert _example()["SHIPPER_IMAGE"] == f"shipper:{version}"


def test_every_mounted_file_exists() -> None:
    """A mount of a file that is missing would become an empty folder; named volumes are declared and used."""
    named = {source for _, source in _mounts() if not source.startswith(".")}
    assert named == COMPOSE["volumes"].keys()
    for name, source in _mounts():
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{name} mounts {source}"
    for name in OURS:
        assert (ROOT / SERVICES[name]["build"]["dockerfile"]).is_file()


def test_mounted_sources_are_read_only() -> None:
    """What belongs to the repository is mounted so that no container can change it."""
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            assert not mount.startswith(".") or mount.endswith(":ro"), mount


def test_variables_are_those_of_the_example() -> None:
    """Each variable stands in .env.example and the reverse; defaults agree; secrets have none."""
    used = dict(re.findall(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?", TEXT))
    example = _example()
    assert used.keys() == example.keys()
    for name, default in used.items():
        assert example[name] == default, name
    assert {name for name, default in example.items() if not default} == SECRETS.keys()
    for name in SECRETS:
        assert not re.search(rf"(?<!\$)\$\{{{name}(?!:\?)", TEXT), f"{name} must be demanded with a sentence"


def test_no_secret_stands_in_the_file() -> None:
    """Every password and key comes from the environment."""
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|ENCRYPTIONKEY", key):
                assert str(value).startswith("${"), f"{name}: {key}"


def test_our_variables_are_settings() -> None:
    """A SHIPPER_ variable given to our containers is a setting of ours: a misspelt one would do nothing."""
    for name in OURS:
        for variable in SERVICES[name]["environment"]:
            group, _, key = variable.removeprefix("SHIPPER_").lower().partition("_")
            field = Settings.model_fields[group]
            members = getattr(field.annotation, "model_fields", {"": None})
            assert key in members, f"{name}: {variable}"


def test_start_order_has_no_circle_and_waits_for_health() -> None:
    """Each service waits until what it needs is healthy, or, for a preparation, has succeeded."""
    graph: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        needs = service.get("depends_on", {})
        graph[name] = set(needs)
        for other, how in needs.items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == wanted, f"{name} -> {other}"
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("users") < order.index("setup") < order.index("logstash")
    for name in OURS - {"setup", "boards"} | {"logstash"}:
        assert "setup" in graph[name], f"{name} would write before the templates are there"


@pytest.mark.parametrize("name", SERVICES)
def test_health_and_logs(name: str) -> None:
    """What keeps running says whether it is well; what runs once ends; no log grows for ever."""
    service = SERVICES[name]
    assert ("healthcheck" in service) == (name not in ONCE)
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_open_or_almighty(name: str) -> None:
    """No root, no privileges, no engine's socket; ports are open on this machine only."""
    service = SERVICES[name]
    assert not {"privileged", "network_mode", "pid", "cap_add"} & service.keys()
    assert not str(service.get("user", "1")).startswith(("0", "root"))
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert "docker.sock" not in str(service)
    if name in OURS:
        assert service["user"] == "10001:10001"
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_the_image_runs_as_the_same_user() -> None:
    """The Dockerfile's user is that of the file, owns the spool, and the image has the needed extras."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert "--uid 10001" in dockerfile
    assert "USER 10001:10001" in dockerfile
    assert "[index,detect]" in dockerfile
    assert "/spool" in dockerfile
    assert all(
        re.search(r":\d+\.\d+\.\d+", line) for line in dockerfile.splitlines() if line.startswith("FROM")
    )


def test_the_commands_exist() -> None:
    """Each command that a container of ours runs is a command of shipper."""
    from shipper.cli.main import COMMANDS

    for name in OURS:
        assert SERVICES[name]["command"][0] in COMMANDS, name
        assert (
            SERVICES[name].get("healthcheck", {"test": ["CMD", "shipper", "doctor"]})["test"][2] in COMMANDS
        )


def test_logstash_gets_the_settings_that_its_pipelines_read() -> None:
    """Every variable without default in the pipelines is given; the paths in them are those of the mounts."""
    pipelines = "".join(path.read_text("utf-8") for path in (asset("logstash") / "pipelines").glob("*.conf"))
    active = re.sub(r"^\s*#.*$", "", pipelines, flags=re.MULTILINE)
    read = set(re.findall(r"\$\{(SHIPPER_\w+)", active))
    given = set(SERVICES["logstash"]["environment"])
    assert {name for name in given if name.startswith("SHIPPER_")} <= read
    assert set(re.findall(r"\$\{(SHIPPER_\w+)\}", active)) <= given
    targets = [mount.split(":")[1] for mount in SERVICES["logstash"]["volumes"]]
    for path in set(re.findall(r":(/usr/share/logstash/[a-z]+)\}", active)):
        assert path in targets, path


def _program() -> list[str]:
    named = os.environ.get("SHIPPER_COMPOSE", "")
    if named:
        return [named]
    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("no compose program: set SHIPPER_COMPOSE to one (no engine is needed)")
    return [found]


def _config(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_program(), "--file", str(FILE), "--project-directory", str(ROOT), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_compose_program_accepts_the_file() -> None:
    """The real compose program resolves the file, with all profiles, to the services that stand in it."""
    answer = _config("--profile", "*", "config", environment=SECRETS)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.strip() == ""
    resolved = yaml.safe_load(answer.stdout)
    assert resolved["services"].keys() == SERVICES.keys()
    assert resolved["services"]["agent"]["environment"]["SHIPPER_ELASTICSEARCH_PASSWORD"] == "three"


def test_the_compose_program_accepts_the_example() -> None:
    """A copy of .env.example with the secrets filled in is enough."""
    answer = _config("--env-file", str(EXAMPLE), "config", "--quiet", environment=SECRETS)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_is_one_sentence(name: str) -> None:
    """Without a password the file is refused with a sentence that says which one to set."""
    answer = _config("config", environment={key: value for key, value in SECRETS.items() if key != name})
    assert answer.returncode != 0
    assert f"set {name} in .env" in answer.stderr
