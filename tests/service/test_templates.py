"""The templates on the real Elasticsearch: what they accept, what they cap, what they never guess."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from shipper.assets import asset
from shipper.config import ElasticsearchSettings
from shipper.elastic.bulk import connect_bulk
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import ConfigurationError
from shipper.index.bulk import create_documents
from shipper.index.document import Document, Limits, read_document
from shipper.index.fate import Fate, Verdict
from shipper.index.templates import (
    Template,
    differences,
    install,
    packaged_templates,
    require_installed,
    simulation_problems,
)
from tests.service.running_stack import RunningStack

NOW_US = 1_795_258_800_000_000
TEMPLATES = packaged_templates(asset("es_templates"))


@pytest.fixture
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running Elasticsearch with our templates."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, TEMPLATES)
        yield client


class Index:
    """One index of its own: documents of one dataset in a namespace that nobody else uses."""

    def __init__(self, client: ElasticClient, dataset: str = "ml.app") -> None:
        self.client = client
        self.dataset = dataset
        self.namespace = f"t{uuid.uuid4().hex[:12]}"
        self.name = f"logs-{dataset}-{self.namespace}-2026.11.21"
        self.count = 0

    def store(self, *extras: Mapping[str, Any]) -> list[Verdict]:
        """Store one document per mapping of extra fields, all in one request."""
        documents = []
        for extra in extras:
            self.count += 1
            value = {
                "@timestamp": "2026-11-21T10:11:12.123456Z",
                "event": {
                    "id": f"{self.namespace}-{self.count}",
                    "sequence": self.count,
                    "dataset": self.dataset,
                },
                "message": "hello",
                "log": {"level": "info"},
            }
            document = read_document(
                orjson.dumps({**value, **extra}),
                header_id=None,
                namespace=self.namespace,
                now_us=NOW_US,
                limits=Limits(),
            )
            assert isinstance(document, Document), document
            documents.append(document)
        with connect_bulk(ElasticsearchSettings(url=self.client.url)) as bulk:
            verdicts = create_documents(bulk, documents, b"2026-11-21T11:00:00.000000Z")
        self.client.refresh(self.name)
        return verdicts

    def mapping(self) -> dict[str, Any]:
        """Return the mapping as it is now."""
        definition = self.client.index_definition(self.name)
        assert definition is not None
        return dict(definition["mappings"])

    def found(self, query: Mapping[str, Any]) -> int:
        """Return how many documents match."""
        return self.client.count(self.name, query)


@pytest.fixture
def index(client: ElasticClient) -> Iterator[Index]:
    """An index for general logs."""
    fresh = Index(client)
    yield fresh
    client.delete_index(fresh.name)


def test_ten_thousand_invented_keys_leave_the_mapping_alone(index: Index) -> None:
    """U30: unknown fields, labels and 10,000 metric names are accepted; the mapping stops at the cap."""
    index.store({})
    before = json.dumps(index.mapping(), sort_keys=True)
    unknown = {f"invented_{number}": {"deep": number, "when": "2026-01-01"} for number in range(10_000)}
    labels = {"labels": {f"key.{number}": str(number) for number in range(10_000)}}
    assert {verdict.fate for verdict in index.store(unknown, labels)} == {Fate.INDEXED}
    assert json.dumps(index.mapping(), sort_keys=True) == before
    assert index.found({"term": {"labels.key.9999": "9999"}}) == 1

    metrics = {"ml": {"metrics": {f"metric_{number}": number / 7 for number in range(10_000)}}}
    assert index.store(metrics)[0].fate is Fate.INDEXED
    assert leaves(index.mapping()) <= 1000
    assert index.store({"ml": {"metrics": {"accuracy": 0.9}}})[0].fate is Fate.INDEXED


def leaves(mapping: Mapping[str, Any]) -> int:
    """Count fields and objects as the server's limit does."""
    properties = mapping.get("properties", {})
    return len(properties) + sum(leaves(inner) for inner in properties.values())


