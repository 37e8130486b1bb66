"""Which windows a run judges: from the checkpoint to the watermark, further back where late events came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shipper.alert.wording import moment_text
from shipper.detect.event_time.watermark import Arrivals, Late
from shipper.detect.event_time.window import DAY_US, ceil_to, floor_to, format_duration, iso
from shipper.detect.rules.quality_rule import settles_us
from shipper.detect.rules.rule import Rule
from shipper.detect.state import RuleState

REOPEN_US: Final = 2 * DAY_US
"""Windows older than the checkpoint by more than this are not judged again for late events."""

_CHUNK_WINDOWS: Final = 500


@dataclass(frozen=True, slots=True)
class Span:
    """Aligned moments [from, to) whose windows are to be judged; nothing where they are equal."""

    from_us: int
    to_us: int
    late_events: int = 0
    notes: tuple[str, ...] = ()

    def chunks(self, window_us: int) -> list[tuple[int, int]]:
        """Return the span in parts that bound the memory of a long catch-up, in order."""
        step = _CHUNK_WINDOWS * window_us
        return [(start, min(start + step, self.to_us)) for start in range(self.from_us, self.to_us, step)]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may judge; moments and lengths in microseconds.

    Attributes:
        start_us: judge from here instead of from the checkpoint; None: from the checkpoint.
        end_us: judge up to here at most.
        max_catch_up_us: a longer gap is skipped, and that is reported.
        watermark_us: up to where event time is settled, however much is asked for; None: up to `end_us`.
    """

    start_us: int | None
    end_us: int
    max_catch_up_us: int
    watermark_us: int | None = None

    def after(self, wait_us: int) -> Limits:
        """Return the limits of a rule whose windows are judged so much later than others."""
        settled = self.end_us if self.watermark_us is None else self.watermark_us
        return replace(self, end_us=min(self.end_us, settled - wait_us)) if wait_us else self


def span_of(rule: Rule, state: RuleState, arrivals: Arrivals, late: Late, limits: Limits) -> Span:
    """Return the span that a rule has to judge now."""
    wait_us = settles_us(rule)
    limits = limits.after(wait_us)
    if arrivals.oldest_us is not None and limits.start_us is None:
        # Nobody has asked for events that are as old as these cohorts; there may be some all that time.
        arrivals = replace(arrivals, oldest_us=arrivals.oldest_us - wait_us)
    end = floor_to(limits.end_us, rule.window)
    if limits.start_us is not None:
        if arrivals.oldest_us is None:
            return Span(end, end)
        # Nothing is judged long before the first event, however far back a person asks for.
        oldest = floor_to(arrivals.oldest_us - rule.baseline.preceding, rule.window)
        return Span(min(max(ceil_to(limits.start_us, rule.window), oldest), end), end)
    oldest_allowed = ceil_to(limits.end_us - limits.max_catch_up_us, rule.window)
    if state.checkpoint_us is None:
        if arrivals.oldest_us is None:
            return Span(end, end)
        return Span(min(max(floor_to(arrivals.oldest_us, rule.window), oldest_allowed), end), end)
    start, notes = ceil_to(state.checkpoint_us, rule.window), []
    if late.earliest_us is not None:
        start = min(start, floor_to(late.earliest_us, rule.window))
        # The watermark may have gone back since (a backlog): what was judged once is judged again all the way, or the
        # verdicts behind it would stay as they were before the late events.
        end = max(end, floor_to(state.checkpoint_us, rule.window))
    if late.missed and not wait_us:
        notes.append(
            f"{late.missed:,} labels came for cohorts more than {format_duration(REOPEN_US)} older than what was judged "
            "before, too late to be judged again: a rule of kind quality with labels_within waits for them"
        )
    if start < oldest_allowed:
        if state.checkpoint_us < oldest_allowed:
            skipped_us = ceil_to(state.checkpoint_us, rule.window)
            gap = format_duration(oldest_allowed - skipped_us)
            since = moment_text(state.checkpoint_us)
            notes.append(
                f"a gap of {gap} from {since} was not judged: it is beyond detect.max_catch_up_hours; "
                f"judge it with `shipper detect backfill {iso(skipped_us)} {iso(oldest_allowed)}`"
            )
        start = oldest_allowed
    return Span(min(start, end), end, late.events, tuple(notes))
