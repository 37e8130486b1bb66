"""`shipper migrate`: indices of an older schema, made anew under the present one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipper.cli.audited import Why, act_of, audited

if TYPE_CHECKING:
    from shipper.elastic.client import ElasticClient
    from shipper.elastic.raw import RawClient
    from shipper.index.migrate import Result, Step
    from shipper.index.templates import Template

app = typer.Typer(
    no_args_is_help=True, help="Bring stored logs to a schema that has changed the type or name of a field."
)

_NONE: list[str] = []
Indices = Annotated[
    list[str],
    typer.Option(
        "--index", metavar="NAME", help="Also this one, though nothing of it has changed; repeatable."
    ),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", help="Not only the namespace of the settings.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@app.command()
def plan(
    index: Indices = _NONE,
    all_namespaces: AllNamespaces = False,
    check: Annotated[bool, typer.Option("--check", help="Exit 1 where there is anything to do.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show which indices must be made anew, why, and how large they are. Changes nothing."""
    from shipper.config import load_settings
    from shipper.elastic.client import connect

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        steps = _plan(client, index, "" if all_namespaces else settings.namespace)
    if as_json:
        typer.echo(json.dumps({"steps": [_row(step) for step in steps]}, indent=2))
    else:
        _print_plan(steps)
    if check and steps:
        raise typer.Exit(1)


