"""docker-compose.yml, checked without an engine: its own structure, its schema, and by the real compose program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema.validators import validator_for
from typer.testing import CliRunner

from shipper.assets import asset
from shipper.cli.main import app
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
DEMANDED = set(re.findall(r"(?<!\$)\$\{(\w+):\?", TEXT))
SECRETS = {name: f"secret{number:034}" for number, name in enumerate(sorted(DEMANDED))}
BASE = {"certificates", "kafka", "elasticsearch", "users", "access", "setup"}
MINIMAL = BASE | {"indexer"}
FULL = BASE | {"logstash", "kibana", "boards", "agent", "detector"}
PROFILES = {
    "minimal": MINIMAL,
    "full": FULL,
    "demo": FULL | {"application"},
    "monitoring": BASE | {"prometheus", "alertmanager", "grafana"},
    "full,monitoring": FULL | {"prometheus", "alertmanager", "grafana"},
}


def _example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = [line for line in EXAMPLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def _mounts() -> list[tuple[str, str, str]]:
    """Service, source and target of every mount."""
    return [
        (name, *mount.split(":")[:2]) for name, each in SERVICES.items() for mount in each.get("volumes", [])
    ]


def _environment(name: str) -> dict[str, str]:
    return {key: str(value) for key, value in SERVICES[name].get("environment", {}).items()}


def test_profiles_run_what_they_promise() -> None:
    """Each service belongs to the profiles of the table above, and each profile is described in the file's head."""
    for profile, wanted in PROFILES.items():
        chosen = set(profile.split(","))
        running = {
            name
            for name, each in SERVICES.items()
            if not each.get("profiles") or chosen & {*each["profiles"]}
        }
        assert running == wanted, profile
        assert all(f"#   {one} " in TEXT for one in chosen), profile
    assert set().union(*PROFILES.values()) == SERVICES.keys()


def _misfits(compose: dict[str, Any]) -> list[str]:
    """Return what the schema of the Compose Specification finds."""
    schema = get_builtin_schema("vendor.compose-spec")
    return [error.message for error in validator_for(schema)(schema).iter_errors(compose)]


def test_the_file_fits_the_published_schema() -> None:
    """The schema of the Compose Specification finds nothing; a misspelt key would be found."""
    assert _misfits(COMPOSE) == []
    misspelt = {**COMPOSE, "services": {"kafka": {"image": "kafka", "healthchek": {}}}}
    assert "healthchek" in str(_misfits(misspelt))


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned(name: str) -> None:
    """Each image names an exact version: what runs today runs tomorrow."""
    image = re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", SERVICES[name]["image"])
    assert re.search(r":v?\d+\.\d+\.\d+$", image), image


