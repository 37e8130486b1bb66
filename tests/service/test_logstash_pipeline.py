"""Our pipelines in a real Logstash, without servers: syntax, settings, and every golden case."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shipper.assets import asset
from tests.golden.cases import MAX_BYTES, NAMESPACE, NOW, Case, exact, load_cases
from tests.service.logstash_damage import damaged_cases
from tests.service.logstash_process import START_S, command, environment, filter_block

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * START_S)]

PIPELINES = asset("logstash") / "pipelines"
CASES = load_cases()
DAMAGED = damaged_cases(2000, seed=int(os.environ.get("SEED", "2")))

# Each line of the input is a case; its value becomes the message as the Kafka input would make it.
INPUT = """
input { stdin { codec => json_lines { ecs_compatibility => "disabled" } } }
filter {
  ruby {
    code => '
      given = event.get("case")
      event.remove("case")
      event.set("message", given["value"].unpack1("m").force_encoding("ISO-8859-1").encode("UTF-8"))
      kafka = { "topic" => given["name"], "partition" => 0, "offset" => 7 }
      event.set("[@metadata][kafka]", kafka)
    '
  }
}
"""

# What the Elasticsearch output would send, and where to; or the dead letter.
OUTPUT = """
filter {
  ruby {
    code => '
      answer = { "name" => event.get("[@metadata][kafka][topic]") }
      letter = event.get("[@metadata][dead_letter]")
      answer["letter"] = letter if letter
      if event.get("[@metadata][index]")
        answer["index"] = event.get("[@metadata][index]")
        answer["id"] = event.get("[@metadata][id]")
        answer["document"] = LogStash::Json.dump(event.to_hash)
      end
      event.set("[@metadata][answer]", LogStash::Json.dump(answer))
    '
  }
}
output { file { path => "ANSWERS" codec => line { format => "%{[@metadata][answer]}" } } }
"""


def _tested(folder: Path, pipelines: list[Path]) -> tuple[int, str]:
    """Return exit code and words of Logstash's own test of pipelines, all in one start."""
    arguments = command(folder, "--config.test_and_exit")
    rows = "".join(f"- pipeline.id: {path.stem}\n  path.config: {path}\n" for path in pipelines)
    (folder / "settings" / "pipelines.yml").write_text(rows, "utf-8")
    answer = subprocess.run(
        arguments,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=2 * START_S,
        check=False,
    )
    return answer.returncode, answer.stdout + answer.stderr


def test_logstash_accepts_each_pipeline(tmp_path: Path) -> None:
    """Each pipeline passes Logstash's own test: every plugin, setting and variable is known. One that is wrong, the
    last of all, does not: so the others have been looked at."""
    pipelines = sorted(PIPELINES.glob("*.conf"))
    code, said = _tested(tmp_path / "good", pipelines)
    assert code == 0, said
    assert "Validation Result: OK" in said
    # Logstash calls a pipeline that it did not find valid.
    assert "No configuration found" not in said
    wrong = tmp_path / "wrong.conf"
    wrong.write_text(pipelines[0].read_text("utf-8").replace("acks =>", "nope =>"), "utf-8")
    code, said = _tested(tmp_path / "bad", [*pipelines, wrong])
    assert code != 0
    assert "nope" in said


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What Logstash makes of each case, by name; one run for all."""
    folder = tmp_path_factory.mktemp("logstash")
    pipeline, found = folder / "cases.conf", folder / "answers.jsonl"
    guard, letters = (filter_block(PIPELINES / f"{name}.conf") for name in ("ml-logs", "ml-dead-letters"))
    # In one process what stands in two pipelines: what has no index goes on to the second.
    letters = "filter { if ![@metadata][index] " + letters.removeprefix("filter") + " }\n"
    pipeline.write_text(INPUT + guard + letters + OUTPUT.replace("ANSWERS", str(found)), "utf-8")
    lines = "".join(json.dumps({"case": _line(case)}) + "\n" for case in (*CASES, *DAMAGED))
    variables = {
        "SHIPPER_NAMESPACE": NAMESPACE,
        "SHIPPER_LOGSTASH_NOW": NOW,
        "SHIPPER_KAFKA_MAX_RECORD_BYTES": str(MAX_BYTES),
    }
    run = subprocess.run(
        command(folder, "-f", str(pipeline), drain=True),
        env=environment(folder, variables),
        input=lines.encode(),
        capture_output=True,
        timeout=3 * START_S,
        check=False,
    )
    assert found.is_file(), run.stdout.decode()[-4000:]
    rows = [json.loads(line) for line in found.read_text("utf-8").split("\n") if line]
    return {row["name"]: row for row in rows}


def _line(case: Case) -> dict[str, Any]:
    return {"name": case.name, "value": base64.b64encode(case.value).decode()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_logstash_answers_each_case(answers: dict[str, dict[str, Any]], case: Case) -> None:
    """U56, U57: Logstash stores the same document under the same id in the same index as shipper's indexer,
    without a field of its own, or refuses it for the same reason."""
    _assert_same(answers[case.name], case)


def test_logstash_answers_damaged_records(answers: dict[str, dict[str, Any]]) -> None:
    """U56: two thousand records damaged at random (SEED=n for others) have the same fate on both roads; nothing
    stops the one of Logstash."""
    for case in DAMAGED:
        _assert_same(answers[case.name], case)


def _assert_same(answer: dict[str, Any], case: Case) -> None:
    if "refused" in case.expected:
        _assert_refused(answer, case)
        return
    assert "letter" not in answer
    assert (answer["index"], answer["id"]) == (case.expected["index"], case.expected["id"])
    assert exact(answer["document"]) == case.expected["document"], case.about


def _assert_refused(answer: dict[str, Any], case: Case) -> None:
    letter = json.loads(answer["letter"])
    about = letter["dead_letter"]
    found = {key: letter[key] for key in ("event_id", "dataset", "index")} | {"reason": about["reason"]}
    wanted = dict(case.expected["refused"])
    if wanted["event_id"] == case.headers.get("event.id") and wanted["event_id"].encode() not in case.value:
        wanted["event_id"] = ""  # the indexer has it from a header, which this input must not read
    assert found == wanted, case.about
    assert (about["hop"], about["position"], about["at"]) == ("logstash", f"{case.name}/0@7", NOW)
    assert base64.b64decode(letter["payload_base64"]) == case.value
    assert "index" not in answer
