"""The reference pages that are made from the code: settings and commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from shipper.cli.main import COMMANDS, LazyCommands
from shipper.config import Settings

_PRECEDENCE: Final = """\
Precedence: argument > environment > file > default. The file is the one that `SHIPPER_CONFIG` names, else
`shipper.toml` in the working directory, else `~/.config/shipper/shipper.toml`. `[group]` is a table of the
file, `key` a line in it. Secrets are masked wherever settings are shown.
"""


def settings_page() -> str:
    """Return the reference page, made from the settings' own declarations."""
    lines = [
        "# Settings\n\nMade by `shipper config reference settings`; do not edit.\n\n",
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


def commands_page() -> str:
    """Return the reference page of all commands with their arguments and options."""
    lines = [
        "# Commands\n\nMade by `shipper config reference commands`; do not edit.\n\n",
        "Exit codes: 0 done, 1 it failed or a check found something, 2 the user's mistake, 130 interrupted.\n",
    ]
    group = LazyCommands(name="shipper")
    for name in COMMANDS:
        lines += _command_section(f"shipper {name}", group.get_command(None, name), depth=2)
    return "".join(lines)


def _command_section(title: str, command: Any, depth: int) -> Iterator[str]:
    yield f"\n{'#' * depth} {title}\n\n{_plain(command.help or '')}\n"
    rows = [_parameter_row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        yield "\n| argument or option | default | meaning |\n|---|---|---|\n"
        yield from rows
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command_section(f"{title} {name}", inner, depth + 1)


def _plain(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def _parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.name.upper()}`"
    else:
        shown = ", ".join(f"`{option}`" for option in parameter.opts)
    default = parameter.default
    has_default = default not in (None, False, "") and not callable(default)
    meaning = " ".join((parameter.help or "").split())
    return f"| {shown} | {f'`{default}`' if has_default else ''} | {meaning} |\n"
