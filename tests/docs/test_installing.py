"""What the pages say of installing: never by the bare name, which on the public index is another project's."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path

import shipper

ROOT = Path(shipper.__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.service")]
_BARE = re.compile(r"pip3? install [^`\n]*?(?<![\w/.-])shipper(?![\w.-])")
_WHEEL = re.compile(r"shipper-([\w.]+)-py3-none-any\.whl")


def test_nobody_is_told_to_install_another_project() -> None:
    """No page has the bare name installed; the README says once why not."""
    found = [
        f"{page.name}: {match[0]}"
        for page in PAGES
        for match in _BARE.finditer(page.read_text("utf-8"))
        if "would bring that one" not in page.read_text("utf-8")[match.start() : match.end() + 30]
    ]
    assert found == []


def test_the_wheel_that_is_named_is_of_this_version() -> None:
    """Each page that names the wheel names that of this version."""
    named = {match for page in PAGES for match in _WHEEL.findall(page.read_text("utf-8"))}
    assert named == {version("shipper")}
