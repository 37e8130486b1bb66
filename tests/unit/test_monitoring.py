"""prometheus/ and grafana/: judged by Prometheus's own program, and held against the metrics that are really served."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.detect.pulse import DetectStatus
from shipper.index.letter_watch import OpenLetters
from shipper.index.tally import IndexCounts
from shipper.integrations.prometheus import agent_metrics, detect_metrics, indexer_metrics
from shipper.observe.counters import Snapshot
from shipper.observe.health import HealthReport
from shipper.ship.agent import AgentStatus

ROOT = Path(__file__).parents[2]
RULES = ROOT / "prometheus" / "rules" / "shipper.yml"
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text("utf-8"))
DASHBOARDS = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
PROVISIONING = ROOT / "grafana" / "provisioning"
_OTHERS = {"up", "ALERTS"}
"""Metrics of Prometheus itself that queries may use."""


def rules() -> list[dict[str, Any]]:
    """Return all rules."""
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def dashboard(path: Path) -> dict[str, Any]:
    """Return a dashboard."""
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def queries(path: Path) -> list[str]:
    """Return the queries of a dashboard, its variables' included."""
    content = dashboard(path)
    panels = [target["expr"] for panel in content["panels"] for target in panel.get("targets", [])]
    return panels + [one["query"]["query"] for one in content["templating"]["list"] if one["type"] == "query"]


def served() -> dict[str, set[str]]:
    """Return the names of all metrics that shipper serves, as Prometheus stores them, with their labels."""
    records = Snapshot(dead_lettered={"size": 1}, dropped={"full": 1}, redacted={"token": 1})
    status = AgentStatus(0, 0, 0, records, HealthReport(None, None, 0.0, ""))
    letters = OpenLetters({("index", "json"): 1}, 1, 0)
    counts = IndexCounts(dead_lettered={"json": 1})
    found: dict[str, set[str]] = {}
    job = detect_metrics(DetectStatus(ended_us=0), 0)
    for family in [*agent_metrics(status, 0, 0.0), *indexer_metrics(counts, 0, letters, 0), *job]:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = {label for sample in family.samples for label in sample.labels}
    return found


def metrics_in(query: str) -> set[str]:
    """Return the metrics that a query reads: words before `{`, `[` or a closing bracket that are no functions."""
    bare = re.sub(r'"[^"]*"', '""', query)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    bare = re.sub(r"\[[^\]]*\]", " ", bare)
    words = set(re.findall(r"[a-zA-Z_:][\w:]*(?!\s*\()\b(?!\s*\()", bare))
    return words - {"and", "or", "unless", "bool", "offset", "group_left", "group_right"}


def program() -> str:
    """Return Prometheus's checker; skips where it is not installed (Debian: package prometheus)."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return found


def judged(*arguments: str) -> None:
    """Assert that promtool finds nothing."""
    answer = subprocess.run(
        [program(), *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT / "prometheus",
        check=False,
        timeout=60,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_prometheus_accepts_its_configuration() -> None:
    """`promtool check config` accepts the file and the rules that it names."""
    judged("check", "config", "prometheus.yml")


@pytest.mark.slow
def test_alerts_fire_when_they_should() -> None:
    """`promtool test rules` plays each case: what must fire fires, and nothing before."""
    judged("test", "rules", "tests/shipper.test.yml")


def test_each_alert_is_tried_and_explained() -> None:
    """Each alert has a case, a severity that Alertmanager routes by, and says what to do; the page it names exists."""
    cases = (ROOT / "prometheus" / "tests" / "shipper.test.yml").read_text("utf-8")
    for rule in rules():
        name = rule.get("alert")
        if name is None:
            assert rule["record"] in cases
            continue
        assert name in cases, name
        assert rule["labels"]["severity"] in {"critical", "warning"}
        for page in re.findall(r"docs/[\w/-]+\.md", rule["annotations"]["description"]):
            assert (ROOT / page).is_file(), page


def test_rules_read_metrics_that_are_served() -> None:
    """A rule on a metric that nobody serves never fires."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        assert metrics_in(rule["expr"]) <= served().keys() | _OTHERS | recorded, rule


