"""Whether saved objects will import and then work: Kibana's importer checks the least part of it.

A missing dashboard, chart or field imports "successfully" and fails when someone looks. So every file
is checked here against its own references and against the field table.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from shipper.errors import ConfigurationError
from shipper.kibana.check_dashboard import check_dashboard
from shipper.kibana.decode import JsonObject, Objects, label, references, search_source, unpacked
from shipper.kibana.findings import AGGREGATABLE, Check, Finding
from shipper.kibana.objects import CORE_VERSION, TYPE_VERSIONS, fields_of
from shipper.schema.table import Table

_ID: Final = re.compile(r"^shipper-[a-z0-9-]{1,80}$")
_ENVELOPE: Final = {
    "attributes", "coreMigrationVersion", "id", "managed", "references", "type", "typeMigrationVersion",
}  # fmt: skip
_TYPES_OF_OTHERS: Final = {"visualization", "lens", "map", "links", "event-annotation-group"}
_SEARCH_ATTRIBUTES: Final = {
    "title", "description", "columns", "sort", "grid", "hideChart", "isTextBasedQuery", "timeRestore",
    "usesAdHocDataView", "rowHeight", "rowsPerPage", "breakdownField", "viewMode", "density", "sampleSize",
    "kibanaSavedObjectMeta",
}  # fmt: skip
_EVERY_TYPE: Final = AGGREGATABLE | {"text", "flattened"}


def check(lines: list[JsonObject], table: Table) -> list[Finding]:
    """Return the defects of an export file; none means that it imports and that its parts fit together.

    Args:
        lines: the file's lines, the summary included.
        table: the field table.
    """
    run = Check(Objects.of(lines), table)
    _check_summary(run, lines)
    objects = [line for line in lines if "exportedCount" not in line]
    _check_unique(run, objects)
    for item in objects:
        _check_envelope(run, item)
        try:
            _CHECKS.get(item.get("type", ""), _no_check)(run, item)
        except ConfigurationError as error:
            run.report("json", label(item), str(error))
    return run.findings


def _no_check(run: Check, item: JsonObject) -> None:
    if item.get("type") in _TYPES_OF_OTHERS:
        run.report("legacy", label(item), "is kept by value inside a dashboard, not as an object of its own")


def _check_summary(run: Check, lines: list[JsonObject]) -> None:
    summaries = [line for line in lines if "exportedCount" in line]
    if len(summaries) != 1 or lines[-1] is not summaries[0]:
        run.report("summary", "file", "the last line, and only it, must be the summary")
    elif summaries[0]["exportedCount"] != len(lines) - 1:
        run.report("summary", "file", f"the summary counts {summaries[0]['exportedCount']} objects")


def _check_unique(run: Check, objects: list[JsonObject]) -> None:
    for identity, count in Counter(item.get("id") for item in objects).items():
        if count > 1:
            run.report("dup-id", str(identity), "is the id of several objects")
    titles = Counter((item.get("type"), item["attributes"].get("title")) for item in objects)
    for (kind, title), count in titles.items():
        if count > 1 and title and kind != "index-pattern":
            run.report("dup-title", str(title), f"is the title of several objects of type {kind}")


def _check_envelope(run: Check, item: JsonObject) -> None:
    where = label(item)
    if not _ID.match(str(item.get("id", ""))):
        run.report("id", where, "the id must begin with shipper- and be of lower-case letters, digits and -")
    _check_versions(run, item, where)
    if set(item) != _ENVELOPE or item.get("managed") is not False:
        run.report("envelope", where, f"has other keys than {', '.join(sorted(_ENVELOPE))}, or is managed")
    attributes = item["attributes"]
    if not attributes.get("title") and not attributes.get("name"):
        run.report("title", where, "has no title")
    if item.get("type") in ("dashboard", "search") and not attributes.get("description"):
        run.report("description", where, "has no description")
    for reference in item.get("references", []):
        if (reference["type"], reference["id"]) not in run.objects.by_key:
            missing = f"{reference['type']} {reference['id']}"
            run.report("ref-unresolved", where, f"refers to {missing}, which is not there")


def _check_versions(run: Check, item: JsonObject, where: str) -> None:
    newest = TYPE_VERSIONS.get(str(item.get("type")))
    version = item.get("typeMigrationVersion")
    if newest is None:
        run.report("migration", where, "is of a type that these files do not use")
    elif not version:
        run.report("migration", where, "lacks typeMigrationVersion; every migration would run over it")
    elif version != newest:
        run.report("migration", where, f"has typeMigrationVersion {version}, not {newest}")
    if item.get("coreMigrationVersion") != CORE_VERSION:
        run.report("migration", where, f"must have coreMigrationVersion {CORE_VERSION}")


def _check_view(run: Check, item: JsonObject) -> None:
    where, attributes = label(item), item["attributes"]
    pattern = str(attributes.get("title", ""))
    if not all(fields_of(part, run.table) for part in pattern.split(",")):
        run.report("view-pattern", where, f"the pattern {pattern} falls under none of our index templates")
    if attributes.get("allowNoIndex") is not True:
        run.report("view-pattern", where, "would be an error before the first record (allowNoIndex)")
    run.need_field(item["id"], str(attributes.get("timeFieldName")), {"date"}, where)
    for key in ("fieldFormatMap", "fieldAttrs"):
        for name in unpacked(attributes, key, where):
            run.need_field(item["id"], name, _EVERY_TYPE | {"object"}, f"{where}, {key}")


def _check_search(run: Check, item: JsonObject) -> None:
    where, attributes = label(item), item["attributes"]
    unknown = set(attributes) - _SEARCH_ATTRIBUTES
    if unknown:
        run.report("search", where, f"has attributes that Kibana refuses: {', '.join(sorted(unknown))}")
    source = search_source(item)
    reference = references(item).get(str(source.get("indexRefName")))
    if reference is None:
        run.report("ref-missing", where, "has no reference to its data view")
        return
    view = reference["id"]
    run.need_kql(view, source.get("query"), where)
    for column in attributes.get("columns", []):
        run.need_field(view, column, _EVERY_TYPE, f"{where}, a column")
    for column in attributes.get("grid", {}).get("columns", {}):
        if column not in attributes.get("columns", []):
            run.report("search", where, f"gives a width to {column}, which is not a column")
    for name, direction in attributes.get("sort", []):
        run.need_field(view, name, AGGREGATABLE, f"{where}, the order")
        if direction not in ("asc", "desc"):
            run.report("search", where, f"cannot be ordered {direction}")


_CHECKS: Final = {"index-pattern": _check_view, "search": _check_search, "dashboard": check_dashboard}
