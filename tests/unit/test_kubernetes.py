"""deploy/kubernetes: Kubernetes' own published schemas, and what only we can check."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from shipper.cli.main import app
from shipper.config import Settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text("utf-8"))
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
YOURS = {"application.yaml", "sidecar.yaml", "secrets.example.yaml"}
OLDEST, NEWEST = "1.29", "1.37"
PAGE = ROOT / "docs" / "how-to" / "kubernetes.md"
LABELS = {
    "SHIPPER_SERVICE_NAME": "app.kubernetes.io/name",
    "SHIPPER_SERVICE_VERSION": "app.kubernetes.io/version",
    "SHIPPER_SERVICE_ENVIRONMENT": "service.environment",
    "SHIPPER_MODEL_NAME": "ml.model.name",
    "SHIPPER_MODEL_VERSION": "ml.model.version",
    "SHIPPER_MODEL_STAGE": "ml.model.stage",
}
Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    """Return the objects of a manifest."""
    return [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document]


EVERYTHING = [(path.name, document) for path in MANIFESTS for document in documents(path)]


def template(document: Document) -> Document | None:
    """Return the template of the pods that an object makes, or None."""
    spec = document.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    found: Document | None = spec.get("template")
    return found


PODS = {
    f"{name}:{document['kind']}": made
    for name, document in EVERYTHING
    if (made := template(document)) is not None
}


def containers(pod: Document) -> list[Document]:
    """Return all containers of a pod."""
    spec = pod["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def ours() -> Iterator[tuple[str, Document, Document]]:
    """Give each container that runs a command of ours: where, its pod, itself."""
    for where, pod in PODS.items():
        for container in containers(pod):
            if container["image"].startswith("shipper:") and "args" in container:
                yield where, pod, container


def named(kind: str) -> dict[str, Document]:
    """Return the objects of a kind by name."""
    return {document["metadata"]["name"]: document for _, document in EVERYTHING if document["kind"] == kind}


def variables(pod: Document, container: Document) -> dict[str, str]:
    """Return the environment of a container, with what it takes from elsewhere; asserts that it is there."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= named("ConfigMap")[source["configMapRef"]["name"]]["data"]
    for pair in container.get("env", []):
        value, source = pair.get("value"), pair.get("valueFrom", {})
        if "configMapKeyRef" in source:
            value = named("ConfigMap")[source["configMapKeyRef"]["name"]]["data"][
                source["configMapKeyRef"]["key"]
            ]
        elif "secretKeyRef" in source:
            value = named("Secret")[source["secretKeyRef"]["name"]]["stringData"][
                source["secretKeyRef"]["key"]
            ]
        elif "fieldRef" in source:
            kind, key = re.fullmatch(
                r"metadata\.(labels|annotations)\['(.+)'\]", source["fieldRef"]["fieldPath"]
            ).groups()  # type: ignore[union-attr]
            value = pod["metadata"][kind][key]
        assert isinstance(value, str), pair
        found[pair["name"]] = value
    return found


