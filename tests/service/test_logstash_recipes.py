"""The recipes in a real Logstash: their own inputs and filters, only the output swapped for a file."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipper.assets import asset
from tests.golden.cases import MAX_BYTES, NOW, RecipeCase, exact, load_recipe_cases
from tests.service.logstash_process import START_S, command, environment, logstash_home, stopped
from tests.service.logstash_road import ground, wait_until
from tests.service.running_stack import RunningStack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3 * START_S)]

CASES = load_recipe_cases()
RECIPES = sorted((asset("logstash") / "pipelines").glob("recipe-*.conf"))
QUIET_S = 10.0
"""A multi-line entry is held back for two seconds; after so long without a new one nothing more comes."""

_OUTPUT = """
output {
  file {
    path => "%s"
    codec => line { format => "%%{[log][file][path]} %%{[@metadata][value]}" }
    flush_interval => 0
  }
}
"""


def _name(recipe: Path) -> str:
    return recipe.stem.removeprefix("recipe-")


def _path_variable(recipe: Path) -> str:
    text = recipe.read_text("utf-8")
    start = text.index("SHIPPER_RECIPE_")
    return text[start : text.index(":", start)]


def _pipelines(folder: Path, answers: Path) -> tuple[str, dict[str, str]]:
    """Return a pipelines.yml with every recipe, and where each finds its cases."""
    rows, variables = [], {}
    for recipe in RECIPES:
        conf = folder / recipe.name
        text = recipe.read_text("utf-8")
        conf.write_text(text[: text.index("\noutput {")] + _OUTPUT % (answers / _name(recipe)), "utf-8")
        rows.append(
            f"- pipeline.id: {recipe.stem}\n  path.config: {conf}\n  pipeline.workers: 1\n  queue.type: memory\n"
        )
        cases = folder / "cases" / _name(recipe)
        cases.mkdir(parents=True)
        for case in CASES:
            if case.recipe == _name(recipe):
                (cases / f"{case.name}.log").write_bytes(case.content)
        variables[_path_variable(recipe)] = f"{cases}/*.log"
    return "".join(rows), variables


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the recipes make of each case, by name; one Logstash for all."""
    logstash_home()
    folder = tmp_path_factory.mktemp("recipes")
    found = folder / "answers"
    found.mkdir()
    rows, variables = _pipelines(folder, found)
    fixed = {
        "SHIPPER_LOGSTASH_NOW": NOW,
        "SHIPPER_RECIPE_TIMEZONE": "Europe/Berlin",
        "SHIPPER_KAFKA_MAX_RECORD_BYTES": str(MAX_BYTES),
        "SHIPPER_NAMESPACE": "red",
    }
    # So many pipelines at once: by our settings, one that could not start is started again.
    arguments = command(folder)
    (folder / "settings" / "pipelines.yml").write_text(rows, "utf-8")
    log = folder / "logstash.out"
    with log.open("wb") as out:
        process = subprocess.Popen(
            arguments, env=environment(folder, fixed | variables), stdout=out, stderr=subprocess.STDOUT
        )
        with stopped(process):
            _wait_for_quiet(found, process, log)
    return _by_case(found)


def _wait_for_quiet(found: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    wanted = sum(len(case.expected) for case in CASES)
    deadline, since, before = time.monotonic() + 2 * START_S, time.monotonic(), -1
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text("utf-8")[-4000:]
        now = sum(path.read_bytes().count(b"\n") for path in found.iterdir())
        if now != before:
            since, before = time.monotonic(), now
        if now >= max(wanted, 1) and time.monotonic() - since > QUIET_S:
            return
        time.sleep(0.5)


def _by_case(found: Path) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {}
    for path in sorted(found.iterdir()):
        for line in path.read_text("utf-8").split("\n"):
            if line:
                name, _, value = line.partition(" ")
                rows.setdefault(Path(name).stem, []).append(exact(value))
    return rows


def _comparable(case: RecipeCase, documents: list[Any]) -> Iterator[Any]:
    for number, document in enumerate(documents, 1):
        found = {**document, "event": {**document["event"], "id": f"{case.name}-{number}"}}
        if document["host"]["name"] == socket.gethostname():
            found["host"] = {"name": "HOST"}
        if not case.has_year:
            found["@timestamp"] = "2026" + document["@timestamp"][4:]
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_recipe_reads_its_lines(answers: dict[str, list[Any]], case: RecipeCase) -> None:
    """U56, U57: each entry of a source becomes one document of our schema; what no pattern fits is kept and tagged."""
    found = answers[case.name]
    assert list(_comparable(case, found)) == case.expected, case.about
    assert len({document["event"]["id"] for document in found}) == len(found)


def test_a_line_becomes_a_searchable_document(stack: RunningStack, tmp_path: Path) -> None:
    """A line of text goes by its recipe onto the topic and by the road into Elasticsearch, the odd one with the
    one before it, to which it belongs."""
    logstash_home()
    log = tmp_path / "app.log"
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S},123"
    log.write_text(
        f"{moment} - screening - ERROR - failed\nnobody's format\n{moment} - a - INFO - on\n", "utf-8"
    )
    with ground(stack) as ends:
        arguments = command(tmp_path)
        pipelines = tmp_path / "settings" / "pipelines.yml"
        recipe = f"- pipeline.id: recipe\n  path.config: {asset('logstash')}/pipelines/recipe-python.conf\n"
        pipelines.write_text(pipelines.read_text("utf-8") + recipe, "utf-8")
        variables = ends.variables | {"SHIPPER_RECIPE_PYTHON_PATH": str(log), "SHIPPER_LOGSTASH_NOW": ""}
        with (tmp_path / "out").open("wb") as out:
            process = subprocess.Popen(
                arguments, env=environment(tmp_path, variables), stdout=out, stderr=subprocess.STDOUT
            )
            with stopped(process):
                wait_until(lambda: ends.stored() == 2)
        hits = ends.client.search(f"logs-ml.app-{ends.namespace}-*", {"size": 10})["hits"]["hits"]
    found = {hit["_source"]["message"]: hit["_source"] for hit in hits}
    assert found.keys() == {"failed\nnobody's format", "on"}
    assert found["on"]["log"] == {"level": "info", "logger": "a"}
    assert found["on"]["service"] == {"name": "app"}
