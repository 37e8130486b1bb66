"""A namespace of its own on the real Elasticsearch, for the detection tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from shipper.alert.alert import Alert, State
from shipper.alert.writer import AlertBook
from shipper.assets import asset
from shipper.clock import ManualClock
from shipper.config import ElasticsearchSettings
from shipper.detect.event_time.window import HOUR_US, MINUTE_US, SECOND_US
from shipper.detect.job import RunOptions, run
from shipper.detect.report import RunReport
from shipper.detect.rules.rule import RuleSet
from shipper.detect.rules.rule_file import load_rules
from shipper.detect.state import state_index
from shipper.elastic.client import ElasticClient, connect
from shipper.index.templates import install, packaged_templates
from tests.service.detect_history import Fault, Json, store

END_US = 1_790_003_600_000_000 // HOUR_US * HOUR_US
FAULT_US = END_US - 6 * HOUR_US + 7 * MINUTE_US
FAULT = Fault(FAULT_US, END_US, error_rate=0.12, slower=2.2, accuracy=0.78, scaled=10, missing=0.3)
LATENESS_US = 120 * SECOND_US


@contextmanager
def connected(url: str) -> Iterator[ElasticClient]:
    """A client of the running server with the templates installed."""
    with connect(ElasticsearchSettings(url=url)) as found:
        install(found, packaged_templates(asset("es_templates")))
        yield found


@dataclass
class Place:
    """A namespace of its own with a clock that stands at the end of the history."""

    client: ElasticClient
    namespace: str
    clock: ManualClock

    def store(self, documents: list[Json], *, ingested_us: int | None = None) -> None:
        """Store documents, all ingested at one moment (default: now)."""
        moment = self.clock.now_us() if ingested_us is None else ingested_us
        store(self.client, self.namespace, documents, ingested_us=lambda _: moment)

    def run(self, rules: RuleSet | None = None, **spans: Any) -> RunReport:
        """Run the job once."""
        options = RunOptions(namespace=self.namespace, kibana_url="https://kibana.example")
        return run(rules or load_rules(None), self.client, self.clock, options=options, **spans)

    @property
    def book(self) -> AlertBook:
        """The namespace's alerts."""
        return AlertBook(self.client, self.namespace, self.clock)

    def alerts(self) -> dict[tuple[str, str], Alert]:
        """All alerts by rule and first group value."""
        found = self.book.all(tuple(State))
        named = {(one.rule.id, next(iter(one.group.values()), "")): one for one in found}
        assert len(named) == len(found)
        return named

    def snapshot(self) -> list[tuple[str, str, int]]:
        """Index, id and version count of every alert and transition: what a rerun must not change."""
        self.client.refresh(f"logs-ml.alert-{self.namespace}-*")
        body = {"size": 1000, "seq_no_primary_term": True, "query": {"match_all": {}}}
        pattern = f"alerts-ml-{self.namespace},logs-ml.alert-{self.namespace}-*"
        hits = self.client.search(pattern, body)["hits"]["hits"]
        return sorted((hit["_index"], hit["_id"], hit["_seq_no"]) for hit in hits)


@contextmanager
def empty_place(client: ElasticClient) -> Iterator[Place]:
    """An empty namespace, removed afterwards."""
    namespace = f"detect{uuid4().hex[:12]}"
    try:
        yield Place(client, namespace, ManualClock(END_US + LATENESS_US + SECOND_US))
    finally:
        for pattern in (f"logs-ml.*-{namespace}-*", f"alerts-ml-{namespace}*", f"{state_index(namespace)}*"):
            for index in client.indices(pattern):
                client.delete_index(index)


def only(rule_id: str) -> RuleSet:
    """The default rules with one of them switched on."""
    rules = load_rules(None)
    kept = tuple(rule for rule in rules.rules if rule.id == rule_id)
    return rules.model_copy(update={"rules": kept})
