"""`shipper setup` and `shipper doctor` on the real servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from shipper.assets import asset
from shipper.index.templates import install, packaged_templates
from shipper.kafka.admin import Admin
from tests.service.kafka_stage import KafkaStage, open_stage
from tests.service.running_stack import RunningStack

AWAY = {
    "SHIPPER_ELASTICSEARCH_URL": "http://127.0.0.1:1",
    "SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "SHIPPER_KAFKA_REQUEST_TIMEOUT_S": "1",
}


@pytest.fixture
def stage(stack: RunningStack) -> Iterator[KafkaStage]:
    """A namespace and names of topics that do not exist yet."""
    with open_stage(stack, has_topics=False) as stage:
        yield stage


class TestSetup:
    """Templates, topics, dashboards."""

    def test_it_may_be_repeated(self, stage: KafkaStage) -> None:
        """The first run makes what is missing, the second finds nothing to do; both exit 0."""
        first = stage.command("setup", "--json")
        assert first.returncode == 0, first.stderr
        assert [topic["created"] for topic in json.loads(first.stdout)["topics"]] == [True, True]
        second = stage.command("setup", "--json")
        found = json.loads(second.stdout)
        assert (second.returncode, found["templates"]["changes"], found["templates"]["problems"]) == (
            0,
            [],
            [],
        )
        assert [topic["created"] for topic in found["topics"]] == [False, False]
        with Admin(stage.kafka) as admin:
            topic = admin.describe(stage.kafka.dead_letter_topic)
        assert topic.config["retention.ms"] == "-1"

    def test_a_dry_run_changes_nothing(self, stage: KafkaStage) -> None:
        """--dry-run tells what would be made, and makes nothing."""
        done = stage.command("setup", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert f"topic {stage.kafka.topic}: would be created" in done.stdout
        with Admin(stage.kafka) as admin:
            assert not admin.topic_exists(stage.kafka.topic)

    def test_no_kafka_leaves_the_topics_alone(self, stage: KafkaStage) -> None:
        """--no-kafka works without any Kafka."""
        done = stage.command(
            "setup", "--no-kafka", environment={"SHIPPER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
        )
        assert done.returncode == 0, done.stderr
        assert "topic" not in done.stdout

    def test_servers_away(self, stage: KafkaStage) -> None:
        """A server that does not answer is one sentence and exit 1."""
        done = stage.command("setup", environment=AWAY)
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr

    def test_kibana_gets_every_file(self, stage: KafkaStage) -> None:
        """--kibana sends each file of saved objects once, and tells how many objects were taken."""
        received: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.rfile.read(int(self.headers["content-length"])))
                answer = json.dumps({"success": True, "successCount": 2}).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        files = list((asset("kibana") / "saved_objects").glob("*.ndjson"))
        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            url = f"http://127.0.0.1:{server.server_address[1]}"
            done = stage.command("setup", "--no-kafka", "--kibana", url, "--json")
            server.shutdown()
            thread.join()
        assert done.returncode == 0, done.stderr
        assert len(received) == len(files) > 0
        assert json.loads(done.stdout)["kibana"]["imported"] == 2 * len(files)


class TestDoctor:
    """Each hop, well and ill."""

    def states(
        self, stage: KafkaStage, environment: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        """Return exit code and the state of each check."""
        done = stage.command("doctor", "--json", environment=environment)
        assert "Traceback" not in done.stderr, done.stderr
        checks = json.loads(done.stdout)["checks"]
        assert all(check["advice"] for check in checks if check["state"] != "ok")
        return done.returncode, {check["name"]: check["state"] for check in checks}

    def test_all_is_well_after_setup(self, stage: KafkaStage, tmp_path: Path) -> None:
        """After `shipper setup` every check is ok, the proof on a created index included."""
        assert stage.command("setup").returncode == 0
        code, states = self.states(stage, {"SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool")})
        assert (code, set(states.values())) == (0, {"ok"}), states
        assert states["template proof"] == "ok"
        assert stage.client.indices("logs-ml.app-doctor*") == []

    def test_missing_topics_fail(self, stage: KafkaStage) -> None:
        """Without the topics: fail, with the command that makes them."""
        code, states = self.states(stage)
        assert code == 1
        assert states[f"topic {stage.kafka.topic}"] == "fail"

    def test_servers_away(self, stage: KafkaStage, tmp_path: Path) -> None:
        """Nothing answers and the spool is a file: three failures, each with advice, no stack trace."""
        (tmp_path / "spool").write_text("")
        code, states = self.states(stage, {**AWAY, "SHIPPER_SPOOL_DIRECTORY": str(tmp_path / "spool")})
        assert code == 1
        assert [states[name] for name in ("spool", "kafka", "elasticsearch")] == ["fail"] * 3

    def test_a_wrong_configuration_is_one_failure(self, stage: KafkaStage) -> None:
        """An unusable setting is told as a check; the others need it and are left out."""
        code, states = self.states(stage, {"SHIPPER_KAFKA_PARTITIONS": "0"})
        assert code == 1
        assert states["configuration"] == "fail"
        assert "kafka" not in states

    def test_dead_letters_and_lag_are_told(self, stage: KafkaStage) -> None:
        """U34: dead letters are a warning with their count; records that wait are counted."""
        assert stage.command("setup").returncode == 0
        stage.send([("x-1", b"{"), stage.value()])
        assert self.states(stage)[1]["indexer lag"] == "warn"
        assert stage.command("index", "--once").returncode == 0
        code, states = self.states(stage)
        assert (code, states["indexer lag"], states["dead letters"]) == (0, "ok", "warn")

    def test_an_index_of_an_older_schema_is_a_warning(self, stage: KafkaStage) -> None:
        """U37: an index in which a field has another type is named, with the command that mends it."""
        assert stage.command("setup").returncode == 0
        older = {"properties": {"ml": {"properties": {"epoch": {"type": "keyword"}}}}}
        stage.client.create_index(stage.today(), {"mappings": older})
        code, states = self.states(stage)
        assert (code, states["schema of indices"]) == (0, "warn")

    def test_an_index_made_without_templates_fails(self, stage: KafkaStage) -> None:
        """U30: an index that was made before the templates is open; the check names it."""
        assert stage.command("setup").returncode == 0
        name = f"logs-ml.unknown-{stage.namespace}-2026.01.01"
        stage.client.create_index(name)
        try:
            done = stage.command("doctor")
        finally:
            stage.client.delete_index(name)
        assert done.returncode == 1
        assert name in done.stdout


def test_the_indexer_refuses_without_templates(stage: KafkaStage) -> None:
    """U30, U37: `shipper index` does not start where a template is missing; one sentence names the command."""
    stage.make_topics()
    client = stage.client
    templates = packaged_templates(asset("es_templates"))
    install(client, templates)
    client.request("DELETE", "/_index_template/logs-ml.explanation")
    try:
        done = stage.command("index", "--once")
    finally:
        install(client, templates)
    assert done.returncode == 2
    assert "shipper setup" in done.stderr
