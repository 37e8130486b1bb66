"""`shipper errors` on the real Elasticsearch: what there is, who declared what resolved, and that it comes back."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from shipper.cli.main import app
from shipper.clock import SystemClock
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, iso
from shipper.errors import ConfigurationError
from tests.service.detect_history import Json, store
from tests.service.kafka_stage import KafkaStage
from tests.service.test_audit import run, trail

FINGERPRINT = "3f2a9c0d1e5b7a64"


def failed(at_us: int, number: int, text: str = "", version: str = "1.9.0") -> Json:
    """An error: an exception, or a message alone."""
    error = {} if text else {"error": {"id": FINGERPRINT, "type": "app.NoModel"}}
    return {
        "@timestamp": iso(at_us),
        "message": text or f"request {number} failed",
        "log": {"level": "error"},
        "event": {"id": f"e{at_us}-{number}", "dataset": "ml.app"},
        "service": {"name": "api", "version": version},
        **error,
    }


def listed(stage: KafkaStage, *arguments: str) -> list[dict[str, Any]]:
    """What `errors list` says."""
    found: list[dict[str, Any]] = json.loads(run(stage, "errors", "list", "--json", *arguments).stdout)
    return found


def test_an_error_is_listed_resolved_told_and_reopened(stage: KafkaStage) -> None:
    """From the list to the alert by commands alone; each act says who and why, a wrong one is one sentence."""
    now_us = SystemClock().now_us()
    before = [failed(now_us - HOUR_US + one * MINUTE_US, one) for one in range(5)]
    before += [failed(now_us - HOUR_US, 10 + one, f"disk /dev/sd{one} is full") for one in range(3)]
    store(stage.client, stage.namespace, before, ingested_us=lambda _: now_us)
    found = {one["error"]: one for one in listed(stage)}
    assert found["app.NoModel"]["count"] == 5
    assert found["disk <*> is full"]["count"] == 3
    assert "app.NoModel" in run(stage, "errors", "list").stdout
    who = {"SHIPPER_AUDIT_BY": "ada"}
    message = found["disk <*> is full"]["fingerprint"]
    run(stage, "errors", "resolve", "3f2a9c", "--in-version", "1.10.0", "--why", "fixed by #214", **who)
    said = run(stage, "errors", "resolve", message, **who).stdout
    assert said == f"Error {message} (disk <*> is full) is resolved, by ada.\n"
    acts = trail(stage, "error-resolve")
    assert [one["shipper"]["act"]["by"] for one in acts] == ["ada", "ada"]
    assert acts[0]["shipper"]["act"]["filter"] == f"{FINGERPRINT} app.NoModel, in version 1.10.0"
    assert acts[0]["shipper"]["act"]["why"] == "fixed by #214"
    (known,) = (one for one in listed(stage) if one["fingerprint"] == FINGERPRINT)
    assert known["is_resolved"]
    assert known["acts"][0]["version"] == "1.10.0"
    for arguments, sentence in (
        (("resolve", "abcdef"), "No error with fingerprint abcdef was seen since 30d"),
        (("resolve", "3f"), "write at least 4 characters"),
        (("reopen", "abcdef"), "No resolved error has a fingerprint that starts with abcdef"),
        (("list", "--dataset", "ml.ap"), "There is no dataset 'ml.ap'"),
        (("list", "--since", "soon"), "'soon' is no time"),
    ):
        wrong = CliRunner().invoke(app, ["errors", *arguments], env=stage.environment)
        assert isinstance(wrong.exception, ConfigurationError)
        assert sentence in str(wrong.exception)
    run(stage, "errors", "reopen", message, "--why", "it was not", SHIPPER_AUDIT_BY="bob")
    assert [one["shipper"]["act"]["by"] for one in trail(stage, "error-reopen")] == ["bob"]
    again = SystemClock().now_us()
    store(
        stage.client,
        stage.namespace,
        [
            failed(again, 20, version="1.10.1"),
            failed(again, 21, version="1.9.3"),
            failed(again, 22, "disk /dev/sdx is full"),
        ],
        ingested_us=lambda _: again,
    )
    alert = _judged_an_hour_later(stage)
    assert alert["alert"]["group"] == {"service.name": "api", "error.id": FINGERPRINT}
    assert "regression of app.NoModel: resolved by ada on" in alert["message"]
    assert "in version 1.10.0, seen again once in version 1.10.1" in alert["message"]


def _judged_an_hour_later(stage: KafkaStage) -> dict[str, Any]:
    """Return the only alert of the default rules that an hour later would have raised about errors that are back."""
    from shipper.clock import ManualClock
    from shipper.detect.job import RunOptions
    from shipper.detect.job import run as judge
    from shipper.detect.rules.rule_file import load_rules

    rules = load_rules(None)
    only = rules.model_copy(update={"rules": tuple(one for one in rules.rules if one.id == "regressions")})
    clock = ManualClock(SystemClock().now_us() + HOUR_US)
    judge(only, stage.client, clock, options=RunOptions(namespace=stage.namespace))
    (found,) = json.loads(run(stage, "alerts", "list", "--json").stdout)
    assert isinstance(found, dict)
    return found