def test_it_asks_services_that_serve_metrics() -> None:
    """Each target is a service of the compose file that serves metrics on that port."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    for job in CONFIG["scrape_configs"]:
        for target in job.get("dns_sd_configs", []):
            (name,) = target["names"]
            if name == "application":
                script = (ROOT / "deploy" / "compose" / "application.py").read_text("utf-8")
                assert f'"METRICS_PORT", "{target["port"]}"' in script
            else:
                assert f"0.0.0.0:{target['port']}" in services[name]["command"]
    (alertmanagers,) = CONFIG["alerting"]["alertmanagers"][0]["static_configs"]
    assert alertmanagers["targets"][0].split(":")[0] in services


def test_alertmanager_sends_to_receivers_that_exist() -> None:
    """Each route ends at a receiver; nothing is sent to a name that is none."""
    content = yaml.safe_load((ROOT / "prometheus" / "alertmanager.yml").read_text("utf-8"))
    names = {receiver["name"] for receiver in content["receivers"]}
    assert {content["route"]["receiver"], *(one["receiver"] for one in content["route"]["routes"])} <= names
    checker = shutil.which("amtool")
    if checker is not None:
        path = str(ROOT / "prometheus" / "alertmanager.yml")
        subprocess.run([checker, "check-config", path], check=True, capture_output=True)


def test_there_are_dashboards() -> None:
    """Grafana has one for each side."""
    assert {path.stem for path in DASHBOARDS} == {"shipper-sending", "shipper-indexing"}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_read_metrics_that_are_served(path: Path) -> None:
    """Every query of every panel is on a metric that shipper serves, or that a rule records."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    known = served().keys() | _OTHERS | recorded
    assert queries(path)
    for query in queries(path):
        if query.startswith("label_values("):
            (metric,) = re.findall(r"label_values\(([\w:]+)", query)
            assert metric in known
        else:
            assert metrics_in(query), query
            assert metrics_in(query) <= known, query


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_group_by_labels_that_exist(path: Path) -> None:
    """`by (reason)` on a metric without that label would be one empty line; a legend of another would be blank."""
    labels = served()
    for panel in dashboard(path)["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            grouped = {
                name.strip()
                for names in re.findall(r"\bby\s*\(([^)]*)\)", query)
                for name in names.split(",")
            }
            for metric in metrics_in(query) & labels.keys():
                assert grouped <= labels[metric] | {"job", "instance"}, query
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped, query


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_prometheus_parses_each_query(path: Path, tmp_path: Path) -> None:
    """`promtool check rules` takes each query as the expression of a rule."""
    expressions = [query for query in queries(path) if not query.startswith("label_values(")]
    filled = [
        query.replace("$__rate_interval", "1m").replace("$__range", "1h").replace("$instance", ".*")
        for query in expressions
    ]
    records = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}))
    judged("check", "rules", str(tmp_path / "rules.yml"))


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_are_sound(path: Path) -> None:
    """Panels have titles, descriptions, units and places of their own; the data source is the provisioned one."""
    content = dashboard(path)
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text("utf-8"))[
        "datasources"
    ]
    assert content["uid"] == path.stem
    assert content["id"] is None
    panels = content["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": source["uid"]}
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert not [pair for pair in combinations([panel["gridPos"] for panel in panels], 2) if _overlap(*pair)]


def test_provisioning_names_what_is_mounted() -> None:
    """Grafana looks for dashboards where the compose file mounts them, and for Prometheus where it runs."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "shipper.yml").read_text("utf-8"))[
        "providers"
    ]
    targets = [mount.split(":")[1] for mount in services["grafana"]["volumes"]]
    assert provider["options"]["path"] in targets
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "prometheus.yml").read_text("utf-8"))[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"


def described() -> Iterator[str]:
    """Give the names of the metrics that the page describes."""
    text = (ROOT / "docs" / "how-to" / "watch.md").read_text("utf-8")
    yield from re.findall(r"`(Shipper[A-Z]\w+)`", text)


def test_each_alert_is_on_the_page() -> None:
    """docs/how-to/watch.md lists each alert, and no other."""
    assert set(described()) == {rule["alert"] for rule in rules() if "alert" in rule}