def settings_of(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings that these variables give; refuses names that are none."""
    known = {
        f"SHIPPER_{name}_{key}".removesuffix("_").upper()
        for name, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {"": None})
    }
    assert set(given) <= known
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return Settings()


@pytest.mark.slow
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_manifests_fit_the_published_schemas(path: Path, version: str) -> None:
    """Each object is valid for Kubernetes of both versions, unknown keys included."""
    for document in documents(path):
        kubernetes_validate.validate(document, version, strict=True)


def test_what_is_promised_is_there() -> None:
    """Agent for each node and as a sidecar, indexer, detector, set-up, secrets, network policies, accounts."""
    kinds = {(name, document["kind"]) for name, document in EVERYTHING}
    assert {
        ("agent-daemonset.yaml", "DaemonSet"),
        ("application.yaml", "Deployment"),
        ("detector.yaml", "CronJob"),
        ("indexer.yaml", "Deployment"),
        ("indexer.yaml", "PodDisruptionBudget"),
        ("network-policy.yaml", "NetworkPolicy"),
        ("retention.yaml", "CronJob"),
        ("secrets.example.yaml", "Secret"),
        ("setup.yaml", "Job"),
        ("sidecar.yaml", "StatefulSet"),
    } <= kinds
    assert {path.name for path in MANIFESTS} == set(KUSTOMIZATION["resources"]) | YOURS


def test_names_are_unique() -> None:
    """`kubectl apply -k` refuses two objects of one kind and name."""
    applied = [(one["kind"], one["metadata"]["name"]) for name, one in EVERYTHING if name not in YOURS]
    assert len(applied) == len(set(applied))


@pytest.mark.parametrize("where", PODS)
def test_what_a_pod_refers_to_is_there(where: str) -> None:
    """Volumes, secrets with their keys, authorities and accounts exist; what is mounted exists, what exists is mounted."""
    pod = PODS[where]["spec"]
    claims = {
        claim["metadata"]["name"]
        for _, document in EVERYTHING
        for claim in document.get("spec", {}).get("volumeClaimTemplates", [])
        if template(document) is PODS[where]
    }
    mounted = {mount["name"] for one in containers(PODS[where]) for mount in one["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]} | claims
    for volume in pod["volumes"]:
        if "secret" in volume:
            keys = named("Secret")[volume["secret"]["secretName"]]["stringData"]
            assert {item["key"] for item in volume["secret"].get("items", [])} <= keys.keys()
        if "configMap" in volume:
            assert volume["configMap"]["name"] in named("ConfigMap")
    if "serviceAccountName" in pod:
        assert pod["serviceAccountName"] in named("ServiceAccount")
    assert not pod["automountServiceAccountToken"]


def test_selectors_match_their_pods() -> None:
    """What an object selects is what it makes; budgets and policies select pods that there are."""
    for _, document in EVERYTHING:
        spec, made = document.get("spec", {}), template(document)
        if made is not None and "selector" in spec:
            assert spec["selector"]["matchLabels"].items() <= made["metadata"]["labels"].items()
    labels = [pod["metadata"]["labels"] for pod in PODS.values()]
    for kind, key in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        for document in named(kind).values():
            wanted = document["spec"][key]["matchLabels"]
            assert any(wanted.items() <= one.items() for one in labels), document["metadata"]["name"]


def test_a_budget_leaves_room() -> None:
    """A budget that all replicas are needed for would stop each drain of a node."""
    budget = named("PodDisruptionBudget")["shipper-indexer"]["spec"]["minAvailable"]
    assert 0 < budget < named("Deployment")["shipper-indexer"]["spec"]["replicas"]


@pytest.mark.parametrize("where", PODS)
def test_pods_fit_the_restricted_level(where: str) -> None:
    """Pod Security "restricted" but for folders of the node, and for who makes the spool's folder there."""
    pod = PODS[where]["spec"]
    context = pod["securityContext"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for container in containers(PODS[where]):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["readOnlyRootFilesystem"] is True
        assert own["capabilities"]["drop"] == ["ALL"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in container["resources"]["limits"]
        if (where, container["name"]) == ("agent-daemonset.yaml:DaemonSet", "spool"):
            continue
        assert "add" not in own["capabilities"]
        user = {**context, **own}
        assert (user["runAsUser"], user["runAsNonRoot"]) == (10001, True)
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    if where.split(":", maxsplit=1)[0] not in {"agent-daemonset.yaml", "application.yaml"}:
        assert "hostPath" not in kinds


@pytest.mark.parametrize("where", PODS)
def test_no_service_becomes_a_setting(where: str) -> None:
    """Kubernetes would put SHIPPER_INDEX_PORT into each pod beside a Service shipper-index, and it is no setting."""
    assert PODS[where]["spec"]["enableServiceLinks"] is False


def test_images_are_pinned_and_ours_is_of_this_version() -> None:
    """No image is `latest`."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    for pod in PODS.values():
        for container in containers(pod):
            name, _, tag = container["image"].partition(":")
            assert re.fullmatch(r"\d+\.\d+\.\d+", tag)
            assert name != "shipper" or tag == version


def test_every_command_is_one_of_ours() -> None:
    """`shipper` takes the arguments of each container, and every command that is promised runs somewhere."""
    said = set()
    for where, _, container in ours():
        answer = CliRunner().invoke(app, [*container["args"], "--help"])
        assert answer.exit_code == 0, f"{where}: {answer.output}"
        said.add(container["args"][0])
    assert said == {"agent", "index", "detect", "setup", "retention"}


@pytest.mark.parametrize("where", PODS)
def test_every_variable_is_a_setting(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables are settings of ours, valid together; places and files in them are mounted."""
    for container in containers(PODS[where]):
        with monkeypatch.context() as patch:
            given = variables(PODS[where], container)
            settings = settings_of(given, patch)
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        kafka, store = settings.kafka, settings.elasticsearch
        files = [
            kafka.sasl_password_file,
            kafka.ssl_cafile,
            kafka.ssl_certfile,
            kafka.ssl_keyfile,
            store.ca_certs,
        ]
        if "SHIPPER_SPOOL_DIRECTORY" in given:
            files.append(settings.spool.directory)
        for place in filter(None, files):
            assert any(place.is_relative_to(mount) for mount in mounts), place


def test_files_in_settings_are_keys_of_what_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    """/secrets/kafka-password is a key of the secret that is mounted at /secrets."""
    for where, pod, container in ours():
        with monkeypatch.context() as patch:
            settings = settings_of(variables(pod, container), patch)
        files = [
            settings.kafka.sasl_password_file,
            settings.kafka.ssl_cafile,
            settings.elasticsearch.ca_certs,
        ]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for file in filter(None, files):
            (mount,) = [one for one in container["volumeMounts"] if file.is_relative_to(one["mountPath"])]
            volume = volumes[mount["name"]]
            if "secret" in volume:
                keys = set(named("Secret")[volume["secret"]["secretName"]]["stringData"])
            else:
                keys = set(named("ConfigMap")[volume["configMap"]["name"]]["data"])
            assert file.name in keys, f"{where}: {file}"


def test_each_part_has_secrets_of_its_own() -> None:
    """No two parts share a password; the agent knows nothing of Elasticsearch."""
    users: dict[str, set[str]] = {}
    for where, pod, container in ours():
        text = str(pod["spec"]["volumes"]) + str(container.get("env", []))
        for name in named("Secret"):
            if f"'{name}'" in text:
                users.setdefault(name, set()).add(where.split(":")[0])
        if "agent" in container["args"]:
            assert not [one for one in variables(pod, container) if "ELASTICSEARCH" in one]
    assert users == {
        "shipper-agent": {"agent-daemonset.yaml", "sidecar.yaml"},
        "shipper-detector": {"detector.yaml"},
        "shipper-indexer": {"indexer.yaml"},
        "shipper-janitor": {"retention.yaml"},
        "shipper-setup": {"setup.yaml"},
    }


@pytest.mark.parametrize("name", ["application.yaml", "sidecar.yaml"])
def test_labels_tie_pods_to_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Service, model, version and stage are said once, in the pod's labels, which have the names of the fields."""
    ((where, pod),) = [(where, pod) for where, pod in PODS.items() if where.startswith(f"{name}:")]
    (container,) = pod["spec"]["containers"]
    paths = {
        pair["name"]: pair.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
        for pair in container["env"]
    }
    for variable, label in LABELS.items():
        assert paths[variable] == f"metadata.labels['{label}']"
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", pod["metadata"]["labels"][label])
        group, key = variable.removeprefix("SHIPPER_").lower().split("_", 1)
        if label.startswith("ml."):
            assert label in str(Settings.model_fields[group].annotation.model_fields[key].description)  # type: ignore[union-attr]
    with monkeypatch.context() as patch:
        settings = settings_of(variables(pod, container), patch)
    assert (settings.model.name, settings.model.version) == ("tumour", "7"), where
    assert re.fullmatch(r"[0-9a-f]{40}", settings.git.commit)


@pytest.mark.parametrize("name", ["application.yaml", "sidecar.yaml"])
def test_an_application_and_its_agent_mean_the_same_spool(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same folder, brokers, topic and user: otherwise the agent would take the spool for somebody else's."""
    agent_name = "sidecar.yaml" if name == "sidecar.yaml" else "agent-daemonset.yaml"
    found = []
    for file, wanted in ((agent_name, "agent"), (name, "application")):
        ((_, pod),) = [(where, pod) for where, pod in PODS.items() if where.startswith(f"{file}:")]
        (container,) = [one for one in containers(pod) if one["name"] in {wanted, f"shipper-{wanted}"}]
        with monkeypatch.context() as patch:
            settings = settings_of(variables(pod, container), patch)
        assert wanted == "agent" or settings.ship.mode == "agent"
        (mount,) = [
            one
            for one in container["volumeMounts"]
            if settings.spool.directory.is_relative_to(one["mountPath"])
        ]
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        source = volumes.get(mount["name"], {}).get("hostPath", {}).get("path", mount["name"])
        user = {**pod["spec"]["securityContext"], **container["securityContext"]}["runAsUser"]
        inside = settings.spool.directory.relative_to(mount["mountPath"])
        found.append(
            (
                source,
                mount.get("subPath"),
                inside,
                settings.kafka.bootstrap_servers,
                settings.kafka.topic,
                user,
            )
        )
    assert found[0] == found[1]


def test_the_spool_outlives_its_pod() -> None:
    """It lies on the node, or in a claim that is kept; never in a volume that goes with the pod."""
    for where, pod in PODS.items():
        volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        for container in containers(pod):
            for mount in container["volumeMounts"]:
                if mount["name"] in {"spool", "node"}:
                    assert "emptyDir" not in volumes.get(mount["name"], {}), where
    (sidecar,) = [document for name, document in EVERYTHING if name == "sidecar.yaml"]
    assert set(sidecar["spec"]["persistentVolumeClaimRetentionPolicy"].values()) == {"Retain"}
    assert "Why a folder of the node (hostPath)" in (FOLDER / "agent-daemonset.yaml").read_text("utf-8")


def test_policies_let_each_part_reach_what_it_needs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Egress is to the servers that the pod's settings name, at their ports; ingress is to the metrics alone."""
    policies = named("NetworkPolicy")
    default = policies.pop("shipper-default")["spec"]
    assert default["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in default
    seen = set()
    for _, pod, container in ours():
        labels = pod["metadata"]["labels"]
        if labels.get("app.kubernetes.io/part-of") != "shipper":
            continue  # somebody else's pod, with our sidecar in it
        given = variables(pod, container)
        with monkeypatch.context() as patch:
            settings = settings_of(given, patch)
        needed: set[tuple[str, int | None]] = set()
        if "SHIPPER_KAFKA_BOOTSTRAP_SERVERS" in given:
            host, port = settings.kafka.bootstrap_servers.split(":")
            needed.add((host.split(".")[1], int(port)))
        if "SHIPPER_ELASTICSEARCH_URL" in given:
            url = urlsplit(settings.elasticsearch.url)
            needed.add((str(url.hostname).split(".")[1], url.port))
        (policy,) = [
            one["spec"]
            for one in policies.values()
            if one["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        ]
        seen.add(labels["app.kubernetes.io/name"])
        reached = {
            (next(iter(rule["to"][0]["namespaceSelector"]["matchLabels"].values())), port["port"])
            for rule in policy["egress"]
            for port in rule["ports"]
        }
        assert reached == needed
        served = [port["containerPort"] for port in container.get("ports", [])]
        assert [port["port"] for rule in policy.get("ingress", []) for port in rule["ports"]] == served
        assert all(f"0.0.0.0:{port}" in container["args"] for port in served)
    assert seen == set(policies)


def test_the_page_makes_what_must_be_there() -> None:
    """docs/how-to/kubernetes.md makes each secret and the authorities with the keys that are expected, and names each file."""
    text = PAGE.read_text("utf-8")
    made = {
        (kind, name): set(re.findall(r"--from-(?:file|literal)=([\w.-]+)=", line))
        for line in text.replace("\\\n", " ").splitlines()
        for kind, name in re.findall(r"create (secret generic|configmap) ([\w-]+)", line)
    }
    wanted = {("secret generic", name): set(one["stringData"]) for name, one in named("Secret").items()}
    wanted["configmap", "shipper-authorities"] = set(named("ConfigMap")["shipper-authorities"]["data"])
    assert made == wanted
    for path in MANIFESTS:
        assert path.name in text, path.name
