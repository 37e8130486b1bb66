"""`shipper schema`: the field table and what is generated from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The field table and everything that is generated from it.")

_UNSAID: dict[str, tuple[object, ...]] = {"searchable": (True,), "required": (False,)}
"""Values that go without saying; of all else, what is empty."""


@app.command()
def generate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 where a generated file is stale.")
    ] = False,
    root: Annotated[
        Path, typer.Option(help="The checkout whose schema/ is the source.", file_okay=False)
    ] = Path(),
) -> None:
    """Write every file that follows from schema/*.yml (templates, field list, reference page)."""
    from shipper.cli.events_reference import PAGE, events_page
    from shipper.errors import ConfigurationError
    from shipper.schema.generate import stale_files, write_files
    from shipper.schema.roles import load_roles, role_pages

    if not (root / "schema" / "fields.yml").is_file():
        raise ConfigurationError(
            f"{root.resolve()} has no schema/fields.yml; run this at the top of a checkout, or give --root."
        )
    further = {PAGE: events_page, **role_pages(load_roles(root / "schema"))}
    if check:
        stale = stale_files(root, further)
        for path in stale:
            typer.echo(f"{path} is stale", err=True)
        if stale:
            typer.echo("Run `shipper schema generate` and commit what it writes.", err=True)
            raise typer.Exit(1)
        typer.echo("All generated files are up to date.")
        return
    changed = write_files(root, further)
    for path in changed:
        typer.echo(path)
    typer.echo(f"{len(changed)} files changed." if changed else "All generated files were up to date.")


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="FIELD",
            help="A field, the beginning of several (ml.prediction), or a dataset; none: all datasets.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Show what is declared of a field, a group of fields or a dataset: type, unit, privacy class, retention."""
    from shipper.assets import asset
    from shipper.errors import ConfigurationError
    from shipper.schema.describe import describe, suggestions
    from shipper.schema.table import load_table

    table = load_table(asset("schema"))
    found = describe(table, name)
    if not found:
        meant = suggestions(table, name)
        hint = f"did you mean {', '.join(meant)}?" if meant else "all stand in docs/reference/fields.md."
        raise ConfigurationError(f"No field or dataset {name} is declared; {hint}")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    for entry in found:
        typer.echo(entry["name"])
        for key, value in entry.items():
            if key == "name" or value in _UNSAID.get(key, ("", 0, [])):
                continue
            typer.echo(f"  {key:15} {', '.join(value) if isinstance(value, list) else value}")
