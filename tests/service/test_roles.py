"""Roles on a real server with security and TLS on: each command works with its role, each other act is refused."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from shipper.assets import asset
from shipper.cli.main import app
from shipper.clock import SystemClock
from shipper.datasets import index_name
from shipper.detect.event_time.window import HOUR_US, iso, parse_iso
from shipper.enrich.redact import Keyring
from shipper.errors import ShipperError
from shipper.schema.roles import load_roles, roles_yaml
from tests.service.detect_history import Fault, History, store
from tests.service.kafka_stage import KafkaStage
from tests.service.running_stack import RunningStack
from tests.service.secure_elasticsearch import SecureElasticsearch, secure_elasticsearch

TEAM: Final = "team_a"
OTHER: Final = "team_b"
KEY: Final = f"k1:{base64.b64encode(b'k' * 32).decode()}"
_START_LIMIT_S: Final = 240


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureElasticsearch]:
    """A server whose users have one role each: general ones by kind, a team's as `a_<kind>`."""
    general, team = load_roles(asset("schema")), load_roles(asset("schema"), TEAM)
    users = {role.kind: (role.name,) for role in general} | {f"a_{role.kind}": (role.name,) for role in team}
    folder = tmp_path_factory.mktemp("secure")
    with secure_elasticsearch(folder, roles_yaml([*general, *team]), {**users, "nobody": ()}) as server:
        done = command(server, "operator", "setup", "--no-kafka")
        assert done.returncode == 0, done.stderr
        for namespace in (TEAM, OTHER):
            for index in indices(namespace):
                assert server.status("PUT", f"/{index}/_doc/1", {"message": "x"}) in {200, 201}
        yield server


