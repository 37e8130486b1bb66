"""What this process uses, as the operating system tells it."""

from __future__ import annotations

import os
import sys


def process_resources() -> dict[str, float]:
    """Return peak memory (bytes), CPU time (seconds, all threads) and the number of the machine's processors.

    Costs some microseconds; empty where the system does not tell (Windows). Never raises.
    """
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return {}
    try:
        used = resource.getrusage(resource.RUSAGE_SELF)
        unit = 1 if sys.platform == "darwin" else 1024
        return {
            "memory_peak_bytes": float(used.ru_maxrss * unit),
            "cpu_s": used.ru_utime + used.ru_stime,
            "cpu_count": float(os.cpu_count() or 1),
        }
    except (OSError, ValueError):
        return {}
