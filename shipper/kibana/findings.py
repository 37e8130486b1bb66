"""What the checker collects, and what it knows about fields while it looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from shipper.errors import ConfigurationError
from shipper.kibana.decode import Objects
from shipper.kibana.kql import Clause, clauses, parse_kql
from shipper.kibana.objects import fields_of
from shipper.schema.table import Table

NUMBERS: Final = frozenset({"long", "double"})
AGGREGATABLE: Final = NUMBERS | {"keyword", "boolean", "ip", "date"}

_OPEN: Final = {"doubles": "double", "keywords": "keyword", "flattened": "flattened"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One defect: a short code, the object and place, and a sentence."""

    code: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message} [{self.code}]"


@dataclass(slots=True)
class Check:
    """One run of the checker over one file."""

    objects: Objects
    table: Table
    findings: list[Finding] = field(default_factory=list)
    _types: dict[str, dict[str, str]] = field(default_factory=dict)

    def report(self, code: str, where: str, message: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(code, where, message))

    def field_type(self, view_id: str, name: str) -> str | None:
        """Return the type of a field in a data view's indices, or None where they do not have it.

        `object` for an open object itself (`ml.metrics`), which holds names but is no field.
        """
        types = self._types.get(view_id)
        if types is None:
            pattern = self.objects.pattern(view_id) or ""
            types = {each.name: each.type for each in fields_of(pattern, self.table)}
            self._types[view_id] = types
        if name in types:
            return "object" if types[name] in ("doubles", "keywords") else types[name]
        for parent, kind in types.items():
            if kind in _OPEN and name.startswith(parent + "."):
                return _OPEN[kind]
        return None

    def need_field(
        self, view_id: str, name: str, allowed: frozenset[str] | set[str], where: str
    ) -> str | None:
        """Report a field that the view lacks or whose type is not `allowed`; return its type."""
        found = self.field_type(view_id, name)
        if found is None:
            self.report("field-missing", where, f"{name} is not a field of the data view {view_id}")
        elif found not in allowed:
            self.report("field-type", where, f"{name} is a {found}, which does not do here")
        return found

    def need_kql(self, view_id: str, query: object, where: str) -> None:
        """Report a stored query that is not KQL or does not fit the fields of the view."""
        if not isinstance(query, dict) or query.get("language") != "kuery":
            self.report("kql", where, f"{query!r} is not a KQL query")
            return
        try:
            parsed = parse_kql(str(query.get("query", "")))
        except ConfigurationError as error:
            self.report("kql", where, str(error))
            return
        for clause in clauses(parsed):
            self._need_clause(view_id, clause, where)

    def _need_clause(self, view_id: str, clause: Clause, where: str) -> None:
        any_type = AGGREGATABLE | {"text", "flattened"}
        allowed = any_type if clause.comparison == ":" else NUMBERS | {"date"}
        kind = self.need_field(view_id, clause.field, allowed, where)
        if clause.value == "*" or kind is None:
            return
        if kind == "boolean" and clause.value not in ("true", "false"):
            self.report("kql", where, f"{clause.field} is true or false, never {clause.value}")
        if kind in NUMBERS and not _is_number(clause.value):
            self.report("kql", where, f"{clause.field} is a number, never {clause.value}")
        if clause.field == "event.dataset" and clause.value not in {row.name for row in self.table.datasets}:
            self.report("kql", where, f"{clause.value} is not a declared dataset")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