def command(
    server: SecureElasticsearch, user: str, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a command as a user."""
    return subprocess.run(
        [sys.executable, "-m", "shipper", *arguments],
        env={**os.environ, **server.environment(user), "SHIPPER_NAMESPACE": TEAM, **more},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def indices(namespace: str) -> list[str]:
    """Return one index of each kind."""
    now_us = SystemClock().now_us()
    logs = [index_name(f"ml.{dataset}", namespace, now_us) for dataset in ("app", "alert", "audit", "health")]
    return [*logs, f"alerts-ml-{namespace}", f"dead-letters-ml-{namespace}", f"shipper-state-{namespace}"]


def logs_of(namespace: str, dataset: str = "ml.app") -> str:
    """Return today's index of a dataset."""
    return index_name(dataset, namespace, SystemClock().now_us())


def bulk(action: str, index: str, document_id: str = "") -> str:
    """Return the body of a bulk request of one item."""
    about: dict[str, Any] = {"_index": index} | ({"_id": document_id} if document_id else {})
    lines: list[Any] = [{action: about}]
    lines += (
        [] if action == "delete" else [{"doc": {"message": "y"}} if action == "update" else {"message": "y"}]
    )
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def may(server: SecureElasticsearch, user: str, act: str, index: str) -> bool:
    """Try an act; return whether it was allowed. What the server answers beyond that does not matter."""
    if act in {"create", "index", "update", "delete"}:
        status = server.status(
            "POST", "/_bulk", user=user, body=bulk(act, index, "1" if act != "create" else "")
        )
    elif act == "read":
        status = server.status("GET", f"/{index}/_doc/1", user=user)
    elif act == "search":
        status = server.status("GET", f"/{index}/_search", user=user)
    elif act == "drop":
        status = server.status("DELETE", f"/{index}", user=user)
    else:
        status = server.status("PUT", f"/{index}/_settings", {"index.priority": 1}, user=user)
    assert status < 500
    return status not in {401, 403}


ALLOWED: Final = {
    "writer": {"logs": {"create"}, "history": {"create"}, "audit": {"create"}},
    "indexer": {
        "logs": {"create"},
        "history": {"create"},
        "audit": {"create"},
        "letters": {"create", "index", "update", "read", "search"},
    },
    "detector": {
        "logs": {"read", "search"},
        "alerts": {"create", "index", "update", "read", "search"},
        "history": {"create", "read", "search"},
        "audit": {"create", "read", "search"},
        "state": {"create", "index", "update", "read", "search"},
    },
    "viewer": {kind: {"read", "search"} for kind in ("logs", "alerts", "letters", "history", "audit")},
    "operator": {
        "logs": {"create", "index", "update", "delete", "read", "search", "settings"},
        "history": {"create", "index", "update", "delete", "read", "search", "settings"},
        "audit": {"create", "read", "search"},
        "alerts": {"create", "index", "update", "delete", "read", "search", "settings"},
        "letters": {"create", "index", "update", "delete", "read", "search", "settings"},
        "state": {"create", "index", "update", "delete", "read", "search", "settings"},
    },
    "janitor": {"audit": {"create"}},
    "nobody": {},
}
"""By role and kind of index: the acts that are allowed; every other one is refused."""


def index_of(kind: str, namespace: str) -> str:
    """Return an index of a kind."""
    return {
        "logs": logs_of(namespace),
        "history": logs_of(namespace, "ml.alert"),
        "audit": logs_of(namespace, "ml.audit"),
        "alerts": f"alerts-ml-{namespace}",
        "letters": f"dead-letters-ml-{namespace}",
        "state": f"shipper-state-{namespace}",
    }[kind]


ACTS: Final = ("create", "index", "update", "read", "search", "settings", "delete")


@pytest.mark.timeout(_START_LIMIT_S)
@pytest.mark.parametrize("role", list(ALLOWED))
def test_what_a_role_may(server: SecureElasticsearch, role: str) -> None:
    """Every act on every kind of index: what the role does not name is refused; a team's role ends at its namespace."""
    wanted: dict[str, set[str]] = ALLOWED[role]
    for kind in ("logs", "history", "audit", "alerts", "letters", "state"):
        assert server.status("PUT", f"/{index_of(kind, TEAM)}/_doc/1", {"message": "x"}) in {200, 201}
        found = {act for act in ACTS if may(server, role, act, index_of(kind, TEAM))}
        assert found == wanted.get(kind, set()), kind
        if role == "nobody":
            continue
        mine = {act for act in ACTS if may(server, f"a_{role}", act, index_of(kind, TEAM))}
        assert mine == wanted.get(kind, set()), kind
        theirs = {act for act in ACTS if may(server, f"a_{role}", act, index_of(kind, OTHER))}
        assert theirs == set(), kind


@pytest.mark.timeout(_START_LIMIT_S)
def test_who_may_delete_indices_and_change_templates(server: SecureElasticsearch) -> None:
    """Whole indices: the operator, but none of the audit trail; the janitor, all logs and nothing else. Security: none."""
    for role in ALLOWED:
        assert may(server, role, "drop", f"logs-ml.app-{TEAM}-1999.01.01") is (
            role in {"operator", "janitor"}
        ), role
        assert may(server, role, "drop", f"logs-ml.audit-{TEAM}-1999.01.01") is (role == "janitor"), role
        assert may(server, role, "drop", f"alerts-ml-{OTHER}_x") is (role == "operator"), role
        template = {"index_patterns": ["nobody-has-this-*"]}
        status = server.status("PUT", "/_index_template/t", template, user=role)
        assert (status == 200) is (role == "operator"), role
        assert server.status("PUT", "/_security/role/x", {"cluster": ["all"]}, user=role) == 403
        everybody = {"password": "long enough for it", "roles": ["superuser"]}
        assert server.status("PUT", "/_security/user/x", everybody, user=role) == 403
        assert (
            server.status(
                "PUT", "/_cluster/settings", {"transient": {"cluster.max_shards_per_node": 1000}}, user=role
            )
            == 403
        )


@pytest.mark.timeout(_START_LIMIT_S)
def test_the_writer_may_start_logstash(server: SecureElasticsearch) -> None:
    """Logstash asks for version and licence before its first record and does not start without an answer; nothing else
    of the cluster is the writer's to know."""
    for writer in ("writer", "a_writer"):
        wanted = json.dumps({"cluster": ["cluster:monitor/main"]}).encode()
        with server.client(writer) as client:
            answer = client.request(
                "POST",
                "/_security/user/_has_privileges",
                body=wanted,
                headers={"accept": "application/json", "content-type": "application/json"},
            )
        assert answer["has_all_requested"]
        assert server.status("GET", "/_license", user=writer) == 200
        assert server.status("GET", "/_cluster/health", user=writer) == 403
        assert server.status("GET", "/_nodes", user=writer) == 403
    assert server.status("GET", "/_license", user="nobody") == 403


@pytest.mark.timeout(_START_LIMIT_S)
def test_without_a_name_and_without_tls(server: SecureElasticsearch) -> None:
    """A wrong password is refused in a sentence; without TLS, or with another authority, there is no connection."""
    wrong = command(server, "viewer", "logs", "search", SHIPPER_ELASTICSEARCH_PASSWORD="wrong")
    assert (wrong.returncode in (1, 2), "Traceback" in wrong.stderr) == (True, False)
    assert "401" in wrong.stderr
    plain = command(
        server, "viewer", "logs", "search", SHIPPER_ELASTICSEARCH_URL=server.url.replace("https", "http")
    )
    assert (plain.returncode in (1, 2), "Traceback" in plain.stderr) == (True, False)
    stranger = command(server, "viewer", "logs", "search", SHIPPER_ELASTICSEARCH_CA_CERTS="")
    assert (stranger.returncode in (1, 2), "Traceback" in stranger.stderr) == (True, False)
    assert "certificate" in stranger.stderr.lower()


class TestCommands:
    """Each real command with exactly its role, over TLS."""

    @pytest.mark.timeout(_START_LIMIT_S)
    def test_the_way_of_a_record(
        self, server: SecureElasticsearch, stack: RunningStack, tmp_path: Path
    ) -> None:
        """Index, look, detect, acknowledge, replay, purge, erase, age: each by its role, none by another's."""
        with server.client() as admin:
            stage = KafkaStage(stack, admin)
            stage.make_topics()
            stage.namespace = f"{TEAM}_x"
            more = {
                **stage.environment,
                "SHIPPER_NAMESPACE": stage.namespace,
                "SHIPPER_REDACT_KEY": KEY,
                "XDG_STATE_HOME": str(tmp_path),
            }
            try:
                _walk(server, stage, more)
            finally:
                stage.remove()


_RULES: Final = """
rules:
  - {id: errors, kind: error_rate, group_by: [service.name], bad: {event.outcome: failure}, baseline: 6h}
  - {id: inputs, kind: drift, group_by: [ml.model.name, ml.model.version]}
  - {id: accuracy, kind: metric, coverage: {dataset: ml.inference}, baseline: 6h, warm_up: 10m}
"""
"""Of all that rules ask for: sums, features, another dataset, deployments."""


@pytest.mark.timeout(_START_LIMIT_S)
def test_detection_and_migration_with_their_roles(server: SecureElasticsearch, tmp_path: Path) -> None:
    """Whoever judges (now, the past, or only to see) needs the detector's role, who acts on what was found the operator's."""
    namespace = f"{TEAM}_d"
    end_us = SystemClock().now_us() // HOUR_US * HOUR_US
    begin_us = end_us - 2 * HOUR_US
    fault = Fault(begin_us, end_us, error_rate=0.3)
    documents = History(end_us, hours=9, per_hour=90, fault=fault).build()
    with server.client() as admin:
        store(admin, namespace, documents, ingested_us=lambda one: parse_iso(one["@timestamp"]) + 10**6)
    span = (iso(begin_us), iso(end_us))
    rules = tmp_path / "rules.yml"
    rules.write_text(_RULES, "utf-8")

    def run(user: str, *arguments: str) -> Result:
        more = {"SHIPPER_NAMESPACE": namespace, "SHIPPER_DETECT_RULES": str(rules)}
        environment = {**server.environment(user), **more}
        return CliRunner().invoke(app, list(arguments), env=environment)

    def by(user: str, *arguments: str) -> Any:
        done = run(user, *arguments)
        assert done.exit_code == 0, (arguments, done.output[-1500:], done.exception)
        return done.stdout

    report = json.loads(by("detector", "detect", "run", "--json"))
    assert [one for one in report["alerts"] if one["rule"]["id"] == "errors"], report
    assert json.loads(by("detector", "detect", "run", "--json"))["windows"] == 0
    by("detector", "detect", "backfill", *span, "--json")
    explained = by("detector", "detect", "explain", iso(end_us - HOUR_US), "--json")
    assert '"rule": "errors"' in explained
    tried = json.loads(
        by("detector", "detect", "backtest", str(rules), "--from", span[0], "--to", span[1], "--json")
    )
    assert tried["results"][0]["alerts"] >= 1
    (alert, *_) = json.loads(by("viewer", "alerts", "list", "--json"))
    identity = alert["alert"]["id"]
    for user in ("viewer", "writer", "indexer"):
        silence = ["alerts", "silence", identity, "--for", "1h"]
        for command_ in (
            ["detect", "run"],
            ["detect", "backfill", *span],
            ["alerts", "ack", identity],
            silence,
        ):
            refused = run(user, *command_)
            assert isinstance(refused.exception, ShipperError), (user, command_, refused.output)
            # Who may not read alerts finds none to acknowledge.
            assert "403" in str(refused.exception) or (command_[0], user != "viewer") == ("alerts", True)
    by("operator", "alerts", "ack", identity, "--note", "looked at")
    by("operator", *silence)
    assert run("detector", "migrate", "apply", "--yes", "--index", logs_of(namespace)).exception is not None
    migrated = by("operator", "migrate", "apply", "--yes", "--index", logs_of(namespace), "--json")
    assert [one["outcome"] for one in json.loads(migrated)["results"]] == ["migrated"]
    # The lease that the operator's command took does not keep the detector from its own.
    by("detector", "detect", "run", "--json")


def _walk(server: SecureElasticsearch, stage: KafkaStage, more: dict[str, str]) -> None:
    # In this process: two dozen processes of their own would take a minute.
    def run(user: str, *arguments: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={**more, **server.environment(user)})

    def by(user: str, *arguments: str) -> Any:
        done = run(user, *arguments)
        assert done.exit_code == 0, (arguments, done.output[-1500:], done.exception)
        return done.stdout

    def refused(user: str, *arguments: str) -> None:
        done = run(user, *arguments)
        assert isinstance(done.exception, ShipperError), (arguments, done.output)
        assert "403" in str(done.exception)

    pseudonym = Keyring.parse(KEY).pseudonym("bob")
    stage.send([stage.value(user={"id": pseudonym}), stage.value(), stage.value(host="scalar")])
    counts = json.loads(by("indexer", "index", "--once", "--json", "-q"))
    assert (counts["indexed"], sum(counts["dead_lettered"].values())) == (2, 1)
    server.status("POST", "/_refresh")
    assert len(by("viewer", "logs", "search", "--json").splitlines()) == 2
    refused("writer", "index", "--once", "-q")
    refused("viewer", "index", "--once", "-q")
    by("detector", "detect", "run")
    refused("viewer", "detect", "run")
    assert json.loads(by("viewer", "reconcile", "--json"))["totals"]["missing"] == 0
    by("viewer", "alerts", "list")
    by("viewer", "dlq", "list")
    refused("viewer", "dlq", "replay", "--all")
    assert json.loads(by("operator", "dlq", "replay", "--all", "--json")) == {"replayed": 1}
    assert json.loads(by("operator", "dlq", "purge", "--all", "--yes", "--topic", "--json"))["purged"] == 1
    refused("viewer", "erase", "--subject", "bob", "--yes")
    refused("indexer", "erase", "--subject", "bob", "--yes")
    assert json.loads(by("operator", "erase", "--subject", "bob", "--yes", "--json"))["counts"] == {
        "deleted": 1
    }
    stage.index_settings = stage.index_settings.model_copy(update={"group": "again"})
    again = json.loads(by("indexer", "index", "--once", "--json", "-q"))
    assert again["indexed"] == 0
    by("operator", "setup")
    by("operator", "retention", "report")
    by("operator", "migrate", "plan")
    by("operator", "doctor", "--json")
    by("janitor", "retention", "apply")
    by("janitor", "retention", "apply", "--yes")
    trail = by("viewer", "logs", "search", "--dataset", "ml.audit", "--json")
    acts = {json.loads(line)["event"]["action"] for line in trail.splitlines()}
    assert {"dlq-replay", "dlq-purge", "erase"} <= acts
