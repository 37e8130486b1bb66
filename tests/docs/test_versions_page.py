"""docs/reference/versions.md against what is pinned and what is tested."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/versions.md").read_text("utf-8")
ROWS = [
    (what, version, state)
    for what, version, state in re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    if what in ("Python", "Kafka", "Elasticsearch", "Logstash", "Kibana")
]
LOCK = json.loads((ROOT / "shipper/stack/artifacts.lock.json").read_text("utf-8"))


def test_every_row_says_tested_or_not() -> None:
    """Each supported version is tested, untested, refused or not supported; nothing in between."""
    assert {what for what, _, _ in ROWS} >= {"Python", "Kafka", "Elasticsearch", "Logstash", "Kibana"}
    for what, version, state in ROWS:
        assert state.startswith(("tested", "untested", "refused", "not supported")), (what, version, state)


def test_the_servers_that_are_pinned_are_those_that_are_tested() -> None:
    """The versions called tested are the ones that the embedded stack fetches."""
    pinned = {row["name"]: row["version"] for row in LOCK}
    (kafka,) = [version for what, version, state in ROWS if what == "Kafka" and state.startswith("tested")]
    (search,) = [v for what, v, state in ROWS if what == "Elasticsearch" and state.startswith("tested")]
    assert pinned["kafka_2.13"] == kafka
    assert pinned["elasticsearch"] == search.partition(",")[0]


def test_python_versions() -> None:
    """The page names the oldest Python that the package takes, each that it names, and calls this one tested or not."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pythons = {version: state for what, version, state in ROWS if what == "Python"}
    named = {version.strip() for versions in pythons for version in versions.split(",")}
    assert project["requires-python"] == ">=3.11"
    classified = {
        match[1]
        for name in project["classifiers"]
        if (match := re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", name))
    }
    assert classified <= named
    assert pythons["3.11"] == "tested"
    assert sys.version_info >= (3, 11)
