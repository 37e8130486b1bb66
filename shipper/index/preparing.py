"""What `shipper setup` does to Elasticsearch: what travels with shipper goes in, as far as the server can take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipper.elastic.client import ElasticClient
from shipper.elastic.upkeep import can_store_roles, has_lifecycle
from shipper.errors import RequestRefused
from shipper.index.existing import Drift, drift, existing_indices, update
from shipper.index.templates import (
    LIFECYCLE,
    ROLES,
    TEMPLATES,
    Difference,
    Template,
    differences,
    install,
    kept_for,
    packaged_templates,
    simulation_problems,
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done, or (in a dry run) would be.

    Attributes:
        version: of the server.
        count: how many templates, policies and roles it shall have.
        changes: those of them that it lacked or had otherwise.
        left_out: what it cannot take, a sentence each.
        indices: existing ones with something to add, or that only `shipper migrate` can bring up to date.
        problems: what is wrong now, a sentence each.
    """

    version: str
    has_lifecycle: bool
    has_roles: bool
    count: int
    changes: tuple[Difference, ...]
    left_out: tuple[str, ...]
    indices: tuple[Drift, ...]
    problems: tuple[str, ...]


def prepare(
    client: ElasticClient, folder: Path, retention_days: Mapping[str, int], *, dry_run: bool
) -> Prepared:
    """Install what stands in `folder` (`es_templates`), and add to existing indices what they lack of it.

    Raises:
        ConfigurationError: what the server has is newer than ours; nothing was changed.
        StoreError: the server does not answer, or refuses.
    """
    can_age, can_keep_roles = has_lifecycle(client), can_store_roles(client)
    lifecycle = kept_for(packaged_templates(folder, LIFECYCLE), retention_days) if can_age else ()
    roles = packaged_templates(folder, ROLES) if can_keep_roles else ()
    # In this order: an index template is refused while a component is missing that it cannot do without.
    everything = (*lifecycle, *packaged_templates(folder, TEMPLATES), *roles)
    templates = [template for template in everything if template.kind in ("component", "index")]
    changes = differences(client, everything) if dry_run else install(client, everything)
    problems = [] if dry_run else simulation_problems(client, templates)
    drifts = existing_drifts(client, templates)
    if not dry_run:
        problems += _update(client, drifts)
    return Prepared(
        version=client.server_facts().version,
        has_lifecycle=can_age,
        has_roles=can_keep_roles,
        count=len(everything),
        changes=tuple(changes),
        left_out=tuple(_left_out(has_lifecycle=can_age, has_roles=can_keep_roles)),
        indices=tuple(drifts),
        problems=tuple(problems),
    )


def existing_drifts(client: ElasticClient, templates: list[Template]) -> list[Drift]:
    """Return how the open indices differ that do; unfinished copies are left to who makes them."""
    found = [
        drift(index, templates)
        for index in existing_indices(client, templates)
        if index.is_open and not index.is_hidden
    ]
    return [one for one in found if one.mapping or one.settings or one.changed or one.renamed]


def _update(client: ElasticClient, drifts: list[Drift]) -> list[str]:
    problems: list[str] = []
    for found in drifts:
        try:
            update(client, found)
        except RequestRefused as error:
            problems.append(f"{found.index.name} could not be brought up to date: {error}")
    return problems


def _left_out(*, has_lifecycle: bool, has_roles: bool) -> list[str]:
    found: list[str] = []
    if not has_lifecycle:
        found.append(
            "Lifecycle policies: this server has no lifecycle management; "
            "let `shipper retention apply --yes` run once a day instead."
        )
    if not has_roles:
        found.append(
            "Roles: this server keeps none that are given to it this way, or this account may not give them; "
            "where it has security, they go into its files, see es_templates/roles/."
        )
    return found
