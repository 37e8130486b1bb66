"""Roles as files and as API calls; what the real server makes of them is in tests/service/test_roles.py."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from typer.testing import CliRunner

from shipper.assets import asset
from shipper.cli.main import COMMANDS, app
from shipper.errors import ConfigurationError
from shipper.schema.roles import load_roles, password_line, role_pages, roles_yaml

ROLES = load_roles(asset("schema"))


def test_files_are_those_of_the_schema() -> None:
    """What stands in es_templates/roles/ is what schema/roles.yml says."""
    folder = asset("es_templates").parent
    pages = role_pages(ROLES)
    assert {path: (folder / path).read_text("utf-8") for path in pages} == {
        path: render(None) for path, render in pages.items()
    }


def test_the_file_and_the_api_grant_the_same() -> None:
    """roles.yml, the body of a role and the body of an API key hold the same privileges."""
    from_file = yaml.safe_load(roles_yaml(ROLES))
    for role in ROLES:
        body = role.body()
        assert {key: body[key] for key in ("cluster", "indices")} == from_file[role.name]
        assert role.api_key()["role_descriptors"][role.name] == from_file[role.name]


def test_a_teams_roles_name_no_other_team() -> None:
    """Every pattern of a team's role holds the team's name, but for the list of erasures, which is only read."""
    for role in load_roles(asset("schema"), "team_a"):
        assert role.name == f"shipper_team_a_{role.kind}"
        for grant in role.indices:
            for name in grant["names"]:
                if name == "shipper-erasures":
                    assert set(grant["privileges"]) <= {
                        "read",
                        "view_index_metadata",
                        "maintenance",
                        "monitor",
                    }
                else:
                    assert re.search(r"-team_a(-|$)", name), name


def test_nobody_gets_everything() -> None:
    """No role may manage security or the cluster; no writer reads; none but the janitor can remove the audit trail."""
    for role in ROLES:
        assert not {"all", "manage", "manage_security", "manage_api_key"} & set(role.cluster)
        assert all("all" not in grant["privileges"] for grant in role.indices)


def test_commands_of_roles_exist() -> None:
    """A role names only commands that there are."""
    named = {command.split()[0] for role in ROLES for command in role.commands}
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("namespace", ["", "Team", "a-b", "a*", "a,b", "../x", "x" * 101])
def test_a_namespace_that_is_none(namespace: str) -> None:
    """What would reach beyond a team's indices is refused."""
    with pytest.raises(ConfigurationError):
        load_roles(asset("schema"), namespace)


def test_the_command_prints_what_servers_take() -> None:
    """`shipper roles file`, `api` and `list` print YAML and JSON; an unknown role names those there are."""
    runner = CliRunner()
    done = runner.invoke(app, ["roles", "file", "--namespace", "a", "--namespace", "b"])
    assert len(yaml.safe_load(done.stdout)) == 2 * len(ROLES)
    body = json.loads(runner.invoke(app, ["roles", "api", "viewer"]).stdout)
    assert body["metadata"] == {"managed_by": "shipper"}
    key = json.loads(runner.invoke(app, ["roles", "api", "viewer", "--key"]).stdout)
    assert list(key["role_descriptors"]) == ["shipper_viewer"]
    assert len(json.loads(runner.invoke(app, ["roles", "list", "--json"]).stdout)) == len(ROLES)
    assert "writer" in str(runner.invoke(app, ["roles", "api", "king"]).exception)


def test_passwords_are_hashed() -> None:
    """The line of a user holds no password; short ones and odd names are refused; salts differ."""
    line = password_line("bob", "correct horse battery")
    assert re.fullmatch(r"bob:\{PBKDF2\}\d+\$[A-Za-z0-9+/=]{44}\$[A-Za-z0-9+/=]{44}", line)
    assert line != password_line("bob", "correct horse battery")
    asked = CliRunner().invoke(app, ["roles", "user", "bob"], input="correct horse battery\n")
    assert asked.stdout.startswith("bob:{PBKDF2}")
    for name, password in (("bob", "short"), ("b:b", "correct horse battery"), ("", "correct horse battery")):
        with pytest.raises(ConfigurationError):
            password_line(name, password)