def test_an_object_against_a_scalar_is_refused_alone(index: Index) -> None:
    """U31, U35: `host: "x"` is one dead letter with the server's reason; its neighbours are stored."""
    good, bad, also_good = index.store({"host": {"name": "a"}}, {"host": "x"}, {"host": {"name": "b"}})
    assert (good.fate, also_good.fate) == (Fate.INDEXED, Fate.INDEXED)
    assert (bad.fate, bad.reason) == (Fate.DEAD_LETTER, "mapping")
    assert "host" in bad.detail
    assert index.found({"match_all": {}}) == 2


def test_nothing_that_looks_like_a_date_or_number_becomes_one(index: Index) -> None:
    """U32: date-looking and number-looking texts first, other texts after: all are stored, types stay."""
    verdicts = index.store(
        {"labels": {"release": "2026-11-21"}, "ml": {"features": {"categorical": {"plan": "2026-11-21"}}}},
        {"labels": {"release": "first"}, "ml": {"features": {"categorical": {"plan": "gold"}}}},
        {"labels": {"release": "17"}, "ml": {"features": {"categorical": {"plan": "17"}}}},
    )
    assert {verdict.fate for verdict in verdicts} == {Fate.INDEXED}
    categorical = index.mapping()["properties"]["ml"]["properties"]["features"]["properties"]["categorical"]
    assert categorical["properties"]["plan"]["type"] == "keyword"
    assert index.found({"term": {"labels.release": "2026-11-21"}}) == 1


def test_a_text_where_a_number_belongs_costs_only_its_field(index: Index) -> None:
    """U31: a metric that arrives as text is kept in the source and left out of the charts."""
    (verdict,) = index.store({"ml": {"metrics": {"loss": "n/a"}, "epoch": "third"}})
    assert verdict.fate is Fate.INDEXED
    assert index.found({"exists": {"field": "ml.metrics.loss"}}) == 0


def test_immense_terms_do_not_reject_the_document(index: Index) -> None:
    """U33: 40 kB in keywords, labels and categorical features is stored; what is too long is not searched."""
    long = "x" * 40_000
    verdicts = index.store(
        {"service": {"name": long}},
        {"labels": {"long": long, "short": "y"}},
        {"ml": {"features": {"categorical": {"text": long}}, "params": {"prompt": long}}},
        {"message": long},
    )
    assert {verdict.fate for verdict in verdicts} == {Fate.INDEXED}
    assert index.found({"term": {"labels.short": "y"}}) == 1


def test_labels_may_be_as_deep_as_the_emitter_lets_them(index: Index) -> None:
    """A label object of nine levels is stored; the flattened type has its own limit in depth."""
    deep: object = "leaf"
    for _ in range(9):
        deep = {"a": deep}
    assert index.store({"labels": deep})[0].fate is Fate.INDEXED


def test_names_with_dots_stay_names(index: Index) -> None:
    """U31: `val` and `val.loss`, dotted or nested, in either order, are two numbers, not a conflict."""
    verdicts = index.store(
        {"ml": {"metrics": {"val": 0.5}}},
        {"ml": {"metrics": {"val.loss": 0.1}}},
        {"ml": {"metrics": {"val": {"loss": 0.2, "f1": 0.3}}}},
        {"ml": {"metrics": {"test.loss": 0.4}}},
        {"ml": {"metrics": {"test": 0.6}}},
        {"ml": {"features": {"numeric": {"a.b": 1, "a": 2}, "categorical": {"c.d": "x", "c": "y"}}}},
        {"ml": {"metrics": {"odd": [{"a": 1}], "list": [1, 2], "yes": True, "none": None}}},
    )
    assert [verdict.fate for verdict in verdicts] == [Fate.INDEXED] * 7
    assert index.found({"exists": {"field": "ml.metrics.val.loss"}}) == 2
    assert index.found({"term": {"ml.features.categorical.c.d": "x"}}) == 1


def test_microseconds_keep_the_order(index: Index) -> None:
    """U51: two events of the same millisecond are sorted by their microseconds."""
    index.store(
        {"@timestamp": "2026-11-21T10:11:12.123457Z"},
        {"@timestamp": "2026-11-21T10:11:12.123456Z"},
    )
    answer = index.client.search(index.name, {"sort": [{"@timestamp": "asc"}], "query": {"match_all": {}}})
    times = [hit["_source"]["@timestamp"] for hit in answer["hits"]["hits"]]
    assert times == sorted(times)


