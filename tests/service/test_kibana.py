"""Every panel, control and saved search of our boards, asked of the real Elasticsearch."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from shipper.assets import asset
from shipper.config import ElasticsearchSettings
from shipper.datasets import alert_index, index_name
from shipper.elastic.client import ElasticClient, connect
from shipper.index.templates import install, packaged_templates
from shipper.kibana.answers import PanelResult, run_panels
from shipper.kibana.generate import FILE, read_ndjson
from shipper.kibana.queries import TimeRange

pytestmark = pytest.mark.service

Json = dict[str, Any]
HOUR_US = 3_600_000_000
LABELS = ("benign", "malignant")


class Story:
    """Documents as services would have sent them over a day: two versions, the second one with a fault."""

    def __init__(self, namespace: str, end_us: int) -> None:
        self.namespace = namespace
        self.start_us = end_us - 24 * HOUR_US
        self.lines: list[str] = []
        self._sequence = 0

    def add(self, dataset: str, hour: float, action: str, fields: Json, **event: Any) -> str:
        """Add one document of `dataset`, `hour` hours after the start; return its id."""
        self._sequence += 1
        identity = f"{self.namespace}-{self._sequence}"
        moment_us = self.start_us + int(hour * HOUR_US)
        document: Json = {
            "@timestamp": iso(moment_us),
            "event": {
                "id": identity,
                "sequence": self._sequence,
                "dataset": dataset,
                "action": action,
                **event,
            },
            "message": action,
            "service.name": "screening",
            "service.environment": "production",
            "log.level": "info",
            "git.commit": "c0ffee" if hour < 12 else "badcafe",
            "ml.model.name": "tumours",
            "ml.model.version": "1" if hour < 12 else "2",
            **fields,
        }
        self._bulk(index_name(dataset, self.namespace, moment_us), identity, document)
        return identity

    def add_alert(self, state: str, category: str, hour: float) -> None:
        """Add an alert as it stands now."""
        moment = iso(self.start_us + int(hour * HOUR_US))
        identity = f"alert-{category}-{hour}"
        document = {
            "@timestamp": moment,
            "event": {"kind": "alert", "start": moment, "severity": 40},
            "message": f"{category} of tumours 2 is unusual",
            "rule": {"id": category, "name": f"{category} of predictions", "category": category},
            **alert_fields(identity, state),
            "service.name": "screening",
            "git.commit": "badcafe",
            "ml.model.name": "tumours",
            "ml.model.version": "2",
        }
        self._bulk(alert_index(self.namespace), identity, document)

    def _bulk(self, index: str, identity: str, document: Json) -> None:
        self.lines += [json.dumps({"create": {"_index": index, "_id": identity}}), json.dumps(document)]


def alert_fields(identity: str, state: str) -> Json:
    """Fields that an alert and its history share."""
    return {
        "alert.id": identity,
        "alert.state": state,
        "alert.previous_state": "open",
        "alert.observed": 0.31,
        "alert.expected": 0.02,
        "alert.threshold": 0.08,
        "alert.unit": "share",
        "alert.score": 8.5,
        "alert.count": 120,
        "alert.suspects.kind": ["version", "commit"],
        "alert.suspects.value": ["2", "badcafe"],
        "alert.url": "http://localhost:5601/app/discover",
    }


def iso(moment_us: int) -> str:
    """Return microseconds since the epoch as our time stamp."""
    seconds, micros = divmod(moment_us, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{micros:06d}Z"


def tell(story: Story) -> None:
    """A day of predictions with late labels, training before it, a deployment, errors and alerts."""
    for epoch in range(1, 6):
        for split in ("train", "validation"):
            fields = {
                "ml.run.id": "run-1",
                "ml.epoch": epoch,
                "ml.split": split,
                "ml.metrics": {"loss": 1 / epoch},
            }
            story.add("ml.training", 0.1 * epoch, "train-epoch", fields, kind="metric")
    metrics = {"accuracy": 0.95, "precision": 0.94, "recall": 0.93, "f1": 0.935, "roc_auc": 0.98}
    evaluation = {"ml.run.id": "run-1", "ml.split": "test", "ml.metrics": metrics, "ml.sample.size": 114}
    story.add("ml.evaluation", 0.6, "evaluate", evaluation, kind="metric")
    story.add("ml.training", 0.7, "train-end", {"ml.run.id": "run-1", "ml.run.status": "finished"})
    story.add("ml.deployment", 12, "deploy", {"ml.deployment.id": "d2", "ml.model.previous_version": "1"})
    for index in range(480):
        hour = 1 + index * 22 / 480
        is_bad = hour >= 12
        failed = is_bad and index % 5 == 0
        label = LABELS[index % 2]
        fields = {
            "ml.prediction": {"id": f"p{index}", "label": label, "score": 0.9 - 0.3 * is_bad},
            "ml.features": {"numeric": {"radius": 14.2 * (10 if is_bad else 1)}},
        }
        if failed:
            failure = {"log.level": "error", "error.type": "ValueError", "error.stack_trace": "Traceback ..."}
            fields = {**failure, "ml.features.missing": ["texture"], "ml.prediction.id": f"p{index}"}
        duration = (4 + 30 * is_bad) * 1_000_000 + index
        story.add(
            "ml.inference",
            hour,
            "predict",
            fields,
            outcome="failure" if failed else "success",
            duration=duration,
        )
        if not failed:
            correct = not (is_bad and index % 3 == 0)
            truth = {"id": f"p{index}", "label": label, "correct": correct, "time": iso(story.start_us)}
            late = {"ml.prediction": truth, "ml.feedback": {"label": label, "delay": 1800.0}}
            story.add("ml.feedback", hour + 0.5, "feedback", late)
    for index, level in enumerate(("debug", "warning", "error", "critical") * 3):
        story.add("ml.app", 2 + index, "note", {"log.level": level, "service.name": "labels"})
    for index, (state, category) in enumerate(
        (("open", "error_rate"), ("acknowledged", "latency"), ("recovered", "metric"))
    ):
        story.add_alert(state, category, 13 + index)
        history = {"rule.id": category, "rule.name": category, **alert_fields(f"alert-{category}", state)}
        story.add("ml.alert", 13 + index, "alert", history, kind="event")


@pytest.fixture(scope="module")
def client(stack: Any) -> Iterator[ElasticClient]:
    """A client of the running server, with the templates installed."""
    connected = connect(ElasticsearchSettings(url=stack.elasticsearch_url))
    install(connected, packaged_templates(asset("es_templates")))
    yield connected
    connected.close()


@pytest.fixture(scope="module")
def results(client: ElasticClient) -> Iterator[list[PanelResult]]:
    """What every panel answers over the story."""
    namespace = f"boards_{uuid.uuid4().hex[:8]}"
    end_us = int(time.time()) * 1_000_000
    story = Story(namespace, end_us)
    tell(story)
    answers = client.bulk(("\n".join(story.lines) + "\n").encode())
    assert {answer.status for answer in answers} == {201}
    client.refresh(f"*-{namespace}-*")
    client.refresh(alert_index(namespace))
    lines = read_ndjson(asset(FILE))
    yield run_panels(client.search, lines, TimeRange(end_us - 25 * HOUR_US, end_us), namespace=namespace)
    for index in (*client.indices(f"logs-ml.*-{namespace}-*"), alert_index(namespace)):
        client.delete_index(index)


def test_no_query_is_refused(results: list[PanelResult]) -> None:
    """U58: the real server answers every query of every panel, control, annotation and saved search."""
    assert [str(result) for result in results if result.error] == []


def test_no_panel_is_empty(results: list[PanelResult]) -> None:
    """With data of every kind each panel shows something, and not only noughts."""
    assert [str(result) for result in results if result.is_empty or not result.nonzero] == []


def test_every_part_of_every_board_was_asked(results: list[PanelResult]) -> None:
    """Nothing is passed over: searches, controls, layers of charts, sparklines, annotations of both boards."""
    parts = {result.query.part for result in results}
    assert {"documents", "values", "data", "trend", "alerts", "deployments"} <= parts
    boards = {result.query.board for result in results}
    assert {"shipper-dashboard-overview", "shipper-dashboard-alerts"} <= boards
    assert len(results) >= 65


def test_the_numbers_are_those_of_the_story(results: list[PanelResult]) -> None:
    """The failed share, the open alerts and the wrong labels are what was put in."""
    by_panel = {(each.query.board, each.query.panel, each.query.part): each for each in results}
    assert by_panel["shipper-search-predictions", "documents", "documents"].documents == 480
    versions = by_panel["shipper-dashboard-overview", "versions", "data"]
    assert versions.rows == 2
    alerts = by_panel["shipper-dashboard-alerts", "alerts", "data"]
    assert (alerts.rows, alerts.values) == (3, 3 * 12)


def test_outside_the_chosen_time_everything_is_empty(client: ElasticClient) -> None:
    """The check can fail: in a namespace without data no panel has anything to show, and none is an error."""
    lines = read_ndjson(asset(FILE))
    answers = run_panels(client.search, lines, TimeRange(0, HOUR_US), namespace="nobody")
    assert all(answer.is_empty and not answer.error for answer in answers)
