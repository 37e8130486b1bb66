"""`shipper kibana`: the saved objects: generated from their sources, and checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Kibana's data views, searches and dashboards: generate them, check them.",
)

_Root = Annotated[
    Path, typer.Option("--root", metavar="FOLDER", help="The repository; default: the working directory.")
]


@app.command()
def generate(
    root: _Root = Path(),
    is_check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 where a file is out of date.")
    ] = False,
) -> None:
    """Write kibana/saved_objects from kibana/src, and show what changed."""
    from shipper.errors import ConfigurationError
    from shipper.kibana.generate import stale_files, write_files

    if not (root / "kibana" / "src").is_dir():
        raise ConfigurationError(
            f"{root.resolve()} holds no kibana/src; run this in the repository of shipper."
        )
    changed = stale_files(root) if is_check else write_files(root)
    for path in changed:
        typer.echo(f"{'out of date' if is_check else 'written'}: {path}")
    if is_check and changed:
        typer.echo("Run `shipper kibana generate` and commit the result.", err=True)
        raise typer.Exit(1)
    if not changed:
        typer.echo("Up to date.")


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="An export (ndjson); default: the one that travels with shipper.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of findings.")] = False,
) -> None:
    """Check saved objects: references, fields, queries, charts, places, versions. Exit 1 on a finding."""
    from shipper.assets import asset
    from shipper.kibana.check import check as findings_of
    from shipper.kibana.generate import FILE, read_ndjson
    from shipper.schema.table import load_table

    lines = read_ndjson(file if file is not None else asset(FILE))
    findings = findings_of(lines, load_table(asset("schema")))
    if as_json:
        rows = [{"code": each.code, "where": each.where, "message": each.message} for each in findings]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
        if not findings:
            typer.echo(f"{len(lines) - 1} objects, no findings.")
    if findings:
        raise typer.Exit(1)
