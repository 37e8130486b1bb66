"""Install the templates that travel with shipper, and tell how the server's differ from them.

A template that is accepted is not yet a template that works: it may be shadowed by another one of higher
priority, or a typing error may hide in it until midnight makes the first index. So each is simulated
after the installation, and what the server would create is compared with what we mean.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from shipper.elastic.client import ElasticClient
from shipper.elastic.upkeep import lifecycle_policy, put_lifecycle_policy, put_role, role
from shipper.errors import ConfigurationError, RequestRefused

Kind = Literal["policy", "component", "index", "role"]
State = Literal["missing", "older", "newer", "changed"]
Folders = Sequence[tuple[Kind, str]]

TEMPLATES: Final[Folders] = (("component", "component_templates"), ("index", "index_templates"))
LIFECYCLE: Final[Folders] = (
    ("policy", "lifecycle/policies"),
    ("component", "lifecycle/component_templates"),
)
"""Only for servers with ILM; an index template names its part of it, and does without where that is missing."""
ROLES: Final[Folders] = (("role", "roles/api"),)
"""Only for servers that keep roles; others read them from files."""

KIND_NAMES: Final[Mapping[Kind, str]] = {
    "policy": "lifecycle policy",
    "component": "component template",
    "index": "index template",
    "role": "role",
}
_SET_BY_SERVER: Final = frozenset(
    {"created_date", "created_date_millis", "modified_date", "modified_date_millis"}
)
_PROBE_NAMESPACE: Final = "shipper_probe"
PROBE_PERIOD: Final = "1970.01.01"


@dataclass(frozen=True, slots=True)
class Template:
    """One template, policy or role as it stands in `es_templates/`."""

    kind: Kind
    name: str
    body: Mapping[str, Any]

    @property
    def version(self) -> int:
        """Version of the template; a higher one replaces a lower one, never the reverse."""
        return _version(self.kind, self.body)

    @property
    def probe_index(self) -> str:
        """A name of an index that this index template must apply to, and that no data will ever have."""
        pattern = str(self.body["index_patterns"][0])
        return pattern.replace("*", f"{_PROBE_NAMESPACE}-{PROBE_PERIOD}", 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """How the server's template differs from ours; `lines` name the settings, ours first."""

    template: Template
    state: State
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{KIND_NAMES[self.template.kind]} {self.template.name} is {self.state}"


def packaged_templates(folder: Path, folders: Folders = TEMPLATES) -> tuple[Template, ...]:
    """Read the templates under `folder` (`es_templates`), components before those that are made of them.

    Args:
        folders: which parts, in the order in which they are to be installed.

    Raises:
        ConfigurationError: there are none, or one is not valid JSON.
    """
    templates: list[Template] = []
    for kind, name in folders:
        for path in sorted((folder / name).glob("*.json")):
            try:
                templates.append(Template(kind, path.stem, json.loads(path.read_text("utf-8"))))
            except (OSError, ValueError) as error:
                raise ConfigurationError(f"The template {path} cannot be read: {error}.") from error
    if not templates and folders is not ROLES:
        raise ConfigurationError(f"{folder} holds no templates; install the package again.")
    return tuple(templates)


def differences(client: ElasticClient, templates: Sequence[Template]) -> list[Difference]:
    """Return the templates that the server lacks or has otherwise; empty where all are as they should be."""
    found: list[Difference] = []
    for template in templates:
        difference = _difference(template, _READERS[template.kind](client, template.name))
        if difference is not None:
            found.append(difference)
    return found


def install(client: ElasticClient, templates: Sequence[Template]) -> list[Difference]:
    """Bring the server's templates up to date; return what had to be done, in the order of doing.

    Raises:
        ConfigurationError: the server's are newer than ours; nothing was changed.
    """
    todo = differences(client, templates)
    newer = [difference.template.name for difference in todo if difference.state == "newer"]
    if newer:
        raise ConfigurationError(
            f"The server's templates are newer than those of this shipper ({', '.join(newer)}); upgrade shipper here."
        )
    for difference in todo:
        template = difference.template
        _WRITERS[template.kind](client, template.name, template.body)
    return todo


def kept_for(templates: Sequence[Template], days: Mapping[str, int]) -> tuple[Template, ...]:
    """Return the same, with the age of policies as a site wants it.

    Args:
        days: by dataset, where it differs from the schema.
    """
    return tuple(
        template
        if template.kind != "policy" or (dataset := template.name.removeprefix("shipper-")) not in days
        else replace(template, body=_kept_for(template.body, days[dataset]))
        for template in templates
    )


def _kept_for(body: Mapping[str, Any], days: int) -> dict[str, Any]:
    changed: dict[str, Any] = json.loads(json.dumps(body))
    policy = changed["policy"]
    period_days = 31 if policy["_meta"]["period"] == "month" else 1
    policy["_meta"]["retention_days"] = days
    policy["phases"]["delete"]["min_age"] = f"{days + period_days}d"
    return changed


