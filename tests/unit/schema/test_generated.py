"""What is generated from the schema: fresh in the repository, and right in itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shipper.assets import asset
from shipper.cli.schema import app
from shipper.dataset_table import ROWS
from shipper.datasets import DATASETS
from shipper.ecs.fields import FIELDS
from shipper.errors import ConfigurationError
from shipper.schema.generate import generated_files, stale_files, write_files
from shipper.schema.table import load_table
from shipper.schema.templates import (
    CUSTOM,
    PRIORITY,
    component_templates,
    index_templates,
    lifecycle_components,
    lifecycle_policies,
)

ROOT = Path(__file__).parents[3]
TABLE = load_table(asset("schema"))
COMPONENTS = component_templates(TABLE)
INDEX_TEMPLATES = index_templates(TABLE)
LIFECYCLE = lifecycle_components(TABLE)


def properties(mapping: dict[str, Any], path: str = "") -> dict[str, dict[str, Any]]:
    """Return the leaves of a mapping by their full names."""
    found: dict[str, dict[str, Any]] = {}
    for name, inner in mapping.get("properties", {}).items():
        full = f"{path}{name}"
        if "properties" in inner:
            found |= properties(inner, f"{full}.")
        else:
            found[full] = inner
    return found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the schema with fresh generated files."""
    shutil.copytree(ROOT / "schema", tmp_path / "schema")
    write_files(tmp_path)
    return tmp_path


class TestFreshness:
    """Stale files are found."""

    def test_the_repository_is_fresh(self) -> None:
        """Every generated file in the repository is what the schema says now."""
        assert stale_files(ROOT) == []

    def test_writing_twice_changes_nothing(self, checkout: Path) -> None:
        """A second generation finds everything up to date."""
        assert write_files(checkout) == []

    def test_an_edited_missing_or_left_over_file_is_stale(self, checkout: Path) -> None:
        """A hand in a generated file, a lost one and one that nobody generates any more are named and cured."""
        folder = checkout / "es_templates" / "index_templates"
        (folder / "logs-ml.app.json").write_text("{}")
        (folder / "logs-ml.data.json").unlink()
        (folder / "logs-gone.json").write_text("{}")
        names = ["logs-gone.json", "logs-ml.app.json", "logs-ml.data.json"]
        assert stale_files(checkout) == [f"es_templates/index_templates/{name}" for name in names]
        write_files(checkout)
        assert stale_files(checkout) == []
        assert not (folder / "logs-gone.json").exists()

    def test_a_new_field_makes_its_users_stale(self, checkout: Path) -> None:
        """Adding a field to the schema makes the field list, the template and the reference page stale."""
        path = checkout / "schema" / "fields.yml"
        path.write_text(
            path.read_text().replace("git:\n", "git:\n  git.tag: {type: keyword, meaning: Tag.}\n", 1)
        )
        assert {
            "docs/reference/fields.md",
            "es_templates/component_templates/shipper-fields-git.json",
            "shipper/ecs/fields.py",
        } <= set(stale_files(checkout))

    @pytest.mark.slow
    def test_the_version_counts_changes(self, checkout: Path) -> None:
        """A change of anything in a template makes the version one higher, once; a change of a meaning does not."""
        before = load_table(checkout / "schema").version
        path = checkout / "schema" / "fields.yml"
        path.write_text(path.read_text().replace("Trace that the event belongs to", "Trace of the event"))
        write_files(checkout)
        assert load_table(checkout / "schema").version == before
        path.write_text(path.read_text().replace("  trace.id: {type: keyword", "  trace.id: {type: text"))
        write_files(checkout)
        assert load_table(checkout / "schema").version == before + 1
        assert write_files(checkout) == []
        template = json.loads((checkout / "es_templates/index_templates/logs-ml.app.json").read_text())
        assert (template["version"], template["_meta"]["version"]) == (before + 1, before + 1)

    @pytest.mark.parametrize(
        ("before", "after"), [("trace.id: {type: keyword", "trace.id: {type: flattened"),
                              ("labels: {type: flattened", "labels: {type: keyword")]
    )  # fmt: skip
    def test_an_object_never_takes_the_place_of_a_value(
        self, checkout: Path, before: str, after: str
    ) -> None:
        """U31: a type that old records would be refused under is not generated; nothing is written."""
        path = checkout / "schema" / "fields.yml"
        path.write_text(path.read_text().replace(f"  {before}", f"  {after}", 1))
        with pytest.raises(ConfigurationError, match="declare a field of another name"):
            write_files(checkout)
        template = (checkout / "es_templates/component_templates/shipper-fields-ecs.json").read_text()
        assert template == (ROOT / "es_templates/component_templates/shipper-fields-ecs.json").read_text()

    def test_the_command_checks(self, checkout: Path) -> None:
        """`schema generate --check` exits 1 and names stale files; without --check it writes them."""
        runner = CliRunner()
        arguments = ["generate", "--root", str(checkout)]
        assert "docs/reference/events.md" in runner.invoke(app, arguments).output
        assert runner.invoke(app, [*arguments, "--check"]).exit_code == 0
        (checkout / "docs/reference/fields.md").write_text("old")
        checked = runner.invoke(app, [*arguments, "--check"])
        assert checked.exit_code == 1
        assert "docs/reference/fields.md" in checked.output
        assert runner.invoke(app, arguments).exit_code == 0
        assert runner.invoke(app, [*arguments, "--check"]).exit_code == 0

    def test_the_command_shows(self) -> None:
        """`schema show` tells what is declared, as text or JSON; an unknown name is a ConfigurationError."""
        runner = CliRunner()
        assert "Whether tracked files differ" in runner.invoke(app, ["show", "git.dirty"]).output
        (row,) = json.loads(runner.invoke(app, ["show", "ml.training", "--json"]).output)
        assert row["period"] == "month"
        for name in ("ml.prediction", "ml.metrics.f1", "event.duration", ""):
            assert json.loads(runner.invoke(app, ["show", name, "--json"]).output)
        shown = runner.invoke(app, ["show", "event.duration"]).output
        assert "unit            ns" in shown
        assert "searchable" not in shown
        assert "searchable" in runner.invoke(app, ["show", "event.original"]).output
        assert (
            "logs-ml.training-<namespace>-<yyyy.MM.01>" in runner.invoke(app, ["show", "ml.training"]).output
        )
        error = runner.invoke(app, ["show", "ml.predicton.id"]).exception
        assert isinstance(error, ConfigurationError)
        assert "did you mean ml.prediction.id" in str(error)


