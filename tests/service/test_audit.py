"""The audit trail on the real servers: who did what, where and why."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

import shipper
from shipper.assets import asset
from shipper.cli.main import app
from shipper.datasets import alert_index, index_pattern
from shipper.errors import ConfigurationError
from shipper.index.search import read_all
from shipper.testing import reset
from tests.service.kafka_stage import KafkaStage
from tests.unit.alert import made


def run(stage: KafkaStage, *arguments: str, **environment: str) -> Result:
    """Run a command on a stage in this process."""
    done = CliRunner().invoke(app, list(arguments), env={**stage.environment, **environment})
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def trail(stage: KafkaStage, action: str) -> list[dict[str, Any]]:
    """Return the records of an act, oldest first."""
    pattern = index_pattern("ml.audit", stage.namespace)
    stage.client.refresh(pattern)
    query = {"term": {"event.action": action}}
    hits = read_all(stage.client, pattern, query, sort=[{"@timestamp": "asc"}])
    return [hit["_source"] for hit in hits]


def test_rules_that_changed(stage: KafkaStage, tmp_path: Path) -> None:
    """The first run with other rules says which, from which file and whose; a run with the same ones says nothing."""
    file = tmp_path / "rules.yml"
    shipped = asset("schema").parent / "shipper" / "detect" / "default_rules.yml"
    text = shipped.read_text("utf-8")
    file.write_text(text)
    for _ in range(2):
        run(stage, "detect", "run", "--rules", str(file), "--json", SHIPPER_AUDIT_BY="night job")
    assert len(trail(stage, "rules-change")) == 1
    file.write_text(text.replace("severity: error", "severity: warning", 1))
    run(stage, "detect", "run", "--rules", str(file), "--json", SHIPPER_AUDIT_BY="night job")
    first, second = trail(stage, "rules-change")
    assert first["shipper"]["act"]["by"] == second["shipper"]["act"]["by"] == "night job"
    assert first["shipper"]["act"]["counts"]["added"] > 1
    assert second["shipper"]["act"]["counts"] == {"added": 0, "changed": 1, "removed": 0}
    assert "changed inference-errors" in second["message"]
    assert str(file) in second["message"]
    assert "owner " in second["message"]


def test_rules_that_were_silenced(stage: KafkaStage, tmp_path: Path) -> None:
    """Maintenance of one rule or of all is told as what it is, with times and reason, when it comes and when it goes;
    so is another budget of false alarms, which changes no rule and all of them."""
    file = tmp_path / "rules.yml"
    plain = "rules: [{id: few, kind: error_rate, dataset: ml.app, bad: {log.level: error}, window: 15m}]\n"
    once = "maintenance: [{start: 2026-11-21T22:00:00Z, end: 2026-11-22T02:00:00Z, reason: quiet please}]\n"
    daily = plain.replace("15m", "15m, maintenance: [{every: day, at: '02:00', lasts: 1h}]")
    for text in (plain, plain + once, daily + once, daily, "false_alarms: 3/day\n" + daily):
        file.write_text(text)
        run(stage, "detect", "run", "--rules", str(file), "--json", SHIPPER_AUDIT_BY="dave")
    said = [one["shipper"]["act"]["filter"] for one in trail(stage, "rules-silence")]
    assert [one.split(" (")[0] for one in said] == [
        "added all rules from 2026-11-21T22:00:00.000000Z to 2026-11-22T02:00:00.000000Z: quiet please",
        "added few every day at 02:00 for 1h",
        "removed all rules from 2026-11-21T22:00:00.000000Z to 2026-11-22T02:00:00.000000Z: quiet please",
    ]
    first, last = (one["shipper"]["act"] for one in trail(stage, "rules-change"))
    assert first["counts"] == {"added": 2, "changed": 0, "removed": 0}
    assert last["filter"].startswith("changed the budget of false alarms")


def test_a_level_that_was_set(stage: KafkaStage, tmp_path: Path) -> None:
    """`shipper level set --why` is told, as an act, by each process that follows."""
    shipper.configure(
        service="t",
        namespace=stage.namespace,
        kafka=stage.kafka.model_dump(),
        spool={"directory": tmp_path},
        levels={"watch_s": 0.05},
    )
    try:
        log = shipper.get_logger("app")
        log.info("begins")
        run(stage, "level", "set", "app=debug", "--why", "ticket 4711", SHIPPER_SPOOL_DIRECTORY=str(tmp_path))
        deadline_s = time.monotonic() + 20
        while not trail(stage, "level-set"):
            assert time.monotonic() < deadline_s
            shipper.flush(5)
            with stage.indexer() as indexer:
                indexer.run_until_idle(0.3)
    finally:
        reset()
    (told,) = trail(stage, "level-set")
    act = told["shipper"]["act"]
    assert (act["filter"], act["why"]) == ("app=debug", "ticket 4711")
    assert "@" in act["by"]
    assert told["host"]["name"]


def test_an_alert_that_was_acknowledged(stage: KafkaStage) -> None:
    """`shipper alerts ack` says who, which alert and why before it changes anything; secrets in the note are hidden."""
    from shipper.alert.document import to_document

    alert = made.alert()
    stage.client.create(alert_index(stage.namespace), alert.id, to_document(alert), refresh=True)
    run(stage, "alerts", "ack", alert.id, "--note", "password=hunter2 is not it", SHIPPER_AUDIT_BY="carol")
    (told,) = trail(stage, "alert-ack")
    assert (told["shipper"]["act"]["by"], told["shipper"]["act"]["filter"]) == ("carol", alert.id)
    assert "hunter2" not in json.dumps(told)
    assert "is not it" in told["shipper"]["act"]["why"]


def test_an_alert_that_was_silenced(stage: KafkaStage) -> None:
    """`shipper alerts silence` says who, which alert, until when and why before it does it; the list leaves the alert out
    until it is heard again, and an ordinary acknowledgement meanwhile keeps the silence."""
    from shipper.alert.document import to_document

    alert = made.alert()
    stage.client.create(alert_index(stage.namespace), alert.id, to_document(alert), refresh=True)
    said = run(
        stage, "alerts", "silence", alert.id[:8], "--for", "2h", "--why", "known", SHIPPER_AUDIT_BY="carol"
    )
    assert "is silent until" in said.stdout
    run(stage, "alerts", "ack", alert.id)
    (told,) = trail(stage, "alert-silence")
    act = told["shipper"]["act"]
    assert (act["by"], act["why"]) == ("carol", "known")
    assert act["filter"].startswith(f"{alert.id} until 2")
    assert json.loads(run(stage, "alerts", "list", "--json").stdout) == []
    assert "Silenced: 1" in run(stage, "alerts", "list").stdout
    (shown,) = json.loads(run(stage, "alerts", "list", "--all", "--json").stdout)
    assert (shown["alert"]["state"], "silenced_until" in shown["alert"]) == ("acknowledged", True)
    run(stage, "alerts", "unsilence", alert.id)
    assert len(trail(stage, "alert-unsilence")) == 1
    assert len(json.loads(run(stage, "alerts", "list", "--json").stdout)) == 1
    for wrong in ("2", "31d", "-1h"):
        refused = CliRunner().invoke(
            app, ["alerts", "silence", alert.id, f"--for={wrong}"], env=stage.environment
        )
        assert isinstance(refused.exception, ConfigurationError), refused.output
    assert len(trail(stage, "alert-silence")) == 1
