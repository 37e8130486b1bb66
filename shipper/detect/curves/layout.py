"""The columns in which a run's windows are stored; see `shipper.detect.fetching.training_cells` for who fills them.

A window is cut into `PARTS` parts. Of a series of measures each part has the columns `<series>.n/<part>` (values),
`.sum`, `.high`, `.low`, and `.at`, the furthest step among them. Moments are seconds from the window's start.
"""

from __future__ import annotations

from typing import Final

from shipper.detect.rules.training_rule import PARTS

STATS: Final = ("n", "sum", "high", "low", "at")
STEP, EPOCH, VALIDATION, RATE = "step", "epoch", "validation", "rate"
"""Series: steps on training data, epochs on training data, validation, learning rate."""

SERIES: Final = (STEP, EPOCH, VALIDATION, RATE)

EVENTS: Final = "events"
OVER: Final = "over"
"""1 in the windows after the end of a run."""

STARTS, START_AT = "starts", "start_at"
"""Number of events that say that the run begins (or goes on), and when the last one came."""

LAST_STEP: Final = "last_step"
"""The furthest step of a window, and one more than it (0: it has none)."""

FINISHED, FAILED, KILLED, INTERRUPTED = "end.finished", "end.failed", "end.killed", "end.interrupted"
"""Events that say that the run ended, by status; interrupted: killed by somebody at the keyboard."""

ENDS: Final = (FINISHED, FAILED, KILLED)
ENDED: Final = "ended"
"""1 where the last event of a window says that the run ended; no column of the table."""

BEATS, BEAT_AT, FAREWELL = "beats", "beat_at", "farewell"
"""Heartbeats of the run's processes, when the last one came, and those that said that the process ends."""

BEAT_S: Final = "beat_s"
"""Seconds between heartbeats."""

SEEN: Final = "seen"
"""Series of all events: `seen.n`, and `seen.from` and `seen.to`, when the first and the last came."""

DURATION, EPOCH_DURATION = "duration", "epoch_duration"
"""Nanoseconds of steps and epochs: `.n` and `.sum`."""

NONFINITE: Final = "nonfinite"
"""Block of measures that were NaN or infinite, a part each."""

NONFINITE_AT, NONFINITE_STEP = "nonfinite_at", "nonfinite_step"
"""Blocks: when each of them was so first in the window, and at which step (one more than it, for 0 is none)."""

EXTREME_STEP: Final = "extreme_step"
"""Step of the window's worst value, and one more than it (0: unknown)."""

SAME: Final = "same"
"""Block of what runs share that are compared, a part for each combination that was seen."""


def stats(series: str) -> tuple[str, ...]:
    """Return the blocks of a series."""
    return tuple(f"{series}.{stat}" for stat in STATS)


def columns(blocks: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns of blocks that have a part for each part of a window."""
    return tuple(f"{block}/{part}" for block in blocks for part in range(PARTS))
