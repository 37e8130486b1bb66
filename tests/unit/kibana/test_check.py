"""The checker finds each kind of defect that would make Kibana refuse a file or show an empty panel."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipper.assets import asset
from shipper.kibana.check import check
from shipper.kibana.generate import FILE, read_ndjson
from shipper.schema.table import load_table

Json = dict[str, Any]
TABLE = load_table(asset("schema"))
LINES = read_ndjson(asset(FILE))
OVERVIEW = "shipper-dashboard-overview"


def _find(lines: list[Json], identity: str) -> Json:
    return next(line for line in lines if line.get("id") == identity)


def _board(lines: list[Json]) -> Json:
    return _find(lines, OVERVIEW)


def _errors_search(lines: list[Json]) -> Json:
    return _find(lines, "shipper-search-errors")


def _logs_view(lines: list[Json]) -> Json:
    return _find(lines, "shipper-view-logs")


def _edit_text(holder: Json, key: str, edit: Callable[[Any], object]) -> None:
    """Change a value inside JSON text; an edit may return a replacement."""
    value = json.loads(holder[key])
    answer = edit(value)
    holder[key] = json.dumps(value if answer is None else answer)


def _edit_panel(lines: list[Json], name: str, edit: Callable[[Json], object]) -> None:
    def each(panels: list[Json]) -> None:
        edit(next(panel for panel in panels if panel["panelIndex"] == name))

    _edit_text(_board(lines)["attributes"], "panelsJSON", each)


def _chart(name: str, edit: Callable[[Json], object]) -> Callable[[list[Json]], None]:
    """A defect inside the chart of one panel of the overview."""
    return lambda lines: _edit_panel(lines, name, lambda panel: edit(panel["embeddableConfig"]["attributes"]))


def _column(name: str, key: str, edit: Callable[[Json], object]) -> Callable[[list[Json]], None]:
    """A defect inside one column of one chart."""
    return _chart(name, lambda each: edit(_layer(each)["columns"][key]))


def _layer(attributes: Json) -> Json:
    found: Json = attributes["state"]["datasourceStates"]["formBased"]["layers"]["data"]
    return found


def _picture(attributes: Json) -> Json:
    found: Json = attributes["state"]["visualization"]
    return found


def _control(edit: Callable[[Json], object]) -> Callable[[list[Json]], None]:
    def change(lines: list[Json]) -> None:
        group = _board(lines)["attributes"]["controlGroupInput"]
        _edit_text(group, "panelsJSON", lambda controls: edit(controls["control1"]))

    return change


def _query_of_search(query: Json) -> Callable[[list[Json]], None]:
    def change(lines: list[Json]) -> None:
        meta = _errors_search(lines)["attributes"]["kibanaSavedObjectMeta"]
        _edit_text(meta, "searchSourceJSON", lambda source: source.update(query=query))

    return change


def _kuery(text: str) -> Callable[[list[Json]], None]:
    return _query_of_search({"language": "kuery", "query": text})


def _annotation(edit: Callable[[Json, Json], object]) -> Callable[[list[Json]], None]:
    """A defect in the annotation layer of a trend; the edit gets the layer and its first annotation."""

    def change(attributes: Json) -> None:
        marks = next(each for each in _picture(attributes)["layers"] if each["layerType"] == "annotations")
        edit(marks, marks["annotations"][0])

    return _chart("outcomes", change)


def _reference(lines: list[Json], ending: str) -> Json:
    found: Json = next(each for each in _board(lines)["references"] if each["name"].endswith(ending))
    return found


def _drop_reference(ending: str) -> Callable[[list[Json]], None]:
    return lambda lines: _board(lines)["references"].remove(_reference(lines, ending))


def _reorder(attributes: Json) -> None:
    _layer(attributes)["columnOrder"].reverse()


def _broken_twin(lines: list[Json]) -> None:
    _reference(lines, "latency:indexpattern-datasource-layer-data")["id"] = "shipper-view-alerts"


DEFECTS: list[tuple[str, str, Callable[[list[Json]], object]]] = [
    ("migration", "no version: every migration would run", lambda x: _board(x).pop("typeMigrationVersion")),
    ("migration", "newer than Kibana 9.2 knows", lambda x: _board(x).update(typeMigrationVersion="10.4.0")),
    ("migration", "older core", lambda x: _board(x).update(coreMigrationVersion="7.17.0")),
    ("migration", "a type that is not used", lambda x: _board(x).update(type="canvas")),
    ("envelope", "managed is read-only", lambda x: _board(x).update(managed=True)),
    ("envelope", "noise of an export", lambda x: _board(x).update(updated_at="2026-01-01")),
    ("id", "an id that another product may have", lambda x: _logs_view(x).update(id="logs")),
    ("title", "an object without title", lambda x: _board(x)["attributes"].update(title="")),
    ("title", "a panel without title", lambda x: _edit_panel(x, "latency", lambda p: p["embeddableConfig"].pop("title"))),
    ("description", "a board without description", lambda x: _board(x)["attributes"].pop("description")),
    (
        "description",
        "a panel without description",
        lambda x: _edit_panel(x, "latency", lambda p: p["embeddableConfig"].update(description="")),
    ),
    ("dup-id", "one id twice in a file", lambda x: x.insert(0, copy.deepcopy(_board(x)))),
    ("dup-id", "one panelIndex twice", lambda x: _edit_panel(x, "latency", lambda p: p.update(panelIndex="errors"))),
    (
        "dup-title",
        "one title twice",
        lambda x: _errors_search(x)["attributes"].update(title="ML: predictions"),
    ),
    ("summary", "a wrong count", lambda x: x[-1].update(exportedCount=3)),
    ("summary", "no summary", lambda x: x.pop()),
    ("json", "broken JSON text", lambda x: _board(x)["attributes"].update(panelsJSON="[")),
    ("json", "missing JSON text", lambda x: _logs_view(x)["attributes"].pop("fieldFormatMap")),
    ("ref-unresolved", "an object that is not in the file", lambda x: x.remove(_errors_search(x))),
    ("ref-unresolved", "chart and board name different views", _broken_twin),
    ("ref-missing", "a chart without its board's reference", _drop_reference("latency:indexpattern-datasource-layer-data")),
    ("ref-missing", "a link without target", _drop_reference("link_alerts_dashboard")),
    ("ref-missing", "a control without data view", _drop_reference("control1:optionsListDataView")),
    ("ref-missing", "an annotation without data view", _drop_reference("xy-visualization-layer-alerts")),
    ("ref-missing", "a layer without data view", _chart("latency", lambda a: a["references"].clear())),
    (
        "ref-missing",
        "a search panel without name",
        lambda x: _edit_panel(x, "search-errors", lambda p: p.pop("panelRefName")),
    ),
    ("ref-missing", "a search without data view", lambda x: _errors_search(x)["references"].clear()),
    (
        "ref-unused",
        "a reference that nothing uses",
        lambda x: _board(x)["references"].append(
            {"type": "index-pattern", "id": "shipper-view-logs", "name": "left-over"}
        ),
    ),
    ("view-pattern", "an index of others", lambda x: _logs_view(x)["attributes"].update(title="logstash-*")),
    ("view-pattern", "an error before the first record", lambda x: _logs_view(x)["attributes"].update(allowNoIndex=False)),
    ("field-type", "a view over a field that is no time", lambda x: _logs_view(x)["attributes"].update(timeFieldName="message")),
    (
        "field-missing",
        "a format for no field",
        lambda x: _edit_text(_logs_view(x)["attributes"], "fieldFormatMap", lambda f: f.update({"no.such": {}})),
    ),
    ("field-missing", "a column of no field", lambda x: _errors_search(x)["attributes"]["columns"].append("nope")),
    (
        "field-type",
        "an order by text",
        lambda x: _errors_search(x)["attributes"].update(sort=[["message", "desc"]]),
    ),
    ("search", "no such direction", lambda x: _errors_search(x)["attributes"].update(sort=[["@timestamp", "down"]])),
    ("search", "an attribute that Kibana refuses", lambda x: _errors_search(x)["attributes"].update(colour="red")),
    (
        "search",
        "a width for no column",
        lambda x: _errors_search(x)["attributes"]["grid"]["columns"].update({"event.id": {"width": 9}}),
    ),
    ("kql", "another language", _query_of_search({"language": "lucene", "query": "a:b"})),
    ("kql", "an unclosed parenthesis", _kuery("log.level: (error or critical")),
    ("kql", "a word without field", _kuery("error")),
    ("field-missing", "a query for no field", _kuery("log.levle: error")),
    ("field-type", "a range over words", _kuery("log.level > 3")),
    ("field-type", "an open object is no field", _kuery("ml.metrics: *")),
    ("kql", "a boolean that is neither", _kuery("git.dirty: yes")),
    ("kql", "a number that is none", _kuery("event.duration: long")),
    ("kql", "a dataset that is not declared", _kuery("event.dataset: ml.inferense")),
    (
        "kql",
        "a query of the whole board",
        lambda x: _edit_text(
            _board(x)["attributes"]["kibanaSavedObjectMeta"],
            "searchSourceJSON",
            lambda s: s["query"].update(query="log.level: error"),
        ),
    ),
    ("kql", "a column's own filter", _column("outcomes", "m1", lambda c: c["filter"].update(query="event.outcome:"))),
    ("grid", "too wide", lambda x: _edit_panel(x, "latency", lambda p: p["gridData"].update(w=40))),
    ("grid", "overlap", lambda x: _edit_panel(x, "latency", lambda p: p["gridData"].update(x=10))),
    ("grid", "i differs", lambda x: _edit_panel(x, "latency", lambda p: p["gridData"].update(i="other"))),
    ("grid", "no such section", lambda x: _edit_panel(x, "latency", lambda p: p["gridData"].update(sectionId="s9"))),
    ("legacy", "a visualization", lambda x: _edit_panel(x, "latency", lambda p: p.update(type="visualization"))),
    ("legacy", "a chart as an object of its own", lambda x: x.insert(0, {**copy.deepcopy(_board(x)), "type": "lens"})),
    (
        "legacy",
        "a chart that is not form-based",
        _chart("latency", lambda a: a["state"].update(datasourceStates={"textBased": {}})),
    ),
    ("control", "an unknown type", _control(lambda c: c.update(type="inputControl"))),
    ("control", "another id inside", _control(lambda c: c["explicitInput"].update(id="c9"))),
    ("control", "a literal data view", _control(lambda c: c["explicitInput"].update(dataViewId="shipper-view-logs"))),
    ("field-type", "a list of text", _control(lambda c: c["explicitInput"].update(fieldName="message"))),
    ("field-missing", "a list of no field", _control(lambda c: c["explicitInput"].update(fieldName="no.such"))),
    ("lens-columnorder", "a number before a bucket", _chart("latency", _reorder)),
    ("lens-columnorder", "a column is forgotten", _chart("latency", lambda a: _layer(a)["columnOrder"].pop())),
    ("lens-accessor", "a column that is not there", _chart("latency", lambda a: _picture(a)["layers"][0].update(xAccessor="t"))),
    ("lens-accessor", "a number as a bucket", _chart("latency", lambda a: _picture(a)["layers"][0].update(xAccessor="m1"))),
    ("lens-accessor", "a layer that is not shown", _chart("predictions", lambda a: _picture(a).pop("trendlineLayerId"))),
    ("lens-accessor", "a table's column", _chart("versions", lambda a: _picture(a)["columns"][0].update(columnId="r9"))),
    ("lens-column-unused", "a column that is not shown", _chart("latency", lambda a: _picture(a)["layers"][0].update(accessors=["m1", "m2"], yConfig=[]))),
    ("lens-column", "an unknown operation", _column("latency", "m1", lambda c: c.update(operationType="p95"))),
    ("lens-column", "no percentile", _column("latency", "m1", lambda c: c["params"].update(percentile=0))),
    ("lens-column", "no field", _column("latency", "m1", lambda c: c.pop("sourceField"))),
    ("lens-column", "a mean of documents", _column("confidence", "m1", lambda c: c.update(sourceField="___records___"))),
    ("lens-column", "a bucket that is a number", _column("latency", "m1", lambda c: c.update(isBucketed=True))),
    ("lens-column", "no size", _column("labels", "x", lambda c: c["params"].update(size=0))),
    ("lens-column", "ordered by nothing", _column("labels", "x", lambda c: c["params"]["orderBy"].update(columnId="m9"))),
    (
        "lens-column",
        "ordered by a formula",
        _column("versions", "r1", lambda c: c["params"]["orderBy"].update(columnId="m2")),
    ),
    ("field-missing", "a number of no field", _column("latency", "m1", lambda c: c.update(sourceField="event.durationn"))),
    ("field-type", "a percentile of words", _column("latency", "m1", lambda c: c.update(sourceField="service.name"))),
    ("field-type", "a list of texts", _column("labels", "x", lambda c: c.update(sourceField="message"))),
    ("field-type", "a list of flattened labels", _column("labels", "x", lambda c: c.update(sourceField="labels.team"))),
    ("field-missing", "a field that only alerts have", _column("labels", "x", lambda c: c.update(sourceField="rule.name"))),
    ("formula", "no references: the panel stays empty", _column("versions", "m2", lambda c: c.update(references=[]))),
    ("formula", "references that are not there", _column("versions", "m2X2", lambda c: c.update(references=["m2X0", "q"]))),
    ("formula", "computes with other columns", _column("versions", "m2X2", lambda c: c["params"]["tinymathAst"].update(args=["m2X0", "m1"]))),
    ("formula", "refers to a count", _column("versions", "m2", lambda c: c.update(references=["m2X0"]))),
    ("formula", "is marked as broken", _column("versions", "m2", lambda c: c["params"].update(isFormulaBroken=True))),
    ("formula", "text and parts differ", _column("versions", "m2X0", lambda c: c["filter"].update(query="event.outcome: success"))),
    ("annotation", "kept elsewhere", _annotation(lambda marks, _: marks.update(persistanceType="byReference"))),
    ("annotation", "a point set by hand", _annotation(lambda _, mark: mark.update(type="manual"))),
    ("kql", "an annotation's query", _annotation(lambda _, mark: mark["filter"].update(query="event.kind"))),
    ("field-missing", "an annotation's text", _annotation(lambda _, mark: mark.update(textField="kibana.alert.rule"))),
    ("field-type", "an annotation's time", _annotation(lambda _, mark: mark.update(timeField="rule.name"))),
]  # fmt: skip


def test_the_shipped_objects_have_no_findings() -> None:
    """U58: references resolve, every field is in the templates, versions are those of Kibana 9.2."""
    assert check(LINES, TABLE) == []


@pytest.mark.parametrize(
    ("code", "what", "plant"), DEFECTS, ids=[f"{code}: {what}" for code, what, _ in DEFECTS]
)
def test_each_planted_defect_is_found(code: str, what: str, plant: Callable[[list[Json]], object]) -> None:
    """U58: a defect that makes an import fail or a panel stay empty is found under its code."""
    lines = copy.deepcopy(LINES)
    plant(lines)
    assert code in {finding.code for finding in check(lines, TABLE)}, what


def test_a_finding_names_the_place() -> None:
    """A finding reads as a sentence that says in which panel and column the defect is."""
    lines = copy.deepcopy(LINES)
    _column("latency", "m1", lambda each: each.update(sourceField="no.such"))(lines)
    sentences = [str(finding) for finding in check(lines, TABLE)]
    assert any("panel latency, column m1" in each and "no.such" in each for each in sentences)


def test_unreadable_files_are_one_sentence(tmp_path: Path) -> None:
    """A file that is missing or no JSON is a mistake of the user's, told in one sentence."""
    from shipper.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_ndjson(tmp_path / "missing.ndjson")
    (tmp_path / "broken.ndjson").write_text("{\n")
    with pytest.raises(ConfigurationError, match="not JSON lines"):
        read_ndjson(tmp_path / "broken.ndjson")
