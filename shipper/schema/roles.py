"""Roles of Elasticsearch from `schema/roles.yml`: as a file for the file realm, as bodies of API calls.

The file realm is on each node's disk and needs neither an index nor a licence; it is what the minimal server has.
A full server takes the same roles by its API, and API keys that are limited to one of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from shipper.errors import ConfigurationError

JsonObject = dict[str, Any]

EVERYWHERE: Final = "*"
"""In place of a namespace: all of them."""

_NAMESPACE: Final = re.compile(r"[a-z0-9_]{1,100}")
_USER: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.@$-]{0,99}")
_PASSWORD_LEAST: Final = 12
_ROUNDS: Final = 100_000
_SALT_BYTES: Final = 32
_HASH_BYTES: Final = 32
_HEAD: Final = (
    "# Roles for Elasticsearch's file realm: goes to config/roles.yml of each node. Generated from schema/roles.yml;\n"
    "# `shipper roles file --namespace TEAM` prints those of one team. See docs/how-to/secure-elasticsearch.md.\n"
)


@dataclass(frozen=True, slots=True)
class Role:
    """One role as it is declared, for one namespace or all.

    Attributes:
        name: as Elasticsearch shall know it, for example `shipper_indexer` or `shipper_team_a_indexer`.
        kind: as it is declared, for example `indexer`.
        commands: what its holder runs.
        cluster, indices: privileges, as the server writes them.
    """

    name: str
    kind: str
    meaning: str
    commands: tuple[str, ...]
    cluster: tuple[str, ...]
    indices: tuple[Mapping[str, Sequence[str]], ...]

    def body(self) -> JsonObject:
        """Return the body of `PUT /_security/role/<name>`."""
        return {**self.privileges(), "description": self.meaning, "metadata": {"managed_by": "shipper"}}

    def api_key(self) -> JsonObject:
        """Return the body of `POST /_security/api_key`: a key that may do what the role may, whoever makes it."""
        return {
            "name": self.name,
            "role_descriptors": {self.name: self.privileges()},
            "metadata": {"managed_by": "shipper", "role": self.kind},
        }

    def privileges(self) -> JsonObject:
        """Return what the role may do, as the file realm and the API write it."""
        return {
            "cluster": list(self.cluster),
            "indices": [
                {"names": list(grant["names"]), "privileges": list(grant["privileges"])}
                for grant in self.indices
            ],
        }


def load_roles(folder: Path, namespace: str = EVERYWHERE) -> tuple[Role, ...]:
    """Read `roles.yml` under `folder` (`schema`).

    Args:
        namespace: the team or environment that the roles are for.

    Raises:
        ConfigurationError: the namespace is none, or the file cannot be read.
    """
    if namespace != EVERYWHERE and not _NAMESPACE.fullmatch(namespace):
        raise ConfigurationError(f"{namespace!r} is no namespace: 1 to 100 of a-z, 0-9 and _.")
    path = folder / "roles.yml"
    try:
        declared = yaml.safe_load(path.read_text("utf-8"))["roles"]
    except (OSError, KeyError, TypeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The roles in {path} cannot be read: {error}.") from error
    prefix = "shipper" if namespace == EVERYWHERE else f"shipper_{namespace}"
    return tuple(_role(f"{prefix}_{kind}", kind, content, namespace) for kind, content in declared.items())


def roles_yaml(roles: Iterable[Role]) -> str:
    """Return the text of `roles.yml` for the file realm."""
    text = [_HEAD]
    for role in roles:
        commands = ", ".join(f"`shipper {command}`" for command in role.commands)
        text.append(f"\n# {role.meaning}{f' Runs {commands}.' if commands else ''}\n")
        text.append(
            yaml.safe_dump(
                {role.name: role.privileges()}, sort_keys=False, width=200, default_flow_style=None
            )
        )
    return "".join(text)


def role_pages(roles: Sequence[Role]) -> dict[str, Callable[[object], str]]:
    """Return what renders each generated file of roles, by its path in the repository."""
    files = {"roles.yml": roles_yaml(roles)}
    for role in roles:
        files[f"api/{role.name}.json"] = json.dumps(role.body(), indent=2) + "\n"
        files[f"api_keys/{role.name}.json"] = json.dumps(role.api_key(), indent=2) + "\n"
    return {f"es_templates/roles/{path}": _always(text) for path, text in files.items()}


def _always(text: str) -> Callable[[object], str]:
    return lambda _table: text


def password_line(user: str, password: str) -> str:
    """Return a line of the file realm's `users`: name and hash (PBKDF2, HMAC-SHA-512), never the password.

    Raises:
        ConfigurationError: the name is none that the server takes, or the password is too short.
    """
    if not _USER.fullmatch(user):
        raise ConfigurationError(f"{user!r} is no name of a user: letters, digits and _.@$-, at most 100.")
    if len(password) < _PASSWORD_LEAST:
        raise ConfigurationError(f"The password is too short: {_PASSWORD_LEAST} characters are the least.")
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, _HASH_BYTES)
    return f"{user}:{{PBKDF2}}{_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def _role(name: str, kind: str, content: Mapping[str, Any], namespace: str) -> Role:
    return Role(
        name,
        kind,
        content["meaning"],
        tuple(content["commands"]),
        tuple(content["cluster"]),
        tuple(
            {
                "names": [_named(pattern, namespace) for pattern in grant["names"]],
                "privileges": list(grant["privileges"]),
            }
            for grant in content["indices"]
            if namespace == EVERYWHERE or not grant.get("only_everywhere")
        ),
    )


def _named(pattern: str, namespace: str) -> str:
    """Return a pattern for a namespace; between slashes it is a regular expression of Lucene's."""
    is_expression = pattern.startswith("/")
    everywhere = "[a-z0-9_]+" if is_expression else "*"
    return pattern.replace("{namespace}", everywhere if namespace == EVERYWHERE else namespace)
