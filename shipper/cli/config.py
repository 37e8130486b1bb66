"""`shipper config`: what is set, where it comes from, and every key there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show the settings and all their keys.")


class Page(StrEnum):
    """The pages that can be printed."""

    settings = "settings"
    commands = "commands"


@app.command()
def show(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Print the settings in force; secrets are masked."""
    from shipper.config import config_file, load_settings

    values = load_settings().model_dump(mode="json")
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    typer.echo(f"# file: {config_file() or 'none'}")
    for key, value in _flat(values):
        typer.echo(f"{key} = {json.dumps(value)}")


@app.command()
def reference(
    page: Annotated[Page, typer.Argument(help="Which page of docs/reference/.")],
) -> None:
    """Print a reference page: all settings, or all commands with their options."""
    from shipper.cli.reference import commands_page, settings_page

    typer.echo(settings_page() if page is Page.settings else commands_page(), nl=False)


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
