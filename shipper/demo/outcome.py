"""What the demo came to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipper.demo.hops import Books
from shipper.demo.plan import Plan
from shipper.demo.story import Truth
from shipper.demo.verdict import SeenAlert, Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that the demo found; `passed` is what `--check` asks."""

    plan: Plan
    truth: Truth
    books: Books
    verdict: Verdict
    alerts: tuple[tuple[SeenAlert, dict[str, Any]], ...]
    failing_panels: tuple[str, ...]
    panels: int
    searches: tuple[tuple[str, str, str], ...]
    config_file: Path
    took_s: float

    @property
    def passed(self) -> bool:
        """The books balance, nothing planted is missed, nothing false is raised, no panel is empty."""
        return self.books.balance and self.verdict.passed and not self.failing_panels
