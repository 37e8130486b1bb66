"""What came of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Figures = dict[str, float]
"""Figures of one contender in one repeat, by name: p50, p99, p999 and mean in microseconds, threads in records/s."""


@dataclass(slots=True)
class Result:
    """What came of a run.

    Attributes:
        runs: figures of each repeat by contender.
        meetings: figures of a contender and of its peer beside it, of each repeat, by both names.
        missing: why a contender did not run.
        failed: how a contender failed.
    """

    runs: dict[str, list[Figures]] = field(default_factory=dict)
    meetings: dict[tuple[str, str], list[tuple[Figures, Figures]]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def note(self, names: Sequence[str], figures: Sequence[Figures]) -> None:
        """Keep what one meeting gave."""
        self.runs.setdefault(names[0], []).append(figures[0])
        if len(figures) == 2:
            self.meetings.setdefault((names[0], names[1]), []).append((figures[0], figures[1]))

    def ratios(self, ours: str, figure: str, peer: str) -> list[float]:
        """Return ours divided by the peer's, for each meeting of the two in which both have the figure."""
        return [
            own[figure] / other[figure]
            for own, other in self.meetings.get((ours, peer), ())
            if figure in own and other.get(figure)
        ]
