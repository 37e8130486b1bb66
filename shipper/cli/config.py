"""`shipper config`: what is set, where it comes from, and every key there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

_PRECEDENCE: Final = """\
Precedence: argument > environment > file > default. The file is the one that `SHIPPER_CONFIG` names, else
`shipper.toml` in the working directory, else `~/.config/shipper/shipper.toml`. `[group]` is a table of the
file, `key` a line in it. Secrets are masked wherever settings are shown.
"""

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Show the settings and all their keys.")


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
def reference() -> None:
    """Print the reference page of all settings (docs/reference/settings.md)."""
    typer.echo(reference_page(), nl=False)


def reference_page() -> str:
    """Return the reference page, made from the settings' own declarations."""
    from shipper.config import Settings

    lines = [
        "# Settings\n\nMade by `shipper config reference`; do not edit.\n\n",
        _PRECEDENCE,
    ]
    plain = [(n, f) for n, f in Settings.model_fields.items() if not _is_group(f.annotation)]
    lines.append("\n## top level\n\n" + _table_head())
    lines += [_row("", name, field) for name, field in plain]
    for name, field in Settings.model_fields.items():
        group = field.annotation
        if group is None or not _is_group(group):
            continue
        lines.append(f"\n## [{name}]\n\n{(group.__doc__ or '').strip()}\n\n" + _table_head())
        lines += [_row(f"{name}_", key, member) for key, member in group.model_fields.items()]
    return "".join(lines)


def _table_head() -> str:
    return "| key | variable | default | allowed | meaning |\n|---|---|---|---|---|\n"


def _is_group(annotation: Any) -> bool:
    from pydantic import BaseModel

    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _row(prefix: str, name: str, field: Any) -> str:
    if field.default_factory is not None:
        default = "see meaning"
    else:
        default = getattr(field.default, "get_secret_value", lambda: field.default)()
        default = "" if default in ("", None) else f"`{default}`"
    allowed = ", ".join(filter(None, (_constraint(item) for item in field.metadata)))
    choices = getattr(field.annotation, "__args__", ())
    if all(isinstance(choice, str) for choice in choices) and choices:
        allowed = ", ".join(f"`{choice}`" if choice else "empty" for choice in choices)
    variable = f"`SHIPPER_{prefix.upper()}{name.upper()}`"
    return f"| `{name}` | {variable} | {default} | {allowed} | {field.description or ''} |\n"


def _constraint(item: Any) -> str:
    for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
        if (limit := getattr(item, attribute, None)) is not None:
            return f"{sign} {limit}"
    return ""


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
