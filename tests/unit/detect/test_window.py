"""Windows, lengths of time and moments."""

from __future__ import annotations

import pytest

from shipper.detect.event_time.window import (
    HOUR_US,
    MINUTE_US,
    Window,
    ceil_to,
    floor_to,
    format_duration,
    iso,
    parse_duration,
    parse_iso,
    windows_between,
)


def test_windows_are_half_open() -> None:
    """U60: a moment on the edge belongs to the later window only."""
    first, second = windows_between(0, 2 * MINUTE_US, MINUTE_US)
    assert MINUTE_US not in first
    assert MINUTE_US in second
    assert first.end_us == second.start_us
    assert first.length_us == MINUTE_US


def test_windows_are_aligned_and_whole() -> None:
    """Windows start at multiples of their length; parts of windows are left out."""
    found = list(windows_between(7, 3 * HOUR_US + 5, HOUR_US))
    assert found == [Window(HOUR_US, 2 * HOUR_US), Window(2 * HOUR_US, 3 * HOUR_US)]


def test_a_window_has_a_length() -> None:
    """A window that ends where it starts is refused."""
    with pytest.raises(ValueError, match="ends after its start"):
        Window(5, 5)


def test_floor_and_ceil() -> None:
    """An aligned moment is its own floor and ceiling."""
    assert (floor_to(61, 60), ceil_to(61, 60), floor_to(60, 60), ceil_to(60, 60)) == (60, 120, 60, 60)


@pytest.mark.parametrize("text", ["90s", "15m", "6h", "2d"])
def test_durations_read_back(text: str) -> None:
    """What is written is what was read."""
    assert format_duration(parse_duration(text)) == text


@pytest.mark.parametrize("text", ["", "15", "m", "0m", "-5m", "1.5h", "15 minutes", "1w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A length without a known unit, or not positive, is refused."""
    with pytest.raises(ValueError, match="is not a length of time"):
        parse_duration(text)


def test_moments_read_back() -> None:
    """U50: moments are written in UTC with microseconds and `Z`; zones and nanoseconds are understood."""
    moment = 1_790_000_000_123_456
    assert parse_iso(iso(moment)) == moment
    assert parse_iso("2026-11-21T12:00:00+02:00") == parse_iso("2026-11-21T10:00:00")
    assert parse_iso("2026-11-21T10:00:00.123456789Z") == parse_iso("2026-11-21T10:00:00.123456Z")
