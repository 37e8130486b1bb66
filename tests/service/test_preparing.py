"""`shipper setup` on servers of two kinds, with indices that exist already and with templates of other versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shipper.assets import asset
from shipper.config import ElasticsearchSettings
from shipper.datasets import DATASETS
from shipper.elastic.client import ElasticClient, connect
from shipper.errors import ConfigurationError
from shipper.index.existing import drift, existing_indices, update
from shipper.index.preparing import prepare
from shipper.index.templates import (
    LIFECYCLE,
    ROLES,
    Template,
    differences,
    install,
    packaged_templates,
    simulation_problems,
)
from shipper.schema.templates import CUSTOM
from tests.service.full_front import full_server
from tests.service.kafka_stage import KafkaStage
from tests.service.old_schema import KEYWORD, OldIndex, document, old_index
from tests.service.running_stack import RunningStack

FOLDER = asset("es_templates")
TEMPLATES = packaged_templates(FOLDER)
OLD = {"@timestamp": {"type": "date_nanos"}, "number": KEYWORD}
NEW: dict[str, Any] = {**OLD, "ml": {"properties": {"note": KEYWORD, "score": {"type": "double"}}}}


@pytest.fixture
def client(stack: RunningStack) -> Iterator[ElasticClient]:
    """A client of the running Elasticsearch with our templates."""
    with connect(ElasticsearchSettings(url=stack.elasticsearch_url)) as client:
        install(client, TEMPLATES)
        yield client


@pytest.fixture
def index(stack: RunningStack, client: ElasticClient) -> Iterator[OldIndex]:
    """An index without the fields that the new schema has."""
    with old_index(stack.elasticsearch_url, client, OLD) as index:
        index.store({"a": document(1)})
        yield index


class TestExistingIndices:
    """What a newer schema adds is added to the indices of today, in use."""

    def test_new_fields_are_added(self, index: OldIndex) -> None:
        """A field that is new in the schema is searchable in an index that was there before; a second look finds nothing."""
        index.renew(NEW)
        (there,) = existing_indices(index.client, [index.template])
        found = drift(there, [index.template])
        assert found.lines == ("field ml.note: keyword", "field ml.score: double")
        update(index.client, found)
        index.store({"b": document(2, ml={"score": 0.5})})
        assert index.found({"range": {"ml.score": {"gt": 0.4}}}) == 1
        (there,) = existing_indices(index.client, [index.template])
        after = drift(there, [index.template])
        assert (after.lines, after.mapping, there.schema_version) == ((), {}, 2)

    def test_a_full_mapping_gets_room_for_declared_fields(self, index: OldIndex) -> None:
        """U30: where invented names have taken all the room, what is declared still gets its place."""
        index.client.request(
            "PUT",
            f"/{index.name}/_settings",
            body=json.dumps({"index.mapping.total_fields.limit": 2}).encode(),
        )
        index.renew(NEW)
        (there,) = existing_indices(index.client, [index.template])
        update(index.client, drift(there, [index.template]))
        (there,) = existing_indices(index.client, [index.template])
        assert drift(there, [index.template]).lines == ()

    def test_a_changed_type_is_only_told(self, index: OldIndex) -> None:
        """What needs a migration is left as it is, version included; the rest is added."""
        index.renew({**NEW, "number": {"type": "long"}})
        (there,) = existing_indices(index.client, [index.template])
        found = drift(there, [index.template])
        assert dict(found.changed) == {"number": "keyword there, long in the schema"}
        update(index.client, found)
        (there,) = existing_indices(index.client, [index.template])
        assert there.schema_version == 1
        assert drift(there, [index.template]).added == {}

    def test_the_command_tells_and_does(self, stack: RunningStack, client: ElasticClient) -> None:
        """--dry-run names the index and what it would get; setup does it; the next run finds nothing."""
        stage = KafkaStage(stack, client)
        name = stage.today()
        client.create_index(name, {"settings": {"number_of_replicas": 0}})
        client.request("PUT", f"/{name}/_settings", body=b'{"index.auto_expand_replicas":null}')
        try:
            shown = stage.command("setup", "--no-kafka", "--dry-run").stdout
            assert f"index {name}: would be brought up to date" in shown
            done = stage.command("setup", "--no-kafka")
            assert f"index {name}: brought up to date" in done.stdout
            assert name not in stage.command("setup", "--no-kafka").stdout
        finally:
            client.delete_index(name)

    def test_a_persons_choice_stays(self, index: OldIndex) -> None:
        """Copies that somebody has set are not taken back."""
        body = b'{"index.number_of_replicas":2,"index.auto_expand_replicas":null}'
        index.client.request("PUT", f"/{index.name}/_settings", body=body)
        (there,) = existing_indices(index.client, [index.template])
        assert drift(there, [index.template]).settings == {}


class TestVersions:
    """Older is replaced, newer never."""

    def test_a_downgrade_is_refused_as_a_whole(self, stack: RunningStack, client: ElasticClient) -> None:
        """One template of a newer shipper: exit 2, one sentence, and not even a missing one is installed."""
        (component,) = [t for t in TEMPLATES if t.name == "shipper-fields-git"]
        client.put_component_template(component.name, {**component.body, "version": 99_999})
        client.request("DELETE", "/_index_template/logs-ml.explanation")
        stage = KafkaStage(stack, client)
        try:
            done = stage.command("setup", "--no-kafka")
            shown = stage.command("setup", "--no-kafka", "--dry-run")
            assert client.index_template("logs-ml.explanation") is None
        finally:
            client.put_component_template(component.name, component.body)
            install(client, TEMPLATES)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert "newer" in done.stderr
        assert "shipper-fields-git: refused, the server's is newer" in shown.stdout

    def test_settings_of_a_site(self, client: ElasticClient) -> None:
        """A component called shipper-custom changes settings of new indices, and is no problem to setup."""
        body = {"template": {"settings": {"index": {"number_of_shards": 3, "refresh_interval": "5s"}}}}
        client.put_component_template(CUSTOM, body)
        name = "logs-ml.app-tcustom-2026.11.21"
        try:
            assert simulation_problems(client, TEMPLATES) == []
            client.create_index(name)
            definition = client.index_definition(name)
        finally:
            client.delete_index(name)
            # The templates name it, so it cannot be deleted while they do; an empty one is as good as none.
            client.put_component_template(CUSTOM, {"template": {}})
        assert definition is not None
        settings = definition["settings"]["index"]
        assert (settings["number_of_shards"], settings["refresh_interval"]) == ("3", "5s")


class TestMinimalServer:
    """The embedded server has neither lifecycle management nor stored roles."""

    def test_what_was_left_out_is_said(self, stack: RunningStack, client: ElasticClient) -> None:
        """The command says what the server cannot take and what to do instead, and that is no failure."""
        done = KafkaStage(stack, client).command("setup", "--no-kafka", "--json")
        answer = json.loads(done.stdout)
        assert (done.returncode, answer["server"]) == (
            0,
            {"version": "9.2.4", "lifecycle": False, "roles": False},
        )
        assert [sentence.partition(":")[0] for sentence in answer["left_out"]] == [
            "Lifecycle policies",
            "Roles",
        ]
        assert "shipper retention apply" in answer["left_out"][0]


class TestFullServer:
    """A server with lifecycle management and stored roles."""

    def test_everything_is_installed_once(self, stack: RunningStack, client: ElasticClient) -> None:
        """One policy and one component per dataset, every role; the second run finds nothing to do."""
        names = [f"logs-ml.app-tbound-{end}" for end in ("2026.11.21", "someday")]
        for name in names:
            client.create_index(name)
        with (
            full_server(stack.elasticsearch_url) as full,
            connect(ElasticsearchSettings(url=full.url)) as front,
        ):
            shown = prepare(front, FOLDER, {}, dry_run=True)
            assert full.stored["policy"] == {}
            first = prepare(front, FOLDER, {}, dry_run=False)
            second = prepare(front, FOLDER, {}, dry_run=False)
        for name in names:
            client.delete_index(name)
        assert full.bound & set(names) == {names[0]}  # of the other one the server could not tell the age
        assert [change.template.name for change in shown.changes] == [c.template.name for c in first.changes]
        assert (first.left_out, first.problems) == ((), ())
        assert (second.changes, second.problems) == ((), ())
        assert set(full.stored["policy"]) == {f"shipper-{name}" for name in DATASETS}
        assert set(full.stored["component"]) == {f"shipper-lifecycle-{name}" for name in DATASETS}
        assert set(full.stored["role"]) == {role.name for role in packaged_templates(FOLDER, ROLES)}

    def test_retention_of_a_site_reaches_the_policies(
        self, stack: RunningStack, client: ElasticClient
    ) -> None:
        """`retention.days` changes the age at which the server deletes; the schema's age otherwise."""
        del client
        days = {"ml.app": 7, "ml.training": 400}
        with (
            full_server(stack.elasticsearch_url) as full,
            connect(ElasticsearchSettings(url=full.url)) as front,
        ):
            prepare(front, FOLDER, {}, dry_run=False)
            changed = prepare(front, FOLDER, days, dry_run=False)
            ages = {
                name: body["policy"]["phases"]["delete"]["min_age"]
                for name, body in full.stored["policy"].items()
            }
        assert {change.template.name for change in changed.changes} == {
            "shipper-ml.app",
            "shipper-ml.training",
        }
        assert (ages["shipper-ml.app"], ages["shipper-ml.training"], ages["shipper-ml.data"]) == (
            "8d",
            "431d",
            "396d",
        )

    def test_a_newer_policy_is_not_replaced(self, stack: RunningStack, client: ElasticClient) -> None:
        """U37: a policy of a newer shipper stops the installation."""
        del client
        (policy,) = [t for t in packaged_templates(FOLDER, LIFECYCLE) if t.name == "shipper-ml.app"]
        newer = json.loads(json.dumps(policy.body))
        newer["policy"]["_meta"]["version"] = policy.version + 1
        with (
            full_server(stack.elasticsearch_url) as full,
            connect(ElasticsearchSettings(url=full.url)) as front,
        ):
            full.stored["policy"][policy.name] = newer
            (found,) = differences(front, [policy])
            assert found.state == "newer"
            with pytest.raises(ConfigurationError, match="newer"):
                prepare(front, FOLDER, {}, dry_run=False)
            assert full.stored["role"] == {}

    def test_existing_indices_get_their_policy(self, client: ElasticClient, index: OldIndex) -> None:
        """An index made before is bound to the policy of its dataset, its age counted from its name."""
        lifecycle = {"name": "shipper-x", "parse_origination_date": True}
        body = json.loads(json.dumps(index.template.body))
        body["template"]["settings"]["index"]["lifecycle"] = lifecycle
        bound: Template = replace(index.template, body=body)
        (there,) = existing_indices(client, [bound])
        assert drift(there, [bound]).settings == {
            "lifecycle.name": "shipper-x",
            "lifecycle.parse_origination_date": True,
        }