def require_installed(client: ElasticClient, templates: Sequence[Template]) -> None:
    """Make sure that no index is created without a template of ours.

    Raises:
        ConfigurationError: the server lacks a template.
    """
    missing = [found.template.name for found in differences(client, templates) if found.state == "missing"]
    if missing:
        raise ConfigurationError(
            f"Elasticsearch at {client.url} lacks the templates of shipper ({missing[0]}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}); run `shipper setup` first."
        )


def simulation_problems(client: ElasticClient, templates: Sequence[Template]) -> list[str]:
    """Ask the server what each index template would make; return one sentence for each that is not ours."""
    components = {template.name: template for template in templates if template.kind == "component"}
    problems: list[str] = []
    for template in templates:
        if template.kind != "index":
            continue
        try:
            answer = client.simulate_index(template.probe_index)
        except RequestRefused as error:
            problems.append(f"{template.name}: {error}")
            continue
        expected = _flat(composed(template, _with_optional(client, template, components)))
        simulated = _flat({key: answer["template"].get(key, {}) for key in ("settings", "mappings")})
        # The server adds settings of its own (tiers, routing), but never a mapping.
        lines = [line for line in _compare(expected, simulated) if not _is_server_setting(line, expected)]
        if lines:
            problems.append(
                f"An index like {template.probe_index} would not be made by {template.name}: {lines[0]}."
            )
    return problems


def _with_optional(
    client: ElasticClient, template: Template, components: Mapping[str, Template]
) -> Mapping[str, Template]:
    """Add the components that a template has only where the server has them."""
    whole = dict(components)
    for name in template.body.get("ignore_missing_component_templates", ()):
        body = None if name in whole else client.component_template(name)
        if body is not None:
            whole[name] = Template("component", name, body)
    return whole


def _is_server_setting(line: str, expected: Mapping[str, str]) -> bool:
    path = line.partition(": ")[0]
    return path.startswith("settings.") and path not in expected


def _difference(template: Template, installed: Mapping[str, Any] | None) -> Difference | None:
    if installed is None:
        return Difference(template, "missing", ())
    if template.kind == "role":  # the server adds members of its own
        installed = {key: value for key, value in installed.items() if key in template.body}
    ours = _flat(template.body)
    theirs = _flat({key: value for key, value in installed.items() if key not in _SET_BY_SERVER})
    lines = _compare(ours, theirs)
    if not lines:
        return None
    installed_version = _version(template.kind, installed)
    state: State = "changed"
    if installed_version != template.version:
        state = "older" if installed_version < template.version else "newer"
    return Difference(template, state, tuple(lines))


def _version(kind: Kind, body: Mapping[str, Any]) -> int:
    if kind == "policy":
        body = body["policy"].get("_meta") or {}
    elif kind == "role":
        body = body.get("metadata") or {}
    return int(body.get("version") or 0)


_READERS: Final[Mapping[Kind, Callable[[ElasticClient, str], Mapping[str, Any] | None]]] = {
    "policy": lifecycle_policy,
    "component": ElasticClient.component_template,
    "index": ElasticClient.index_template,
    "role": role,
}
_WRITERS: Final[Mapping[Kind, Callable[[ElasticClient, str, Mapping[str, Any]], None]]] = {
    "policy": put_lifecycle_policy,
    "component": ElasticClient.put_component_template,
    "index": ElasticClient.put_index_template,
    "role": put_role,
}


def composed(template: Template, components: Mapping[str, Template]) -> dict[str, Any]:
    """Return settings and mappings that the template and its components make together."""
    whole: dict[str, Any] = {"settings": {}, "mappings": {}}
    parts = [components[name].body for name in template.body.get("composed_of", ()) if name in components]
    for part in (*parts, template.body):
        _merge(whole, part.get("template", {}))
    return whole


def _merge(target: dict[str, Any], addition: Mapping[str, Any]) -> None:
    for key, value in addition.items():
        if isinstance(value, Mapping):
            _merge(target.setdefault(key, {}), value)
        elif isinstance(value, list):
            target[key] = [*target.get(key, []), *value]
        else:
            target[key] = value


def _flat(value: object, path: str = "") -> dict[str, str]:
    """Return leaves by path. Numbers and booleans become text: the server stores settings as text."""
    if isinstance(value, Mapping):
        leaves: dict[str, str] = {}
        for key, inner in value.items():
            leaves |= _flat(inner, f"{path}.{key}" if path else str(key))
        return leaves
    if isinstance(value, list):
        leaves = {}
        for position, inner in enumerate(value):
            leaves |= _flat(inner, f"{path}[{position}]")
        return leaves
    if isinstance(value, bool):
        return {path: str(value).lower()}
    return {path: str(value)}


def _compare(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    return [
        f"{path}: ours {ours.get(path, 'absent')}, the server's {theirs.get(path, 'absent')}"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    ]
