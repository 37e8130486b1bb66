"""`shipper roles`: who may do what in Elasticsearch, for the whole or for one team; as files and as API calls."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipper.schema.roles import Role

app = typer.Typer(
    no_args_is_help=True,
    help="Roles for Elasticsearch: writer, indexer, detector, viewer, operator, janitor.",
)

Namespaces = Annotated[
    list[str],
    typer.Option(
        "--namespace", metavar="TEAM", help="Only this team's or environment's indices; repeat. None: all."
    ),
]
_NONE: list[str] = []


@app.command("list")
def list_command(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False) -> None:
    """List the roles: what each is for, and the commands that its holder runs."""
    roles = _roles([])
    if as_json:
        rows = [{"name": one.name, "meaning": one.meaning, "commands": list(one.commands)} for one in roles]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for role in roles:
        typer.echo(f"{role.name}: {role.meaning}")
        if role.commands:
            typer.echo(f"    runs {', '.join(f'`shipper {command}`' for command in role.commands)}")


@app.command("file")
def file(namespace: Namespaces = _NONE) -> None:
    """Print roles.yml for the file realm: it goes into config/ of each node, which reads it again by itself."""
    from shipper.schema.roles import roles_yaml

    typer.echo(roles_yaml(_roles(namespace)), nl=False)


@app.command("api")
def api(
    kind: Annotated[str, typer.Argument(metavar="ROLE", help="For example indexer.")],
    namespace: Namespaces = _NONE,
    key: Annotated[
        bool, typer.Option("--key", help="The body that makes an API key limited to the role.")
    ] = False,
) -> None:
    """Print bodies for a full server's API: PUT /_security/role/<name>, or with --key POST /_security/api_key."""
    from shipper.errors import ConfigurationError

    roles = _roles(namespace)
    found = [role for role in roles if role.kind == kind]
    if not found:
        known = ", ".join(dict.fromkeys(role.kind for role in roles))
        raise ConfigurationError(f"There is no role {kind}; there are {known}.")
    for role in found:
        typer.echo(json.dumps(role.api_key() if key else role.body(), indent=2))


@app.command("user")
def user(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")],
) -> None:
    """Print a line for the file realm's `users`; the password is asked for, or read from standard input."""
    from shipper.schema.roles import password_line

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    typer.echo(password_line(name, password))


def _roles(namespaces: list[str]) -> list[Role]:
    from shipper.assets import asset
    from shipper.schema.roles import EVERYWHERE, load_roles

    return [role for one in namespaces or [EVERYWHERE] for role in load_roles(asset("schema"), one)]
