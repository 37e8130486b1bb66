"""The judgements of `shipper doctor` that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.cli.doctor_checks import _dead_letters, _lag, _oldest_unsent, host_checks, spool_checks
from shipper.cli.doctor_store import _clock, _definition_problem, letters_check
from shipper.clock import SystemClock
from shipper.config import SpoolSettings
from shipper.index.letter_watch import OpenLetters
from shipper.spool.policy import SpoolPolicy
from shipper.spool.writer import SpoolWriter


@pytest.mark.parametrize(
    ("starts", "ends", "committed", "state"),
    [
        ({0: 0}, {0: 0}, {}, "ok"),
        ({0: 0}, {0: 9}, {0: 9}, "ok"),
        ({0: 0}, {0: 9}, {0: 4}, "ok"),
        ({0: 0}, {0: 9}, {}, "warn"),
        ({0: 7}, {0: 9}, {0: 4}, "fail"),
        ({0: 1000}, {0: 2000}, {0: 1100}, "warn"),
        ({0: 1000}, {0: 2000}, {0: 1900}, "ok"),
    ],
)
def test_lag_is_judged(
    starts: dict[int, int], ends: dict[int, int], committed: dict[int, int], state: str
) -> None:
    """Lag is ordinary; a group that never committed is a warning; records deleted before indexing are a failure."""
    assert _lag(starts, ends, committed).state == state


def test_records_deleted_by_retention_are_counted() -> None:
    """What retention took before it was indexed is loss, and is told with its number."""
    assert "3 records" in _lag({0: 7}, {0: 9}, {0: 4}).found


def test_open_dead_letters_are_a_warning() -> None:
    """U34: an open dead letter is never silent: how many, of which kind, how large, how old; settled ones are no fault."""
    counts = {("index", "mapping"): 3, ("ship", "too_large"): 1}
    check = letters_check(OpenLetters(counts, 4096, 1_000_000_000), 1_000_000_000 + 7200 * 1_000_000)
    assert check.state == "warn"
    for part in ("4 open", "index mapping 3", "4096 bytes", "2 h old"):
        assert part in check.found
    assert letters_check(OpenLetters({}, 0, None), 0).state == "ok"
    assert "3 letters" in _dead_letters({0: 2}, {0: 5}).found


def test_records_that_wait_for_long_are_a_warning() -> None:
    """U19: how long the oldest unsent record has been waiting is told, and is a warning after minutes."""
    second = 1_000_000
    assert _oldest_unsent([], 0).state == "ok"
    assert _oldest_unsent([90 * second, 95 * second], 100 * second).state == "ok"
    late = _oldest_unsent([100 * second, 900 * second], 1000 * second)
    assert (late.state, "15 min" in late.found, "2 processes" in late.found) == ("warn", True, True)


def test_a_spool_that_nobody_ships_is_seen(tmp_path: Path) -> None:
    """U25 U34: the age of the oldest record in the spools is read from the folders, without taking any lease."""
    policy = SpoolPolicy(max_bytes=1 << 20, segment_max_bytes=1 << 16, free_space_floor_bytes=0)
    writer = SpoolWriter.open(
        tmp_path, policy, producer_id="p" * 20, stamp=b'"id":"p-%d","sequence":%d,', clock=SystemClock()
    )
    writer.append(b"{", b"}", timestamp_us=1_000_000_000, level=20, dataset="ml.app")
    settings = SpoolSettings(directory=tmp_path, free_space_floor_bytes=0)
    found = {check.name: check for check in spool_checks(settings, 1_000_000_000 + 600 * 1_000_000)}
    assert "10 min old" in found["oldest unsent"].found
    assert found["oldest unsent"].state == "warn"
    assert "1 alive" in found["spool"].found
    writer.close()


@pytest.mark.parametrize(
    ("ahead_s", "state"), [(0.5, "ok"), (-1.9, "ok"), (3.0, "warn"), (-3.0, "warn"), (90.0, "fail")]
)
def test_the_clock_is_judged(ahead_s: float, state: str) -> None:
    """Two seconds are a warning, a minute a failure, in either direction."""
    assert _clock(ahead_s).state == state


@pytest.mark.parametrize(
    ("definition", "is_well"),
    [
        (
            {
                "mappings": {"dynamic": "false"},
                "settings": {"index": {"mapping": {"total_fields": {"limit": "9"}}}},
            },
            True,
        ),
        ({"mappings": {"dynamic": "false"}, "settings": {"index": {}}}, False),
        ({"mappings": {}, "settings": {"index": {"mapping": {"total_fields": {"limit": "9"}}}}}, False),
        ({"mappings": {"dynamic": "false"}, "data_stream": "x"}, False),
        ({}, False),
    ],
)
def test_an_index_is_ours_or_not(definition: dict[str, object], is_well: bool) -> None:
    """U30: plain, closed and capped is well; anything else is told."""
    assert (_definition_problem(definition) == "") == is_well


class TestSpool:
    """The folder of the local buffer."""

    def test_an_empty_folder_is_well(self, tmp_path: Path) -> None:
        """A folder that can be made and written is ok."""
        check, _ = spool_checks(SpoolSettings(directory=tmp_path / "deep" / "spool", max_bytes=1 << 20), 0)
        assert check.state == "ok", check

    def test_a_file_in_the_way_fails(self, tmp_path: Path) -> None:
        """A path that is no folder is a failure with advice."""
        (tmp_path / "spool").write_text("")
        (check,) = spool_checks(SpoolSettings(directory=tmp_path / "spool"), 0)
        assert (check.state, bool(check.advice)) == ("fail", True)

    def test_too_little_room_fails(self, tmp_path: Path) -> None:
        """U26: below the floor records would be dropped; near it an outage could fill the disk."""
        below, _ = spool_checks(SpoolSettings(directory=tmp_path, free_space_floor_bytes=1 << 44), 0)
        assert below.state == "fail"
        near, _ = spool_checks(SpoolSettings(directory=tmp_path, max_bytes=1 << 44), 0)
        assert near.state == "warn"


def test_the_host_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python is told; without git, records lack the commit: a warning with what to do."""
    monkeypatch.setenv("PATH", "")
    states = {check.name: check for check in host_checks()}
    assert states["python"].state == "ok"
    assert states["git"].state == "warn"
    assert states["git"].advice