def test_versions_are_those_of_the_embedded_stack() -> None:
    """The images are of the versions that the tests run against; our image is of this version."""
    elastic, kafka = ELASTICSEARCH.rsplit(":", 1)[1], KAFKA.rsplit(":", 1)[1]
    images = {SERVICES[name]["image"] for name in ("elasticsearch", "kibana", "logstash", "users")}
    assert images == {f"elasticsearch:{elastic}", f"kibana:{elastic}", f"logstash:{elastic}"}
    assert {SERVICES[name]["image"] for name in ("kafka", "access")} == {f"apache/kafka:{kafka}"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert f"shipper:{version}" in SERVICES["agent"]["image"]
    assert _example()["SHIPPER_IMAGE"] == f"shipper:{version}"


def test_every_mounted_file_exists() -> None:
    """A mount of a file that is missing would become an empty folder; named volumes are declared and used."""
    named = {source for _, source, _ in _mounts() if not source.startswith(".")}
    assert named == COMPOSE["volumes"].keys()
    for name, source, _ in _mounts():
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{name} mounts {source}"
    for name in OURS:
        assert (ROOT / SERVICES[name]["build"]["dockerfile"]).is_file()


def test_mounted_files_travel_in_the_wheel_and_into_the_image() -> None:
    """What the file mounts lies beside it in an installed package; what the wheel is made of reaches its build."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    included = build["targets"]["wheel"]["force-include"]
    for _, source, _ in _mounts():
        if source.startswith("."):
            assert source.split("/")[1] in included, source
    let_in = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert {f"!{path}" for path in included} <= set(let_in)


def test_mounted_sources_are_read_only() -> None:
    """What belongs to the repository is mounted so that no container can change it."""
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            assert not mount.startswith(".") or mount.endswith(":ro"), mount


def test_every_pipeline_is_mounted() -> None:
    """Logstash finds each file that pipelines.yml names, and what these name, where it is mounted."""
    mounts = {
        target: ROOT / source for name, source, target in _mounts() if name == "logstash" and source[0] == "."
    }
    config = ROOT / "logstash" / "config"
    assert {path.name for path in config.iterdir() if path.suffix == ".yml"} <= {
        Path(target).name for target in mounts
    }
    text = re.sub(r"^#.*$", "", (config / "pipelines.yml").read_text("utf-8"), flags=re.MULTILINE)
    paths = [
        re.sub(r"\$\{\w+:([^}]*)\}", r"\1", one) for one in re.findall(r'path\.config: "?([^"\n]+)"?', text)
    ]
    assert paths
    for pipeline in (ROOT / "logstash" / "pipelines").glob("*.conf"):
        body = re.sub(r"^\s*#.*$", "", pipeline.read_text("utf-8"), flags=re.MULTILINE)
        paths += re.findall(
            r"(/usr/share/logstash/pipelines/[\w./-]+)", re.sub(r"\$\{\w+:([^}]*)\}", r"\1", body)
        )
    for path in paths:
        held = [
            source / Path(path).relative_to(target)
            for target, source in mounts.items()
            if path.startswith(target)
        ]
        assert any(one.is_file() for one in held), path


def test_variables_are_those_of_the_example() -> None:
    """Each variable stands in .env.example, with a comment, and the reverse; defaults agree; secrets have none."""
    used = dict(re.findall(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?", TEXT))
    example = _example()
    assert example.pop("COMPOSE_PROFILES") in PROFILES
    assert used.keys() == example.keys()
    for name, default in used.items():
        assert example[name] == default, name
    assert {name for name, default in example.items() if not default} == DEMANDED
    for name in DEMANDED:
        assert not re.search(rf"(?<!\$)\$\{{{name}(?!:\?)", TEXT), f"{name} must be demanded with a sentence"
    for block in EXAMPLE.read_text("utf-8").strip().split("\n\n"):
        assert block.startswith("#"), block


def test_ports_and_variables_are_documented() -> None:
    """The how-to names each port that is open, each profile, and each variable that people set."""
    page = (ROOT / "docs" / "how-to" / "compose.md").read_text("utf-8")
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            number = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", port).split(":")[-2]
            variable = re.search(r"(\w+_PORT)", port)
            assert variable is not None
            assert re.search(rf"\b{number}\b.*`{variable[1]}`", page), f"{name}: {port}"
    assert [name for name in _example() if f"`{name}`" not in page] == []


def test_no_secret_stands_in_the_file() -> None:
    """Every password and key comes from the environment."""
    for name in SERVICES:
        for key, value in _environment(name).items():
            if re.search(r"PASSWORD|SECRET|ENCRYPTIONKEY", key):
                assert value.startswith("${"), f"{name}: {key}"


def test_each_service_knows_only_its_own_secrets() -> None:
    """The superusers' passwords reach the servers themselves and what prepares them, nobody else."""
    assert {name for name in SERVICES if "KAFKA_ADMIN_PASSWORD" in str(SERVICES[name])} == {
        "kafka",
        "access",
        "setup",
    }
    elastic = {name for name in SERVICES if "${ELASTIC_PASSWORD" in str(SERVICES[name])}
    assert elastic == {"elasticsearch", "users", "setup", "boards"}
    assert "PASSWORD" not in str(SERVICES["application"])
    assert "ELASTICSEARCH" not in str(SERVICES["agent"])


def test_our_variables_are_settings() -> None:
    """A SHIPPER_ variable given to our containers is a setting of ours: a misspelt one would do nothing."""
    for name in OURS:
        for variable in _environment(name):
            if not variable.startswith("SHIPPER_"):
                continue
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
    assert order.index("certificates") < order.index("kafka") < order.index("setup") < order.index("users")
    for name in ("logstash", "indexer", "agent", "detector"):
        assert {"setup", "users", "access"} <= graph[name], f"{name} would start before it may do anything"


@pytest.mark.parametrize("profile", ["minimal", "full", "demo", "full,monitoring"])
def test_what_runs_once_is_waited_for(profile: str) -> None:
    """`up --wait` takes the end of a container for a failure, unless something waits for it to succeed."""
    running = PROFILES[profile]
    waited_for = {other for name in running for other in SERVICES[name].get("depends_on", {})}
    assert running & ONCE <= waited_for


@pytest.mark.parametrize("name", SERVICES)
def test_health_limits_and_logs(name: str) -> None:
    """What keeps running says whether it is well; what runs once ends; no log and no memory grows for ever."""
    service = SERVICES[name]
    assert ("healthcheck" in service) == (name not in ONCE)
    assert service["logging"]["options"]["max-size"]
    assert service["mem_limit"]


def test_heaps_fit_their_containers() -> None:
    """A Java program needs about half as much again beside its heap."""
    example = _example()

    def mib(text: str) -> int:
        return int(text[:-1]) * {"m": 1, "g": 1024}[text[-1]]

    for name in ("KAFKA", "ELASTICSEARCH", "LOGSTASH"):
        assert mib(example[f"{name}_MEMORY"]) >= 2 * mib(example[f"{name}_HEAP"]), name


def test_a_check_that_is_a_java_program_is_small() -> None:
    """What looks after Kafka every few seconds starts in Kafka's container, with a heap of its own beside the broker's."""
    words = " ".join(SERVICES["kafka"]["healthcheck"]["test"])
    assert "KAFKA_HEAP_OPTS=-Xmx64m " in words


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_open_or_almighty(name: str) -> None:
    """No root, no privileges, no engine's socket; ports are open on this machine only unless told otherwise."""
    service = SERVICES[name]
    assert not {"privileged", "network_mode", "pid", "cap_add"} & service.keys()
    assert not str(service.get("user", "1")).startswith(("0", "root"))
    assert all(
        port.startswith(("${LISTEN_ADDRESS:-127.0.0.1}:", "127.0.0.1:")) for port in service.get("ports", [])
    )
    assert "docker.sock" not in str(service)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name in OURS:
        assert service["user"] == "10001:10001"
        assert service["read_only"]


def test_whatever_can_be_reached_from_outside_is_encrypted() -> None:
    """Each port that LISTEN_ADDRESS can open speaks TLS, with a certificate of this stack."""
    opened = {name for name, service in SERVICES.items() if "LISTEN_ADDRESS" in str(service.get("ports"))}
    assert opened == {"kafka", "elasticsearch", "kibana", "grafana"}
    for name in opened:
        assert any(source == f"certificates-{name}" for one, source, _ in _mounts() if one == name)
    kafka = _environment("kafka")
    listeners = dict(one.split("://") for one in kafka["KAFKA_LISTENERS"].split(","))
    kinds = dict(one.split(":") for one in kafka["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    for name, place in listeners.items():
        assert kinds[name] == ("PLAINTEXT" if place.startswith("localhost:") else "SASL_SSL"), name
    assert _environment("elasticsearch")["xpack.security.http.ssl.enabled"] == "true"
    for name in SERVICES:
        for key, value in _environment(name).items():
            assert not re.search(r"http://(elasticsearch|kibana)", value), f"{name}: {key}"


def test_each_key_is_seen_by_one_server() -> None:
    """A server mounts its own certificate; the authority's key is mounted by nobody but who signs."""
    users: dict[str, set[str]] = {}
    for name, source, _ in _mounts():
        if source.startswith("certificates-") and source != "certificates-public":
            users.setdefault(source, set()).add(name)
    assert users.pop("certificates-authority") == {"certificates"}
    for volume, names in users.items():
        assert names == {"certificates", volume.removeprefix("certificates-")}
    for name in ("kafka", "elasticsearch", "kibana", "grafana"):
        assert SERVICES[name]["group_add"] == ["10001"], "keys are readable for this group"


def test_the_image_runs_as_the_same_user() -> None:
    """The Dockerfile's user is that of the file, owns the folders of volumes, and the image has the needed extras."""
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert "--uid 10001" in dockerfile
    assert "USER 10001:10001" in dockerfile
    assert "[fast,index,metrics,detect]" in dockerfile
    assert "/spool" in dockerfile
    (folders,) = re.findall(r"for name in ([a-z ]+);", dockerfile)
    assert {f"certificates-{name}" for name in folders.split()} < COMPOSE["volumes"].keys()
    assert {f"/certificates/{name}" for name in folders.split()} == {
        target
        for name, _, target in _mounts()
        if name == "certificates" and target.startswith("/certificates/")
    }
    assert all(
        re.search(r":\d+\.\d+\.\d+", line) for line in dockerfile.splitlines() if line.startswith("FROM")
    )


def test_the_commands_exist() -> None:
    """Each command that a container of ours runs, for its health too, is one that shipper takes."""
    said = [SERVICES[name]["command"] for name in OURS if "entrypoint" not in SERVICES[name]]
    said += [
        check["test"][2:]
        for check in (SERVICES[name].get("healthcheck", {}) for name in OURS)
        if check.get("test", [""] * 2)[1] == "shipper"
    ]
    assert len(said) == 6
    for words in said:
        answer = CliRunner().invoke(app, [*words, "--help"])
        assert answer.exit_code == 0, f"{words}: {answer.output}"


def test_logstash_gets_the_settings_that_its_pipelines_read() -> None:
    """Every variable without default in the pipelines is given; the paths in them are those of the mounts."""
    pipelines = "".join(path.read_text("utf-8") for path in (asset("logstash") / "pipelines").glob("*.conf"))
    active = re.sub(r"^\s*#.*$", "", pipelines, flags=re.MULTILINE)
    given = _environment("logstash")
    assert set(re.findall(r"\$\{(SHIPPER_\w+)\}", active)) <= given.keys()
    assert {name for name in given if name.startswith("SHIPPER_")} <= set(re.findall(r"\$\{(\w+)", active))
    targets = [target for name, _, target in _mounts() if name == "logstash"]
    for path in set(re.findall(r":(/usr/share/logstash/[a-z]+)\}", active)):
        assert path in targets, path


def _program() -> str:
    beside = Path(sys.executable).parent / "docker-compose"
    found = os.environ.get("SHIPPER_COMPOSE") or (
        str(beside) if beside.exists() else shutil.which("docker-compose")
    )
    if not found:
        pytest.skip(
            "no compose program for this kind of machine: set SHIPPER_COMPOSE to one (no engine is needed)"
        )
    return found


def _config(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_program(), "--file", str(FILE), "--project-directory", str(ROOT), *arguments],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_the_compose_program_accepts_each_profile(profile: str) -> None:
    """The real compose program resolves the file, with each profile, to the services that it promises."""
    answer = _config("config", environment={**SECRETS, "COMPOSE_PROFILES": profile})
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.strip() == ""
    services = yaml.safe_load(answer.stdout)["services"]
    assert services.keys() == PROFILES[profile]
    assert services["setup"]["environment"]["SHIPPER_ELASTICSEARCH_PASSWORD"] == SECRETS["ELASTIC_PASSWORD"]


def test_a_new_environment_is_enough(tmp_path: Path) -> None:
    """`new-env.sh` fills in each secret, each with another value, for nobody else's eyes; compose needs nothing else."""
    target = tmp_path / "env"
    made = ["sh", str(ROOT / "deploy" / "compose" / "new-env.sh"), str(target)]
    subprocess.run(made, capture_output=True, check=True)
    text = target.read_text("utf-8")
    values = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert values.keys() == _example().keys()
    secrets = [values[name] for name in DEMANDED]
    assert len(set(secrets)) == len(DEMANDED)
    assert all(re.fullmatch(r"[A-Za-z0-9]{32,}", one) for one in secrets)
    assert target.stat().st_mode & 0o077 == 0
    again = subprocess.run(made, capture_output=True, text=True, check=False)
    assert (again.returncode, target.read_text("utf-8")) == (1, text)
    assert "left as it is" in again.stderr
    answer = _config("--env-file", str(target), "config", "--quiet", environment={})
    assert answer.returncode == 0, answer.stderr


@pytest.mark.slow
def test_the_override_of_the_page_fits(tmp_path: Path) -> None:
    """The how-to's file for lines of other programs adds to the service, and its variable is one that a recipe reads."""
    page = (ROOT / "docs" / "how-to" / "compose.md").read_text("utf-8")
    (snippet,) = re.findall(r"```yaml\n(services:.*?)```", page, re.DOTALL)
    (tmp_path / "override.yml").write_text(snippet)
    answer = _config(
        "--file", str(tmp_path / "override.yml"), "--profile", "full", "config", environment=SECRETS
    )
    assert answer.returncode == 0, answer.stderr
    logstash = yaml.safe_load(answer.stdout)["services"]["logstash"]
    added = set(re.findall(r"(SHIPPER_RECIPE_\w+):", snippet))
    recipes = "".join(
        path.read_text("utf-8") for path in (ROOT / "logstash" / "pipelines").glob("recipe-*.conf")
    )
    assert added
    assert added <= logstash["environment"].keys() & set(re.findall(r"\$\{(\w+)", recipes))
    assert len(logstash["volumes"]) == len(SERVICES["logstash"]["volumes"]) + 1


@pytest.mark.slow
@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_secret_is_one_sentence(name: str) -> None:
    """Without a password the file is refused with a sentence that says which one to set."""
    answer = _config(
        "--profile", "*", "config", environment={key: value for key, value in SECRETS.items() if key != name}
    )
    assert answer.returncode != 0
    assert f"set {name} in .env" in answer.stderr
