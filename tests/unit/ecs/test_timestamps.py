"""Times: UTC with microseconds, from whatever a caller gives."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pandas as pd
import pytest

from shipper.ecs.timestamps import LAST_US, iso_timestamp, parse_timestamp

MOMENT_US = 1_767_225_600_123_456


@pytest.mark.parametrize(
    "value",
    [
        1_767_225_600.123456,
        1_767_225_600_123.456,
        1_767_225_600_123_456,
        1_767_225_600_123_456_789,
        "2026-01-01T00:00:00.123456Z",
        "2026-01-01T00:00:00.123456",
        "2026-01-01 01:00:00.123456+01:00",
        "2026-01-01T00:00:00.123456789Z",
        dt.datetime(2026, 1, 1, 0, 0, 0, 123456),  # noqa: DTZ001 - the rule for no zone
        dt.datetime(2026, 1, 1, 5, 45, 0, 123456, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45))),
        pd.Timestamp("2026-01-01T00:00:00.123456"),
    ],
)
def test_forms_of_one_moment(value: object) -> None:
    """Numbers by their size, date-times and text are read; without a zone they are UTC."""
    found = parse_timestamp(value)
    assert found is not None
    assert abs(found - MOMENT_US) <= 1


@pytest.mark.parametrize(
    "value",
    [None, True, "", "soon", "2026", -1, 1e300, float("nan"), 10**40, b"2026-01-01", [], pd.NaT,
     dt.datetime(1900, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 1, 1, tzinfo=dt.UTC)],
)  # fmt: skip
def test_what_is_no_moment(value: object) -> None:
    """What is no time between 1970 and 2262 is None: Elasticsearch's nanosecond dates end there."""
    assert parse_timestamp(value) is None


@pytest.mark.parametrize("moment_us", [0, 1, 999_999, MOMENT_US, LAST_US - 1])
def test_round_trip(moment_us: int) -> None:
    """U51: 27 characters keep each microsecond."""
    text = iso_timestamp(moment_us)
    assert len(text) == 27
    assert parse_timestamp(text) == moment_us


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_zone_of_the_machine_does_not_matter(zone: str) -> None:
    """U50: in three zones, and in the hour that a clock change repeats, the same moment gives the same text in UTC."""
    code = (
        "import datetime as dt, logging, shipper.testing\n"
        "from shipper.emit import ShipperHandler\n"
        "with shipper.testing.capture() as records:\n"
        "    for created in (1793511000.25, 1793514600.25):\n"
        "        record = logging.makeLogRecord({'msg': 'x', 'created': created, 'levelno': 20})\n"
        "        ShipperHandler().handle(record)\n"
        "        shipper.get_logger().info('x', timestamp=dt.datetime.fromtimestamp(created).astimezone())\n"
        "print([document['@timestamp'] for document in records.documents])\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env={"TZ": zone, "SHIPPER_GIT_COMMIT": "c"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == str(
        ["2026-11-01T05:30:00.250000Z"] * 2 + ["2026-11-01T06:30:00.250000Z"] * 2
    )
