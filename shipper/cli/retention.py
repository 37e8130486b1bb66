"""`shipper retention`: what is kept and for how long, and the end of what is kept no longer."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shipper.cli.audited import Why, act_of, audited

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.index.retention import KeptIndex

app = typer.Typer(no_args_is_help=True, help="How long logs are kept: see it, and delete what is due.")

AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", help="Not only the namespace of the settings.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@app.command()
def report(
    all_namespaces: AllNamespaces = False,
    every: Annotated[bool, typer.Option("--indices", help="Also a line per index.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is kept, how long, how big it is, and when the next index goes. Changes nothing."""
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect
    from shipper.index.retention import by_dataset, survey

    settings = load_settings()
    with connect(settings.elasticsearch) as client:
        namespace = "" if all_namespaces else settings.namespace
        indices = survey(client, SystemClock().now_us(), settings.retention.days, namespace)
    rows = list(by_dataset(indices, settings.retention.days))
    odd = [_row(index) for index in indices if index.state in ("odd", "unfinished")]
    if as_json:
        answer: dict[str, Any] = {"datasets": rows, "left_alone": odd}
        typer.echo(
            json.dumps(answer | ({"indices": [_row(index) for index in indices]} if every else {}), indent=2)
        )
        return
    _print_rows(rows)
    if every:
        for index in indices:
            typer.echo(_line(index))
    for row in odd:
        typer.echo(f"{row['index']}: left alone, {row['why']}")


@app.command()
def apply(
    all_namespaces: AllNamespaces = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing; show what would go.")] = False,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """Delete the indices whose last moment is older than their dataset is kept; shows them and asks first.

    Never deleted: an index that still holds a day within retention, one whose name is not ours in every part, one
    with events beyond its own period. May be repeated, and interrupted, at any time.
    """
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.elastic.client import connect
    from shipper.index.retention import apply as run
    from shipper.index.retention import due, survey, trusted_now_us

    settings = load_settings()
    counts = {"deleted": 0, "documents": 0, "bytes": 0}
    with connect(settings.elasticsearch) as client:
        now_us = trusted_now_us(client, SystemClock().now_us())
        namespace = "" if all_namespaces else settings.namespace
        indices = survey(client, now_us, settings.retention.days, namespace)
        found = due(client, indices)
        going = [index for index in found if index.state == "due"]
        staying = [index for index in (*found, *indices) if index.state == "odd"]
        if not as_json:
            _print_plan(going, staying)
        if going and not dry_run:
            if not yes:
                typer.confirm(f"Delete these {len(going)} indices, for good?", abort=True, err=True)
            act = act_of(
                settings, "retention-apply", f"{len(going)} indices, {_said(settings, namespace)}", why
            )
            with audited(settings, client, act, counts):
                run(client, going, counts, lambda index: _progress(index, is_on=not as_json))
    if as_json:
        answer = {
            "dry_run": dry_run,
            "due": [_row(index) for index in going],
            "left_alone": [_row(index) for index in staying],
            **counts,
        }
        typer.echo(json.dumps(answer, indent=2))
    elif not dry_run:
        typer.echo(
            f"{counts['deleted']} indices deleted: {counts['documents']} documents, {_bytes(counts['bytes'])}."
        )


def _said(settings: Settings, namespace: str) -> str:
    days = ", ".join(f"{dataset} {count} days" for dataset, count in sorted(settings.retention.days.items()))
    return f"namespace {namespace or '*'}{f', {days}' if days else ''}"


def _print_plan(going: list[KeptIndex], staying: list[KeptIndex]) -> None:
    for index in going:
        typer.echo(f"due: {_line(index)}")
    for index in staying:
        typer.echo(f"left alone: {index.name}, {index.why}")
    if not going:
        typer.echo("Nothing is due.")


def _progress(index: KeptIndex, *, is_on: bool) -> None:
    if is_on and sys.stderr.isatty():
        typer.echo(f"deleted {index.name}", err=True)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    head = ("DATASET", "NAMESPACE", "KEPT", "INDICES", "DOCUMENTS", "SIZE", "FROM", "NEXT GOES", "DUE")
    lines = [head]
    for row in rows:
        kept = "always" if row["kept_days"] is None else f"{row['kept_days']} days"
        lines.append(
            (
                row["dataset"],
                row["namespace"],
                f"{kept} (by the server)" if row["by_server"] else kept,
                str(row["indices"]),
                str(row["documents"]),
                _bytes(row["bytes"]),
                row["oldest"] or "",
                row["next_expiry"] or "",
                str(row["due"] or ""),
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    total = sum(row["documents"] for row in rows)
    typer.echo(f"In all {total} documents, {_bytes(sum(row['bytes'] for row in rows))}.")


def _row(index: KeptIndex) -> dict[str, Any]:
    return {
        "index": index.name,
        "dataset": None if index.period is None else index.period.dataset.name,
        "state": index.state,
        "why": index.why,
        "from": None if index.period is None else f"{index.period.start:%Y-%m-%d}",
        "expires": None if index.expires is None else f"{index.expires:%Y-%m-%dT%H:%M:%SZ}",
        "documents": None if index.size is None else index.size.documents,
        "bytes": None if index.size is None else index.size.stored_bytes,
    }


def _line(index: KeptIndex) -> str:
    size = (
        "closed"
        if index.size is None
        else f"{index.size.documents} documents, {_bytes(index.size.stored_bytes)}"
    )
    until = "" if index.expires is None else f", kept until {index.expires:%Y-%m-%d}"
    return f"{index.name} ({size}{until})"


def _bytes(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{count} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
