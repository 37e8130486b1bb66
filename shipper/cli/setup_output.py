"""What `shipper setup` says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer


def print_setup(result: dict[str, Any]) -> None:
    """Print the result for a person; problems go to standard error."""
    would = "would be " if result["dry_run"] else ""
    templates = result["templates"]
    for change in templates["changes"]:
        _print_change(change, would, is_dry=result["dry_run"])
    if not templates["changes"]:
        typer.echo(f"All {templates['count']} templates were up to date.")
    _print_indices(result["indices"], would)
    for sentence in result["left_out"]:
        typer.echo(f"left out: {sentence}")
    for problem in templates["problems"]:
        typer.echo(f"problem: {problem}", err=True)
    _print_topics(result.get("topics", ()), would)
    if "kibana" in result:
        found = result["kibana"]
        typer.echo(f"Kibana: {would}imported from {', '.join(found['files'])} ({found['imported']} objects).")
        for problem in found["problems"]:
            typer.echo(f"problem: {problem}", err=True)


def _print_change(change: dict[str, Any], would: str, *, is_dry: bool) -> None:
    kinds = {"component": "component template", "index": "index template", "policy": "lifecycle policy"}
    what = f"{kinds.get(change['kind'], change['kind'])} {change['name']}"
    if is_dry and change["was"] == "newer":
        typer.echo(f"{what}: refused, the server's is newer; upgrade shipper here")
        return
    verb = "installed" if change["was"] == "missing" else "replaced"
    typer.echo(f"{what}: {would}{verb} ({change['was']})")
    for line in change["differences"]:
        typer.echo(f"    {line}")


def _print_indices(indices: Sequence[dict[str, Any]], would: str) -> None:
    for index in indices:
        if index["added"]:
            typer.echo(f"index {index['name']}: {would}brought up to date")
        for line in index["added"]:
            typer.echo(f"    {line}")
        if index["needs_migration"]:
            fields = ", ".join(index["needs_migration"])
            typer.echo(f"index {index['name']}: only `shipper migrate apply` can change {fields}")


def _print_topics(topics: Sequence[dict[str, Any]], would: str) -> None:
    for topic in topics:
        typer.echo(f"topic {topic['name']}: {f'{would}created' if topic['created'] else 'exists'}")
        for line in topic["differences"]:
            typer.echo(f"    left as it is; {line}")
