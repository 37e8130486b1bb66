"""A program for tests: append records to a spool as a service does, then end as it is told.

append_and_exit.py ROOT PRODUCER COUNT {exit|_exit|hang} [SHIPPED_BY] [DESTINATION]
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from shipper.clock import SystemClock
from shipper.spool.policy import SpoolPolicy
from shipper.spool.writer import SpoolWriter


def main() -> None:
    """Append, print how many were stored, end."""
    root, producer_id, count, end, *rest = sys.argv[1:]
    clock = SystemClock()
    writer = SpoolWriter.open(
        Path(root),
        SpoolPolicy(free_space_floor_bytes=0),
        producer_id=producer_id,
        stamp=b'"id":"%b-%%d","sequence":%%d' % producer_id.encode(),
        clock=clock,
        shipped_by=rest[0] if rest else "thread",
        destination=rest[1] if len(rest) > 1 else "",
    )
    for _ in range(int(count)):
        writer.append(b"{", b"}", timestamp_us=clock.now_us(), level=20, dataset="ml.app")
    print(writer.last_sequence, flush=True)
    if end == "_exit":
        os._exit(0)
    if end == "hang":
        threading.Event().wait()


if __name__ == "__main__":
    main()
