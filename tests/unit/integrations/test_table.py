"""The table of what is supported."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_each_row_has_a_test_or_is_not_supported() -> None:
    """U11: each row of the support table names a test that exists, or says "not supported", in each of its cells."""
    page = (ROOT / "docs/how-to/frameworks.md").read_text("utf-8")
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.partition("## What is supported")[2].splitlines()
        if line.startswith("| ") and not line.startswith("| surrounding")
    ]
    assert len(rows) >= 12
    for surrounding, by_thread, by_agent, test in rows:
        named = re.findall(r"`(test_\w+)`", test)
        assert all(f"def {name}(" in tests for name in named), surrounding
        assert all(cell.startswith(("yes", "not supported")) for cell in (by_thread, by_agent)), surrounding
        is_unsupported = by_thread == by_agent == "not supported"
        assert is_unsupported or named, surrounding
