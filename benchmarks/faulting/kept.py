"""Results of a long run, kept rule by rule, so that one that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.faulting.planted import Planted
from benchmarks.faulting.report import Tally
from benchmarks.faulting.tally import Outcome

Tallies = Mapping[str, Tally]
"""By contender; ours is named `OURS`."""
OURS: Final = "shipper"


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of results; None: nothing is kept.

    Attributes:
        folder: where.
        key: all that the results depend on but the code, which is the caller's to keep the same.
    """

    folder: Path | None
    key: str

    def path(self, word: str, rule_id: str) -> Path | None:
        """Return the file of one rule's result."""
        digest = hashlib.sha256(self.key.encode()).hexdigest()[:12]
        return self.folder and self.folder / f"{digest}-{word.replace(' ', '-')}-{rule_id}.json"

    def read(self, word: str, rule_id: str) -> Tallies | None:
        """Return what was kept of a rule, if anything."""
        path = self.path(word, rule_id)
        if path is None or not path.exists():
            return None
        content = json.loads(path.read_text("utf-8"))
        return {name: _tally(one) for name, one in content.items()}

    def write(self, word: str, rule_id: str, tallies: Tallies) -> None:
        """Keep a rule's result."""
        path = self.path(word, rule_id)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({name: asdict(one) for name, one in tallies.items()}), "utf-8")


def _tally(content: Mapping[str, Any]) -> Tally:
    found = tuple(Outcome(Planted(**one["fault"]), one["raised_us"]) for one in content["outcomes"])
    return Tally(content["rule_id"], content["series"], found, content["false"])
