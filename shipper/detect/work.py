"""One rule on its way through a run: from the state that was stored to what is reported of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from shipper.detect.backfill import Gathered, Stretch
from shipper.detect.event_time.span import Span
from shipper.detect.judging.threshold import Verdict
from shipper.detect.report import RuleReport, Waiting
from shipper.detect.rule_job import Judged, waiting
from shipper.detect.rules.rule import Rule
from shipper.detect.state import Loaded, RuleState


@dataclass(slots=True)
class Work:
    """One rule on its way through a run."""

    rule: Rule
    loaded: Loaded
    state: RuleState
    span: Span = field(default_factory=lambda: Span(0, 0))
    stretch: Stretch | None = None
    gathered: Gathered = field(default_factory=Gathered)
    notes: list[str] = field(default_factory=list)
    windows: int = 0
    unknown: int = 0
    anomalous: int = 0
    groups: int = 0
    level: float = 0.0
    waiting: tuple[Waiting, ...] = ()
    resting: int = 0

    def chunks(self) -> list[tuple[int, int]]:
        """Return the parts to judge, in order."""
        return (self.stretch or self.span).chunks(self.rule.window)

    def beyond(self) -> tuple[int, int] | None:
        """Return the next part after a stretch of the past in which one of its episodes still lasts."""
        return self.stretch.after(self.rule, self.state) if self.stretch is not None else None

    def took(self, judged: Judged, chunk: tuple[int, int]) -> None:
        """Count what was judged, unless it lies outside of the span that was asked for."""
        if not self.span.from_us <= chunk[0] < self.span.to_us:
            return
        verdicts = [one.verdict for found in judged.judgements.values() for one in found]
        self.windows += len(verdicts)
        self.unknown += verdicts.count(Verdict.UNKNOWN)
        self.anomalous += sum(verdict.is_anomalous for verdict in verdicts)
        self.groups = max(self.groups, len(judged.judgements))
        self.resting += judged.resting
        self.level = judged.level
        self.waiting = waiting(self.rule, judged)

    def report(self) -> RuleReport:
        """Return the rule's part of the report."""
        return RuleReport(
            rule_id=self.rule.id,
            from_us=self.span.from_us,
            to_us=self.span.to_us,
            windows=self.windows,
            unknown=self.unknown,
            anomalous=self.anomalous,
            groups=self.groups,
            late_events=self.span.late_events,
            level=self.level,
            waiting=self.waiting,
            resting=self.resting,
            notes=tuple(dict.fromkeys(self.notes)),
        )
