"""Indices that exist already, held against the templates that would make them today.

A template applies to new indices only. What a newer schema adds can be added to older ones while they are in use;
what it changes (a type, a name) cannot: that takes a copy (`migrate.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shipper.elastic.answers import JsonObject
from shipper.elastic.client import ElasticClient
from shipper.elastic.upkeep import every_index, put_mapping, put_settings
from shipper.errors import RequestRefused
from shipper.index.templates import Template, composed

_DATED: Final = re.compile(r".+-\d{4}\.\d\d\.\d\d(-\d+)?", re.ASCII)
"""Names from which the server can read the day; the policy of another would be refused."""
_GENERATION: Final = re.compile(r"\d{6}", re.ASCII)
_IN_USE: Final = frozenset({"ignore_above", "ignore_malformed", "depth_limit", "copy_to"})
"""Parameters of a field that can be changed while the index is in use; for new documents only."""
_CAP_REACHED: Final = "Limit of total fields"


@dataclass(frozen=True, slots=True)
class Existing:
    """One index of ours as it is.

    Attributes:
        base: the name under which it is written; its own, or (after a migration) an alias of it.
        template: what would make it today.
        is_hidden: a copy that is not finished.
    """

    name: str
    base: str
    generation: int
    template: Template
    mappings: Mapping[str, Any]
    settings: Mapping[str, Any]
    aliases: Mapping[str, Mapping[str, Any]]

    @property
    def is_hidden(self) -> bool:
        """Whether searches by pattern pass it over."""
        return str(self.settings.get("hidden", "false")) == "true"

    @property
    def is_open(self) -> bool:
        """Whether it can be read and changed: nobody has closed it."""
        return str(self.settings.get("verified_before_close", "false")) != "true"

    @property
    def schema_version(self) -> int:
        """Version of the schema that made it, or brought it up to date; 0 where it does not say."""
        return int(self.mappings.get("_meta", {}).get("version", 0))

    @property
    def successor(self) -> str:
        """Name of the index that a migration of this one makes."""
        return f"{self.base}-{self.generation + 1:06d}"


@dataclass(frozen=True, slots=True)
class Drift:
    """How the mapping and settings of an index differ from what its template would make today.

    Attributes:
        added: fields that it lacks, and those of which a parameter changes; by name, as they shall be.
        changed: fields of another type, with a sentence: only a copy can change them.
        renamed: former names that old documents may carry, and whose values the new name lacks; new name by old.
        mapping: what can be put while it is in use; empty where nothing.
        settings: likewise.
    """

    index: Existing
    added: Mapping[str, JsonObject]
    changed: Mapping[str, str]
    renamed: Mapping[str, str]
    mapping: Mapping[str, Any]
    settings: Mapping[str, Any]

    @property
    def lines(self) -> tuple[str, ...]:
        """What would be put, in words."""
        fields = [f"field {name}: {leaf.get('type', 'object')}" for name, leaf in sorted(self.added.items())]
        return (*fields, *(f"setting {name}: {value}" for name, value in sorted(self.settings.items())))


def existing_indices(client: ElasticClient, templates: Sequence[Template]) -> list[Existing]:
    """Return the indices to which our index templates apply, hidden ones included, by name."""
    mine = [template for template in templates if template.kind == "index"]
    patterns = [str(template.body["index_patterns"][0]) for template in mine]
    found: list[Existing] = []
    for name, definition in sorted(every_index(client, patterns).items()):
        if "data_stream" in definition:
            continue
        template, prefix = next(
            (template, pattern[:-1])
            for template, pattern in zip(mine, patterns, strict=True)
            if name.startswith(pattern[:-1])
        )
        base, generation = _base(name, prefix)
        found.append(
            Existing(
                name=name,
                base=base,
                generation=generation,
                template=template,
                mappings=definition["mappings"],
                settings=definition["settings"]["index"],
                aliases=definition["aliases"],
            )
        )
    return found


def _base(name: str, prefix: str) -> tuple[str, int]:
    """Return the name for writing, and the generation; `prefix` stands before the namespace, which may be a number."""
    base, _, last = name.rpartition("-")
    if _GENERATION.fullmatch(last) and base.startswith(prefix):
        return base, int(last)
    return name, 1


def drift(index: Existing, templates: Sequence[Template]) -> Drift:
    """Hold an index against its template and the components that it is made of."""
    components = {template.name: template for template in templates if template.kind == "component"}
    wanted = composed(index.template, components)
    added: dict[str, JsonObject] = {}
    changed: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for name, leaf in leaves(wanted["mappings"]["properties"]):
        there, barrier = _find(index.mappings.get("properties", {}), name)
        if barrier:
            changed[name] = f"{barrier} is a {there.get('type', 'object') if there else 'field'} there"
        elif there is None:
            added[name] = leaf
        elif (why := _fixed_difference(leaf, there)) is not None:
            changed[name] = why
        elif any(_values(leaf, key) != _values(there, key) for key in _IN_USE):
            if _values(leaf, "copy_to") != _values(there, "copy_to"):
                renamed[name] = str(leaf.get("copy_to", ""))
            else:
                added[name] = leaf
    return Drift(
        index,
        added,
        changed,
        renamed,
        _mapping_update(index, wanted["mappings"], added, is_whole=not changed and not renamed),
        _settings_update(index, wanted["settings"]["index"]),
    )


def update(client: ElasticClient, found: Drift) -> None:
    """Put what can be put while the index is in use.

    Raises:
        RequestRefused: the server does not take it; the index is as before.
    """
    if found.settings:
        put_settings(
            client, found.index.name, {f"index.{key}": value for key, value in found.settings.items()}
        )
    if not found.mapping:
        return
    try:
        put_mapping(client, found.index.name, found.mapping)
    except RequestRefused as error:
        if _CAP_REACHED not in error.reason:
            raise
        # Invented names have taken all room; what is declared gets room of its own.
        limit = int(found.index.settings.get("mapping", {}).get("total_fields", {}).get("limit", 1000))
        more = sum(name.count(".") + 1 for name in found.added)
        put_settings(client, found.index.name, {"index.mapping.total_fields.limit": limit + more})
        put_mapping(client, found.index.name, found.mapping)


def leaves(properties: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, JsonObject]]:
    """Yield the fields of a mapping by full name; an object of any names is one field."""
    for name, inner in properties.items():
        full = f"{path}{name}"
        if "properties" in inner and "type" not in inner and "subobjects" not in inner:
            yield from leaves(inner["properties"], f"{full}.")
        else:
            yield full, {key: value for key, value in inner.items() if key != "properties"}


def _find(properties: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any] | None, str]:
    """Return the field `name`, or None; and the name of a field that stands where an object should, or ""."""
    parts = name.split(".")
    for depth, part in enumerate(parts):
        inner = properties.get(part)
        if inner is None:
            return None, ""
        if depth == len(parts) - 1:
            return inner, ""
        if "properties" not in inner and inner.get("type", "object") != "object":
            return inner, ".".join(parts[: depth + 1])
        properties = inner.get("properties", {})
    return None, ""


def _fixed_difference(wanted: Mapping[str, Any], there: Mapping[str, Any]) -> str | None:
    """Return in words what differs and cannot be changed in place, or None."""
    ours, theirs = wanted.get("type", "object"), there.get("type", "object")
    if ours != theirs:
        return f"{theirs} there, {ours} in the schema"
    for key in sorted((wanted.keys() | there.keys()) - _IN_USE - {"type", "properties", "dynamic"}):
        if _text(wanted.get(key)) != _text(there.get(key)):
            return f"{key} is {_text(there.get(key))} there, {_text(wanted.get(key))} in the schema"
    return None


def _values(leaf: Mapping[str, Any], key: str) -> list[object]:
    """Return a parameter as a list: the server makes one of some."""
    value = leaf.get(key)
    return value if isinstance(value, list) else [value]


def _text(value: object) -> str:
    return str(value).lower()


def _mapping_update(
    index: Existing, wanted: Mapping[str, Any], added: Mapping[str, JsonObject], *, is_whole: bool
) -> JsonObject:
    found: JsonObject = {}
    properties: JsonObject = {}
    for name, leaf in added.items():
        *parents, last = name.split(".")
        place = properties
        for part in parents:
            place = place.setdefault(part, {"properties": {}})["properties"]
        place[last] = leaf
    if properties:
        found["properties"] = properties
    theirs = {name: body for row in index.mappings.get("dynamic_templates", ()) for name, body in row.items()}
    rows = [
        row for row in wanted.get("dynamic_templates", ()) if any(theirs.get(k) != v for k, v in row.items())
    ]
    if rows:
        found["dynamic_templates"] = rows
    # The version says that everything of it is there.
    if is_whole and index.schema_version < int(wanted["_meta"]["version"]):
        found["_meta"] = wanted["_meta"]
    return found


def _settings_update(index: Existing, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Only what an older version of ours left out; what a person has chosen since stays."""
    found: dict[str, Any] = {}
    there = index.settings
    if str(there.get("number_of_replicas", "1")) == "0" and "auto_expand_replicas" not in there:
        found["auto_expand_replicas"] = wanted["auto_expand_replicas"]
    lifecycle = wanted.get("lifecycle")
    if lifecycle is not None and "name" not in there.get("lifecycle", {}) and _DATED.fullmatch(index.name):
        found["lifecycle.name"] = lifecycle["name"]
        found["lifecycle.parse_origination_date"] = True
    return found
