"""What the documentation says of itself is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shipper.cli.main import COMMANDS
from shipper.cli.reference import commands_page, settings_page

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def test_settings_page_is_current() -> None:
    """docs/reference/settings.md is what `shipper config reference settings` prints."""
    assert (ROOT / "docs/reference/settings.md").read_text("utf-8") == settings_page()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    """A relative link of a page leads to a file that exists."""
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_pages_exist(page: Path) -> None:
    """A page names only commands of shipper that exist."""
    for name in re.findall(r"(?:^|`)\s*(?:\$ )?shipper ([a-z]+)", page.read_text("utf-8"), re.MULTILINE):
        assert name in COMMANDS, f"{page.name} names `shipper {name}`"


def test_commands_page_is_current() -> None:
    """docs/reference/commands.md is what `shipper config reference commands` prints."""
    assert (ROOT / "docs/reference/commands.md").read_text("utf-8") == commands_page()


def test_every_parameter_has_help() -> None:
    """Each command says what it does, and no argument or option lacks its meaning."""
    page = commands_page()
    assert not [row for row in page.splitlines() if row.startswith("| `") and row.endswith("|  |")]
    assert "\n\n\n" not in page


def test_every_setting_has_a_meaning() -> None:
    """No row of the settings page lacks its last column."""
    rows = [line for line in settings_page().splitlines() if line.startswith("| `")]
    assert rows
    assert not [row for row in rows if row.rstrip().endswith("|  |")]
