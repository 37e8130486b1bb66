"""Test kit: capture what an application logs, in memory; no thread, no disk, no network.

With pytest, the fixture `shipper_records` does the same as `capture()`::

    def test_checkout_logs_the_order(shipper_records):
        checkout("A-1041")
        assert shipper_records.documents[-1]["labels"]["order"] == "A-1041"
"""

from __future__ import annotations

from shipper.testing.capture import CapturedRecords, capture, reset

__all__ = ["CapturedRecords", "capture", "reset"]
