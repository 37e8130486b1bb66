"""Running again and again: at a steady pace, one leader, missed runs merged into one, a clean end.

A run judges everything that is due, so runs that were missed (or that took longer than the pace) are not
repeated one by one: the next run catches up with all their windows, in order. A stand-by that finds
the lease taken waits and tries again; when the leader dies it takes over as soon as the lease expires.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from shipper.clock import Clock
from shipper.detect.report import RunReport
from shipper.errors import ShipperError


def keep_running(
    run_once: Callable[[], RunReport],
    clock: Clock,
    stop: threading.Event,
    *,
    every_s: float,
    on_report: Callable[[RunReport], None],
    on_trouble: Callable[[ShipperError], None],
) -> None:
    """Call `run_once` every `every_s` seconds until `stop` is set; the run under way is finished.

    Args:
        run_once: judges what is due; raises `LeaseHeld` where another job leads.
        clock: measures the pace.
        stop: ends the loop.
        every_s: seconds from start to start; a longer run is followed by the next at once.
        on_report: told of each finished run.
        on_trouble: told of an error that a later attempt may cure; others are raised.
    """
    while not stop.is_set():
        began = clock.monotonic_s()
        try:
            on_report(run_once())
        except ShipperError as error:
            if not error.retriable:
                raise
            on_trouble(error)
        clock.wait(stop, max(0.0, every_s - (clock.monotonic_s() - began)))
