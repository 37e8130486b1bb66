"""The detection job tells of itself: how far it is behind, when it ran, how long that took, how often it failed.

A detector that has died or fallen behind looks, from its alerts, like a day on which all is well. So each run leaves a
heartbeat (dataset `ml.health`, `shipper.role: detector`), a scheduler serves the same numbers to Prometheus, and
`shipper doctor` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shipper.alert.wording import moment_text
from shipper.clock import Clock
from shipper.detect.lease import LeaseHeld
from shipper.detect.report import RunReport
from shipper.errors import ShipperError, StoreError, StoreUnavailable
from shipper.observe.own_heartbeat import ROLE, Creates, store_heartbeat

LATE_S: Final = 900.0
"""A run that leaves event time further behind than that is told as a warning."""


@dataclass(slots=True)
class DetectStatus:
    """What a job did since it started.

    Attributes:
        succeeded, failed, stood_by: runs by how they ended; one that finds another job at work stands by.
        windows, changed: windows judged, alerts changed; totals.
        ended_us: when the last run succeeded; None: none has.
        watermark_us: event time up to which it judged.
        duration_s: how long that run took.
    """

    succeeded: int = 0
    failed: int = 0
    stood_by: int = 0
    windows: int = 0
    changed: int = 0
    ended_us: int | None = None
    watermark_us: int = 0
    duration_s: float = 0.0


class OwnPulse:
    """Tells of the runs of one job; what cannot be told is given up, and never fails a run.

    Args:
        every_s: the next run begins after so long; 0: somebody else starts it.
    """

    def __init__(self, store: Creates, namespace: str, clock: Clock, every_s: float = 0.0) -> None:
        self._store = store
        self._namespace = namespace
        self._clock = clock
        self._every_s = every_s
        self._failures = 0
        self.status = DetectStatus()

    def succeeded(self, report: RunReport) -> None:
        """A run has judged what was due."""
        now, status = self._clock.now_us(), self.status
        status.succeeded += 1
        status.windows += report.windows
        status.changed += len(report.changed)
        status.ended_us, status.watermark_us = now, report.watermark_us
        status.duration_s = report.duration_s
        lag_s = max(0.0, (now - report.watermark_us) / 1e6)
        told = (
            f"judged {report.windows} windows up to {moment_text(report.watermark_us)} in {report.duration_s:.1f} s, "
            f"{lag_s / 60:.0f} min behind; {len(report.changed)} alerts changed"
        )
        if self._failures:
            told += f"; {self._failures} runs before it failed"
        fields = {
            "event.outcome": "success",
            "shipper.detect.lag_s": round(lag_s, 3),
            "shipper.detect.duration_s": round(report.duration_s, 3),
            "shipper.detect.windows": report.windows,
            "shipper.detect.changed": len(report.changed),
        }
        is_well = lag_s <= LATE_S and not self._failures
        if self._tell(told, fields, "info" if is_well else "warning"):
            self._failures = 0

    def failed(self, error: ShipperError) -> None:
        """A run ended with an error; that another job works is none."""
        if isinstance(error, LeaseHeld):
            self.status.stood_by += 1
            return
        self.status.failed += 1
        self._failures += 1
        if isinstance(error, StoreUnavailable):
            return  # nobody would take it; the next run that succeeds tells how many failed
        fields: dict[str, object] = {"event.outcome": "failure", "shipper.trouble": str(error)[:1000]}
        self._tell(f"a run failed: {error}", fields, "error")

    def _tell(self, message: str, fields: dict[str, object], level: str) -> bool:
        every = {
            ROLE: "detector",
            "shipper.heartbeat_s": self._every_s,
            "shipper.detect.failures": self._failures,
            **fields,
        }
        try:
            store_heartbeat(
                self._store, self._namespace, self._clock.now_us(), every, message=message, level=level
            )
        except StoreError:
            return False
        return True