@app.command()
def apply(
    index: Indices = _NONE,
    all_namespaces: AllNamespaces = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; show the plan.")] = False,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Make these indices anew: every document copied under its id, then put in place of the old index at once.

    Records may be written meanwhile; they wait for the last moments of an index. May be killed and run again: it goes
    on. Of two at once in a namespace, the second says so and ends. Exit code 1 where the new mapping refuses a document, or the server an index: it then stays as it was.
    """
    from shipper.config import load_settings
    from shipper.elastic.client import connect
    from shipper.elastic.raw import connect_raw

    settings = load_settings()
    namespace = "" if all_namespaces else settings.namespace
    done = _Done()
    with connect(settings.elasticsearch) as client, connect_raw(settings.elasticsearch) as raw:
        _require_set_up(client)
        steps = _plan(client, index, namespace)
        if not as_json:
            _print_plan(steps)
        if steps and not dry_run:
            if not yes:
                typer.confirm(f"Make these {len(steps)} indices anew?", abort=True, err=True)
            act = act_of(
                settings, "migrate-apply", f"{len(steps)} indices, namespace {namespace or '*'}", why
            )
            with _alone(client, steps) as keep, audited(settings, client, act, done.counts):
                # Another run may have ended since the plan was made.
                due = {step.index.name for step in _plan(client, index, namespace)}
                steps = [step for step in steps if step.index.name in due]
                _carry_out_all(client, raw, steps, done, keep, is_told=not as_json)
    if as_json:
        answer = {"dry_run": dry_run, "steps": [_row(step) for step in steps]}
        typer.echo(json.dumps(answer | done.as_json(), indent=2))
    for name, sentence in done.failed.items():
        typer.echo(f"{name}: stays as it was: {sentence}", err=True)
    if done.failed or done.counts["refused"]:
        raise typer.Exit(1)


@dataclass
class _Done:
    """What became of the steps; `failed` are indices that the server refused, with the sentence."""

    counts: dict[str, int] = field(
        default_factory=lambda: {"indices": 0, "documents": 0, "refused": 0, "failed": 0}
    )
    results: list[Result] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {"results": [_result(result) for result in self.results], "failed": self.failed}


@contextmanager
def _alone(client: ElasticClient, steps: list[Step]) -> Iterator[Callable[[], None]]:
    """Hold the leases of the namespaces of these steps; yields what is to be called again and again meanwhile.

    Raises:
        LeaseHeld: another run is at work on one of them.
    """
    from shipper.clock import SystemClock
    from shipper.datasets import namespace_of
    from shipper.lease import Lease, new_holder
    from shipper.state_index import ensure_state_index, state_index

    holder, clock = new_holder(), SystemClock()
    with ExitStack() as stack:
        leases = []
        for namespace in sorted({namespace_of(step.index.base) for step in steps} - {""}):
            ensure_state_index(client, namespace)
            lease = Lease(
                client,
                state_index(namespace),
                "lease-migrate",
                clock,
                holder,
                work="Another migration",
                outlives_process=False,
            )
            lease.take()
            stack.callback(lease.give_back)
            leases.append(lease)

        def keep() -> None:
            for lease in leases:
                lease.keep()

        yield keep


def _carry_out_all(
    client: ElasticClient,
    raw: RawClient,
    steps: list[Step],
    done: _Done,
    keep: Callable[[], None],
    *,
    is_told: bool,
) -> None:
    from shipper.errors import RequestRefused

    templates = _templates()
    for step in steps:
        try:
            result = _carry_out(client, raw, templates, step, keep, is_told=is_told)
        except RequestRefused as error:  # of this index; the others may be allowed
            done.failed[step.index.name] = str(error)
            done.counts["failed"] += 1
            continue
        done.results.append(result)
        done.counts["indices"] += result.outcome != "refused"
        done.counts["documents"] += result.documents
        done.counts["refused"] += result.refused_count


def _templates() -> Sequence[Template]:
    from shipper.assets import asset
    from shipper.index.templates import packaged_templates

    return packaged_templates(asset("es_templates"))


def _require_set_up(client: ElasticClient) -> None:
    """The copies are made by the server's templates: they must be ours, and of this version."""
    from shipper.errors import ConfigurationError
    from shipper.index.templates import differences

    found = differences(client, _templates())
    if found:
        raise ConfigurationError(f"{found[0]} on the server; run `shipper setup` first, then this again.")


def _plan(client: ElasticClient, also: list[str], namespace: str) -> list[Step]:
    from shipper.index.migrate import plan as make_plan

    return make_plan(client, _templates(), also, namespace)


def _carry_out(
    client: ElasticClient,
    raw: RawClient,
    templates: Sequence[Template],
    step: Step,
    keep: Callable[[], None],
    *,
    is_told: bool,
) -> Result:
    import time

    from shipper.index.migrate import carry_out

    def progress(documents: int) -> None:
        keep()
        if is_told and sys.stderr.isatty():
            typer.echo(f"\r{step.index.name}: {documents} of {step.size.documents} …", err=True, nl=False)

    def pause(attempt: int) -> None:
        keep()
        time.sleep(min(10.0, 0.2 * 2**attempt))

    keep()
    result = carry_out(
        client,
        raw,
        templates,
        step,
        pause=pause,
        progress=progress,
    )
    if is_told:
        _print_result(result)
    return result


def _print_plan(steps: list[Step]) -> None:
    for step in steps:
        begun = "" if step.begun is None else f", of which {step.begun} are copied already"
        typer.echo(f"{step.index.name} -> {step.target} ({step.size.documents} documents{begun})")
        for reason in step.reasons:
            typer.echo(f"    {reason}")
    if not steps:
        typer.echo("Every index is as the schema says; nothing is to be migrated.")


def _print_result(result: Result) -> None:
    name = result.step.index.name
    if result.outcome == "refused":
        typer.echo(
            f"{name}: stays as it was; the new mapping refuses {result.refused_count} of its documents:",
            err=True,
        )
        for document_id, sentence in list(result.refused.items())[:5]:
            typer.echo(f"    {document_id}: {sentence}", err=True)
        return
    typer.echo(f"{name}: done, {result.documents} documents copied")


def _row(step: Step) -> dict[str, Any]:
    return {
        "index": step.index.name,
        "target": step.target,
        "reasons": list(step.reasons),
        "documents": step.size.documents,
        "bytes": step.size.stored_bytes,
        "copied_already": step.begun,
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "index": result.step.index.name,
        "target": result.step.target,
        "outcome": result.outcome,
        "documents": result.documents,
        "refused": result.refused_count,
        "refused_ids": result.refused,
    }