def test_numbers_are_doubles_whatever_comes_first(index: Index) -> None:
    """A metric whose first value is 1 keeps the fraction of the next: no guessing of long."""
    index.store({"ml": {"metrics": {"auc": 1}}}, {"ml": {"metrics": {"auc": 0.25}}})
    answer = index.client.search(
        index.name, {"size": 0, "aggs": {"low": {"min": {"field": "ml.metrics.auc"}}}}
    )
    assert answer["aggregations"]["low"]["value"] == 0.25


@pytest.mark.parametrize("template", [t for t in TEMPLATES if t.kind == "index"], ids=lambda t: t.name)
def test_each_template_wins_over_the_built_in_ones(client: ElasticClient, template: Template) -> None:
    """U37: the index that is really made is plain, closed at the root and has our limit."""
    name = template.probe_index.replace("shipper_probe", f"t{uuid.uuid4().hex[:12]}")
    client.create_index(name)
    try:
        definition = client.index_definition(name)
    finally:
        client.delete_index(name)
    assert definition is not None
    assert definition["mappings"]["dynamic"] == "false"
    assert definition["mappings"]["date_detection"] is False
    assert definition["settings"]["index"]["mapping"]["total_fields"]["limit"] == "1000"
    assert "data_stream" not in definition


class TestInstallation:
    """Differences, installation, simulation."""

    @pytest.fixture
    def own(self, client: ElasticClient) -> Iterator[Template]:
        """An index template that belongs to this test."""
        name = f"logs-{uuid.uuid4().hex[:12]}"
        body = {"index_patterns": [f"{name}-*"], "priority": 600, "version": 3, "template": {"mappings": {}}}
        yield Template("index", name, body)
        client.request_or_none("DELETE", f"/_index_template/{name}")

    def test_installing_twice_changes_nothing(self, client: ElasticClient) -> None:
        """U37: after an installation there is no difference, no problem, and nothing to do."""
        assert differences(client, TEMPLATES) == []
        assert install(client, TEMPLATES) == []
        assert simulation_problems(client, TEMPLATES) == []
        require_installed(client, TEMPLATES)

    def test_a_missing_template_is_told(self, client: ElasticClient, own: Template) -> None:
        """U37: start-up refuses to let the server guess."""
        assert [found.state for found in differences(client, [own])] == ["missing"]
        with pytest.raises(ConfigurationError, match="shipper setup"):
            require_installed(client, [own])
        install(client, [own])
        require_installed(client, [own])

    def test_a_change_on_the_server_is_found_and_put_right(
        self, client: ElasticClient, own: Template
    ) -> None:
        """U37: a template that somebody edited is reported with the setting that differs, then restored."""
        install(client, [own])
        client.put_index_template(own.name, {**own.body, "priority": 601})
        (found,) = differences(client, [own])
        assert (found.state, found.lines) == ("changed", ("priority: ours 600, the server's 601",))
        install(client, [own])
        assert differences(client, [own]) == []

    def test_an_older_template_is_replaced_a_newer_one_never(
        self, client: ElasticClient, own: Template
    ) -> None:
        """A downgrade is refused in one sentence and changes nothing."""
        install(client, [replace(own, body={**own.body, "version": 2})])
        assert [found.state for found in install(client, [own])] == ["older"]
        client.put_index_template(own.name, {**own.body, "version": 4})
        with pytest.raises(ConfigurationError, match="newer"):
            install(client, [own])
        assert [found.state for found in differences(client, [own])] == ["newer"]

    def test_a_template_that_shadows_ours_is_found_by_simulation(
        self, client: ElasticClient, own: Template
    ) -> None:
        """U37: another template of higher priority on our pattern is a problem that the installation reports."""
        install(client, [own])
        shadow = f"shadow-{own.name}"
        client.put_index_template(
            shadow,
            {
                "index_patterns": own.body["index_patterns"],
                "priority": 700,
                "template": {"mappings": {"properties": {"host": {"type": "keyword"}}}},
            },
        )
        try:
            (problem,) = simulation_problems(client, [own])
        finally:
            client.request("DELETE", f"/_index_template/{shadow}")
        assert own.name in problem
        assert "host" in problem