class TestTemplates:
    """Closed, typed, capped."""

    def test_every_field_is_mapped_once(self) -> None:
        """Each declared field is in exactly one component template."""
        mapped = [
            name for body in COMPONENTS.values() for name in properties(body["template"].get("mappings", {}))
        ]
        assert sorted(mapped) == sorted(FIELDS)

    def test_every_keyword_is_cut(self) -> None:
        """U33: ignore_above stands on every keyword and flattened field."""
        for body in COMPONENTS.values():
            for name, leaf in properties(body["template"].get("mappings", {})).items():
                if leaf["type"] in ("keyword", "flattened"):
                    assert 1 <= leaf["ignore_above"] <= 8191, name

    def test_every_mapping_is_closed(self) -> None:
        """U30, U32: no unknown field is mapped and nothing is guessed, in any component."""
        mappings = [
            body["template"]["mappings"] for body in COMPONENTS.values() if "mappings" in body["template"]
        ]
        assert mappings
        for mapping in mappings:
            assert mapping["dynamic"] is False
            assert mapping["date_detection"] is False
            assert mapping["numeric_detection"] is False

    def test_open_objects_are_typed_and_dotted(self) -> None:
        """U30: each open object has a dynamic template of its own and keeps dots in names."""
        templates = COMPONENTS["shipper-fields-ml"]["template"]["mappings"]
        dynamic = {name for row in templates["dynamic_templates"] for name in row}
        open_objects = {name for name, leaf in properties(templates).items() if leaf["type"] == "object"}
        assert dynamic == open_objects
        for name in open_objects:
            assert properties(templates)[name]["subobjects"] is False

    def test_each_dataset_has_its_template(self) -> None:
        """One template per dataset, above the built-in ones, made of components that exist."""
        assert {name for name in INDEX_TEMPLATES if name.startswith("logs-")} == {
            f"logs-{name}" for name in DATASETS
        }
        for name, body in INDEX_TEMPLATES.items():
            assert body["priority"] == PRIORITY > 200
            optional = body["ignore_missing_component_templates"]
            assert set(body["composed_of"]) - set(optional) <= set(COMPONENTS)
            assert set(optional) <= {CUSTOM, *LIFECYCLE}
            assert "data_stream" not in body
            assert body["index_patterns"] == [f"{name}-*"]

    def test_each_policy_keeps_what_the_schema_says(self) -> None:
        """A policy deletes no index before its period has ended and its retention is over, and does nothing else."""
        policies = lifecycle_policies(TABLE)
        assert set(policies) == {f"shipper-{name}" for name in DATASETS}
        for name, dataset in DATASETS.items():
            phases = policies[f"shipper-{name}"]["policy"]["phases"]
            assert set(phases) == {"hot", "delete"}
            longest_period_days = 31 if dataset.period == "month" else 1
            assert phases["delete"]["min_age"] == f"{dataset.retention_days + longest_period_days}d"
            assert phases["hot"]["actions"] == {}
            (settings,) = LIFECYCLE[f"shipper-lifecycle-{name}"]["template"].values()
            assert settings["index"]["lifecycle"] == {
                "name": f"shipper-{name}",
                "parse_origination_date": True,
            }
            assert f"shipper-lifecycle-{name}" in INDEX_TEMPLATES[f"logs-{name}"]["composed_of"]

    def test_no_two_patterns_overlap(self) -> None:
        """The pattern of one dataset never matches an index of another: priorities are equal."""
        patterns = [body["index_patterns"][0].removesuffix("*") for body in INDEX_TEMPLATES.values()]
        for one in patterns:
            assert not [other for other in patterns if other != one and other.startswith(one)]

    def test_the_table_of_datasets_agrees(self) -> None:
        """The generated Python table and the schema say the same."""
        assert [(row.name, row.period, row.retention_days) for row in TABLE.datasets] == list(ROWS)


def test_generated_json_is_json() -> None:
    """Each generated .json file parses and ends with a line's end."""
    for path, text in generated_files(TABLE).items():
        if path.endswith(".json"):
            json.loads(text)
        assert text.endswith("\n"), path
