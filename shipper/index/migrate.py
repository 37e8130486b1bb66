"""Indices whose fields have another type or name than the schema says now: a new index in the place of the old one.

What a template says is for new indices, and a field's type cannot be changed. So the documents are copied, as the
bytes that they are, into an index that today's template makes; then that one takes the old one's place::

    logs-ml.app-default-2026.11.21             the index, in use
    logs-ml.app-default-2026.11.21-000002      its copy, hidden from searches while it is made
                                               writers are told "later" for the last moments
    logs-ml.app-default-2026.11.21 → -000002   the old name is an alias of the copy; the old index is gone

The last line is one step that happens whole or not at all. Killed at any moment before, everything is as it was, and
the next run goes on; killed after, everything is as it shall be. Ids are kept and the old name takes records as before,
so what is replayed from old topics meets its own id. No record is rewritten: a field that has got another name is found
under it because the template copies the former name's value there, for old records as for those still on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from shipper.elastic.client import ElasticClient
from shipper.elastic.raw import RawClient
from shipper.elastic.upkeep import (
    Size,
    hold_writers,
    is_held,
    put_in_place,
    put_settings,
    release_writers,
    sizes,
)
from shipper.errors import ConfigurationError, RequestRefused
from shipper.index.copying import Copier
from shipper.index.existing import Drift, Existing, drift, existing_indices
from shipper.index.templates import Template

Outcome = Literal["migrated", "finished", "refused"]


@dataclass(frozen=True, slots=True)
class Step:
    """One index that must be copied, or whose copy must be finished.

    Attributes:
        index: the old one; where only the end of an earlier run is missing, the new one.
        target: name of the new one.
        reasons: why, a sentence each.
        size: of `index`.
        begun: documents that an earlier run has copied; None where none has begun.
        is_in_place: the copy has taken its place already, and must only be shown.
    """

    index: Existing
    target: str
    reasons: tuple[str, ...]
    size: Size
    begun: int | None = None
    is_in_place: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one step; `refused` are documents that the new mapping does not take, with the sentence."""

    step: Step
    outcome: Outcome
    documents: int
    refused_count: int
    refused: dict[str, str]


def plan(
    client: ElasticClient, templates: Sequence[Template], also: Sequence[str] = (), namespace: str = ""
) -> list[Step]:
    """Return what is to be done, by name.

    Args:
        also: names of indices to copy although they differ in nothing: what old records hold in a field that was
            added since is found only then.
        namespace: only the indices of this one; empty: of all.

    Raises:
        ConfigurationError: `also` names an index that is not there.
    """
    indices = [index for index in existing_indices(client, templates) if _is_in(index, namespace)]
    by_name = {index.name: index for index in indices}
    wanted = {_concrete(name, by_name) for name in also}
    sized = sizes(client, sorted(by_name)) if by_name else {}
    steps: list[Step] = []
    for index in indices:
        size = sized.get(index.name, Size(0, 0))
        if index.is_hidden:
            if index.base in index.aliases:
                reason = "it has taken its place and is still hidden"
                steps.append(Step(index, index.name, (reason,), size, None, is_in_place=True))
            continue
        copy = by_name.get(index.successor)
        begun = sized[copy.name].documents if copy is not None and copy.name in sized else None
        reasons = _reasons(client, drift(index, templates))
        if begun is not None and not reasons:
            reasons = ("a copy of it was begun",)
        if index.name in wanted:
            reasons = (*reasons, "it was asked for")
        if reasons and index.is_open:
            steps.append(Step(index, index.successor, reasons, size, begun))
    return steps


def carry_out(
    client: ElasticClient,
    raw: RawClient,
    templates: Sequence[Template],
    step: Step,
    *,
    pause: Callable[[int], None],
    progress: Callable[[int], None] = lambda _: None,
) -> Result:
    """Make one index anew; return what became of it. May be repeated after any interruption.

    Raises:
        StoreError: the server does not answer, or refuses; the old index is in use as before.
    """
    if step.is_in_place:
        put_settings(client, step.target, {"index.hidden": False})
        return Result(step, "finished", 0, 0, {})
    old = step.index.name
    _make_target(client, templates, step)
    copier = Copier(client, raw, old, step.target, pause=pause, progress=progress)
    copier.copy()
    if not copier.done.refused_count:
        _take_over(client, copier, step)
    done = copier.done
    if done.refused_count:
        # The old index stays as it is; a copy that lacks documents would only be in the way.
        client.delete_index(step.target)
        return Result(step, "refused", done.documents, done.refused_count, done.refused)
    put_settings(client, step.target, {"index.hidden": False})
    return Result(step, "migrated", done.documents, 0, {})


def _take_over(client: ElasticClient, copier: Copier, step: Step) -> None:
    """Hold writers, copy what they wrote last, and put the copy in place; or let them go on where it lacks anything."""
    old = step.index.name
    hold_writers(client, old)
    if client.index_definition(old) is None:  # another run was quicker, and this held its index
        release_writers(client, step.target)
        raise ConfigurationError(
            f"Another run has put {step.target} in place of {old}; nothing is left to do."
        )
    try:
        copier.copy()
        if not copier.is_equal():
            copier.settle()
        if copier.done.refused_count:
            release_writers(client, old)
            return
        _require_held(client, old)
    except BaseException:
        if client.index_definition(old) is not None:
            release_writers(client, old)
        raise
    # Without an answer to this, nobody knows whether it happens yet: writers then wait for the next run.
    put_in_place(client, old, step.target, _aliases(step.index))


def _require_held(client: ElasticClient, old: str) -> None:
    if not is_held(client, old):
        raise ConfigurationError(f"Somebody has let writers into {old} meanwhile; run the command again.")


def _make_target(client: ElasticClient, templates: Sequence[Template], step: Step) -> None:
    """Make the new index as its template says now; one of an earlier run is used if the template still says so."""
    for index in existing_indices(client, templates):
        if index.name != step.target:
            continue
        found = drift(index, templates)
        if index.is_hidden and not found.changed and not found.renamed and not found.mapping:
            return
        if not index.is_hidden:
            raise ConfigurationError(f"{step.target} is in the way: it is in use and no unfinished copy.")
        client.delete_index(step.target)
    try:
        client.create_index(step.target, {"settings": {"index.hidden": True}})
    except RequestRefused as error:
        if error.status != 400 or client.index_definition(step.target) is None:
            raise


def _reasons(client: ElasticClient, found: Drift) -> tuple[str, ...]:
    """Say what only a copy can change. A former name matters only where a document carries it."""
    reasons = [f"{name}: {why}" for name, why in sorted(found.changed.items())]
    for former, name in sorted(found.renamed.items()):
        count = client.count(found.index.name, {"exists": {"field": former}})
        if count:
            reasons.append(
                f"{former} is called {name} now, and {count} documents have it under the old name only"
            )
    return tuple(reasons)


def _aliases(index: Existing) -> dict[str, dict[str, object]]:
    """Return the aliases of the new index: the name for writing, and what else somebody gave the old one."""
    kept: dict[str, dict[str, object]] = {name: dict(more) for name, more in index.aliases.items()}
    return kept | {index.base: {"is_write_index": True}}


def _concrete(name: str, by_name: dict[str, Existing]) -> str:
    for index in by_name.values():
        if name == index.name or (name == index.base and not index.is_hidden):
            return index.name
    raise ConfigurationError(f"There is no index {name} of shipper's here.")


def _is_in(index: Existing, namespace: str) -> bool:
    prefix = str(index.template.body["index_patterns"][0])[:-1]
    return not namespace or index.base.removeprefix(prefix).partition("-")[0] == namespace
