"""Reading and checking schema/*.yml."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.assets import asset
from shipper.errors import ConfigurationError
from shipper.schema.describe import describe, suggestions
from shipper.schema.source import reference_page
from shipper.schema.table import load_table
from shipper.schema.templates import component_templates

FIELDS = """
ecs:
  "@timestamp": {type: date, meaning: When.}
  event.id: {type: keyword, meaning: Id.}
  labels: {type: flattened, meaning: Extras.}
"""
DATASETS = """
required: ["@timestamp"]
datasets:
  ml.app: {meaning: Logs., period: day, retention_days: 30}
"""


def folder(root: Path, fields: str = FIELDS, datasets: str = DATASETS) -> Path:
    """Write a schema and return its folder."""
    (root / "fields.yml").write_text(fields)
    (root / "datasets.yml").write_text(datasets)
    return root


def test_a_small_schema_is_read(tmp_path: Path) -> None:
    """Fields, groups, datasets and required names come in the order of the files."""
    table = load_table(folder(tmp_path))
    assert [field.name for field in table.fields] == ["@timestamp", "event.id", "labels"]
    assert table.datasets[0].retention_days == 30
    assert table.required == ("@timestamp",)


def test_a_name_inside_an_open_object_belongs_to_it(tmp_path: Path) -> None:
    """labels.anything is described by labels; an unknown name by nothing."""
    table = load_table(folder(tmp_path))
    inner = table.field("labels.user")
    assert inner is not None
    assert inner.name == "labels"
    assert table.field("event.nothing") is None


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("x: {type: keyword}", "x has no meaning"),
        ("x: {type: wildcard, meaning: m}", "unknown type"),
        ("x: {type: keyword, meaning: m, privacy: none}", "privacy class"),
        ("x: {type: keyword, meaning: m, colour: red}", "unknown keys: colour"),
        ("x: {type: keyword, meaning: no}", "meaning of field x"),
        ("x: {type: keyword, meaning: 'a \"b\"'}", "meaning of field x"),
        ("x: {type: keyword, meaning: m, unit: 1}", "unit of field x"),
        ("x: {type: keyword, meaning: m, ignore_above: 40000}", "ignore_above of field x"),
        ("x: {type: keyword, meaning: m, ignore_above: many}", "ignore_above of field x"),
        ("x: {type: text, meaning: m, index: maybe}", "index of field x"),
        ("Not.Lower: {type: keyword, meaning: m}", "lower-case"),
        ("x: keyword", "Field x must be a mapping"),
        ("event.id.part: {type: keyword, meaning: m}", "lies inside the field event.id"),
        ("labels.user: {type: keyword, meaning: m}", "lies inside the field labels"),
    ],
)
def test_a_wrong_field_is_one_sentence(tmp_path: Path, line: str, named: str) -> None:
    """Each mistake in a declaration is refused with the name of the field and what is wrong."""
    with pytest.raises(ConfigurationError, match=named):
        load_table(folder(tmp_path, FIELDS + f"  {line}\n"))


@pytest.mark.parametrize(
    ("datasets", "named"),
    [
        (DATASETS.replace("period: day", "period: week"), "unknown period"),
        (DATASETS.replace("30", "soon"), "retention_days of dataset ml.app"),
        (DATASETS.replace("30", "0"), "retention_days of dataset ml.app"),
        (DATASETS.replace("meaning: Logs., ", ""), "has no meaning"),
        (DATASETS.replace("ml.app", "ML-App"), "does not fit an index name"),
        (DATASETS.replace("30}", "30, expected: [event.none]}"), "relies on event.none"),
        (DATASETS.replace("30}", "30, expected: event.id}"), "must be a list"),
        (DATASETS.replace("30}", "30, owner: me}"), "unknown keys: owner"),
        (DATASETS.replace('["@timestamp"]', "[message]"), "relies on message"),
        ("required: []\n", "datasets of datasets.yml"),
        ("[1, 2]", "must be a mapping"),
        ("a: [", "not valid YAML"),
        ("extra: 1\n" + DATASETS, "unknown keys: extra"),
    ],
)
def test_a_wrong_dataset_is_one_sentence(tmp_path: Path, datasets: str, named: str) -> None:
    """Each mistake among the datasets is refused with its name and what is wrong."""
    with pytest.raises(ConfigurationError, match=named) as caught:
        load_table(folder(tmp_path, datasets=datasets))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    """No schema at all: the path is named."""
    with pytest.raises(ConfigurationError, match=r"fields\.yml"):
        load_table(tmp_path)


def test_a_name_is_described_for_people() -> None:
    """A field says where it is relied on; a prefix lists its fields; no name lists the datasets."""
    table = load_table(asset("schema"))
    (field,) = describe(table, "ml.prediction.id")
    assert field["datasets"] == ["ml.inference", "ml.feedback", "ml.explanation"]
    assert {entry["name"] for entry in describe(table, "trace")} == {"trace.id"}
    assert [entry["name"] for entry in describe(table, "")] == [row.name for row in table.datasets]
    assert describe(table, "ml.metrics.f1")[0]["name"] == "ml.metrics"
    assert describe(table, "nothing.like.it") == []


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("ml.predicton.id", "ml.prediction.id"),
        ("prediction.id", "ml.prediction.id"),
        ("latency", "ml.latency"),
        ("ml.metric", "ml.metrics"),
        ("ml.trainng", "ml.training"),
        ("Service.Name", "service.name"),
        ("ml.predictions", "ml.prediction"),
        ("stacktrace", "error.stack_trace"),
        ("scroe", "ml.prediction.score"),
    ],
)
def test_a_near_miss_is_understood(wrong: str, meant: str) -> None:
    """Who mistypes a field, a group or a dataset, or writes only its end, is told what is declared."""
    assert meant in suggestions(load_table(asset("schema")), wrong)


def test_nonsense_has_no_suggestion() -> None:
    """What is like nothing gets no guess."""
    assert suggestions(load_table(asset("schema")), "qqqqqqqqq") == []
    assert suggestions(load_table(asset("schema")), "..") == []


class TestRenames:
    """Former names of fields."""

    def test_a_former_name_is_mapped_and_copied(self, tmp_path: Path) -> None:
        """`was` keeps the old name mapped with the new one's type, and copies what stands there to the new one."""
        fields = FIELDS + "  user.id: {type: keyword, meaning: Who., was: [who.id]}\n"
        table = load_table(folder(tmp_path, fields))
        mapping = component_templates(table)["shipper-fields-ecs"]["template"]["mappings"]["properties"]
        assert mapping["who"]["properties"]["id"] == {
            "type": "keyword",
            "ignore_above": 1024,
            "copy_to": "user.id",
        }
        assert "copy_to" not in mapping["user"]["properties"]["id"]
        assert "Who. Formerly `who.id`." in reference_page(table)

    @pytest.mark.parametrize(
        ("line", "named"),
        [
            ("x: {type: doubles, meaning: m, was: [y]}", "x cannot have been called y"),
            ("x: {type: flattened, meaning: m, was: [y]}", "x cannot have been called y"),
            ("x: {type: keyword, meaning: m, was: [event.id]}", "declares a field twice"),
            ("x: {type: keyword, meaning: m, was: [event.id.old]}", "lies inside the field event.id"),
            ("x: {type: keyword, meaning: m, was: y}", "was of field x must be a list"),
        ],
    )
    def test_what_cannot_be_renamed(self, tmp_path: Path, line: str, named: str) -> None:
        """Objects, required fields and names that are taken are refused in one sentence."""
        with pytest.raises(ConfigurationError, match=named):
            load_table(folder(tmp_path, f"{FIELDS}  {line}\n"))


def test_raw_inputs_are_kept_for_a_shorter_time_than_metrics(tmp_path: Path) -> None:
    """A schema that keeps raw inputs as long as metrics is refused; ours does not."""
    rows = (
        "  ml.in: {meaning: m, period: day, retention_days: %d, holds: inputs}\n"
        "  ml.out: {meaning: m, period: day, retention_days: 60, holds: metrics}\n"
    )
    load_table(folder(tmp_path, datasets=DATASETS + rows % 59))
    with pytest.raises(
        ConfigurationError, match=r"ml\.in holds raw inputs .* shorter than the 60 days of ml\.out"
    ):
        load_table(folder(tmp_path, datasets=DATASETS + rows % 60))
    ours = {row.name: row for row in load_table(asset("schema")).datasets}
    inputs = [row.retention_days for row in ours.values() if row.holds == "inputs"]
    metrics = [row.retention_days for row in ours.values() if row.holds == "metrics"]
    assert ours["ml.inference"].holds == "inputs"
    assert ours["ml.evaluation"].holds == "metrics"
    assert max(inputs) < min(metrics)
